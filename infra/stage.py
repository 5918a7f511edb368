"""A deployment's choices, from the context in ``cdk.json``: nothing is looked up, nothing is asked of the machine.

``docs/configuration.md`` says what each is for; a test holds it to this page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence  # noqa: TC003  the checks are read from the annotations
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from typing import Annotated, Any, Final, Self, get_type_hints

from infra.checks import Check, Each, Members, OneOf, Optional, Text, Whole, YesNo
from shared.generation.bedrock import without_price
from shared.generation.pricing import BUILT_IN

__all__ = ["FUNCTIONS", "OWN_KEY", "RETENTIONS", "ConfigurationError", "Stage"]

FUNCTIONS: Final = ("api", "dead_letters", "finalizer", "journal", "processor", "sweeper")
RETENTIONS: Final = (
    *("ONE_DAY", "THREE_DAYS", "FIVE_DAYS", "ONE_WEEK", "TWO_WEEKS", "ONE_MONTH", "TWO_MONTHS", "THREE_MONTHS"),
    *("FOUR_MONTHS", "FIVE_MONTHS", "SIX_MONTHS", "ONE_YEAR", "THIRTEEN_MONTHS", "EIGHTEEN_MONTHS", "TWO_YEARS"),
    *("THREE_YEARS", "FIVE_YEARS", "SIX_YEARS", "SEVEN_YEARS", "EIGHT_YEARS", "NINE_YEARS", "TEN_YEARS", "INFINITE"),
)
"""CloudWatch's periods as CDK names them."""
OWN_KEY: Final = "own"
"""``encryption_key`` where the stack makes the key."""
_NAME: Final = Text(r"[a-z][a-z0-9-]{0,19}", "dev: at most 20 small letters, digits and hyphens")
_EMAIL: Final = Text(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", "ada@example.com")
_SECRET: Final = Text(r"[A-Za-z0-9/_+=.@-]{1,512}", "pressroom/dev/anthropic-api-key")
_BEDROCK_ID: Final = Text(r"([a-z-]+\.)?anthropic\.[a-z0-9.:-]+", "global.anthropic.claude-sonnet-5-5")
_KEY: Final = Text(
    rf"{OWN_KEY}|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{{12}}:key/[a-z0-9-]+", f"{OWN_KEY} or arn:aws:kms:…:key/…"
)
_ORIGIN: Final = Text(r"https?://[a-z0-9.-]+(:\d+)?", "https://tools.example.com")


class ConfigurationError(ValueError):
    """The context does not describe a stage or a platform."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One deployment of everything, such as ``dev`` or ``prod``."""

    name: Annotated[str, _NAME]
    keep_data: Annotated[bool, YesNo()]
    """Table, queues and users outlive the stack, and the table and the users refuse to be deleted by hand."""
    log_retention: Annotated[str, OneOf(RETENTIONS)]
    """How long CloudWatch keeps logs."""
    processor_concurrency: Annotated[int, Whole(2, 1_000)]
    """Items that run at once through the queue, over all jobs."""
    requests_per_second: Annotated[int, Whole(1, 10_000)]
    request_burst: Annotated[int, Whole(1, 5_000)]
    claude_on: Annotated[str, OneOf(("anthropic", "bedrock"))] = "anthropic"
    """Whose Claude is called: Anthropic's with a key, or Bedrock's with the processor's role."""
    claude_key_secret: Annotated[str, Optional(_SECRET)] = ""
    """The name of the Secrets Manager secret whose whole text is Claude's key; at Anthropic only."""
    claude_base_url: Annotated[str, Optional(Text(r"https?://[^\s/]+(/[^\s]*)?", "https://claude.example.com"))] = ""
    """A gateway of one's own that speaks the API that is called; empty is that API itself."""
    bedrock_models: Annotated[Mapping[str, str], Members(None, _BEDROCK_ID)] = field(default_factory=dict)
    """Bedrock's ids by Claude's own: the models that may be used. An inference profile's, or a foundation model's."""
    bedrock_region: Annotated[str, Optional(Text(r"[a-z]{2}(-[a-z]+)+-\d", "eu-central-1"))] = ""
    """Where Bedrock is called; empty is the stack's own region."""
    encryption_key: Annotated[str, Optional(_KEY)] = ""
    """Of table, queues, topics and logs: ``own`` is a key that the stack makes and AWS rotates; empty is AWS's."""
    memory_mb: Annotated[Mapping[str, int], Members(FUNCTIONS, Whole(128, 10_240))] = field(default_factory=dict)
    """Replacements of the functions' memory, by their names."""
    reserved_concurrency: Annotated[Mapping[str, int], Members(FUNCTIONS, Whole(0, 1_000))] = field(
        default_factory=dict
    )
    """Invocations kept for a function, which are also its most; 0 stops it."""
    tracing: Annotated[bool, YesNo()] = False
    """X-Ray follows every invocation."""
    snap_start: Annotated[bool, YesNo()] = False
    """The functions that somebody waits for begin from a snapshot of their memory."""
    notify_emails: Annotated[Sequence[str], Each(_EMAIL, 10)] = field(default_factory=list)
    """Who is told of finished jobs; AWS asks each whether they want it."""
    alarm_emails: Annotated[Sequence[str], Each(_EMAIL, 10)] = field(default_factory=list)
    """Who is told of alarms, likewise."""
    cost_alarm_usd: Annotated[int, Whole(1, 1_000_000)] = 25
    """An alarm tells when Claude costs more within an hour."""
    repairs_alarm: Annotated[int, Whole(1, 1_000_000)] = 20
    """An alarm tells when the sweeper makes so many repairs within 15 minutes."""
    queue_age_alarm_minutes: Annotated[int, Whole(1, 20_000)] = 60
    """An alarm tells when a message has waited for longer."""
    cors_origins: Annotated[Sequence[str], Each(_ORIGIN, 20)] = field(default_factory=list)
    """Pages of these origins may call the API."""
    domain_name: Annotated[str, Optional(Text(r"([a-z0-9-]+\.)+[a-z]{2,}", "press.example.com"))] = ""
    """Where the API is also reached; DNS is somebody else's."""
    domain_certificate_arn: Annotated[str, Optional(Text(r"arn:aws[a-z-]*:acm:.+", "arn:aws:acm:…"))] = ""
    """The certificate of ``domain_name``, in the stack's region."""
    limits: Annotated[Mapping[str, Any], Members(None, None)] = field(default_factory=dict)
    """Replacements of the api's limits, by their names in its settings."""
    machines: Annotated[Mapping[str, Sequence[str]], Members(None, None)] = field(default_factory=dict)
    """Clients that sign in by a secret, each with the scopes that its tokens may have, such as ``jobs.read``."""

    def __post_init__(self) -> None:
        flaws = [
            f"{name} is {getattr(self, name)!r}, not {wanted}"
            for name, check in _checks().items()
            if (wanted := check.wanted(getattr(self, name))) is not None
        ]
        if not flaws and self.request_burst < self.requests_per_second:
            flaws = [f"request_burst is {self.request_burst}, less than requests_per_second"]
        if not flaws and bool(self.domain_name) != bool(self.domain_certificate_arn):
            flaws = ["domain_name and domain_certificate_arn need each other"]
        reserved = self.reserved_concurrency.get("processor") if not flaws else None
        if reserved is not None and 0 < reserved < self.processor_concurrency:
            # The queue would deliver what cannot start, and count a receive for each: letters would die of it.
            flaws = [f"reserved_concurrency of the processor is {reserved}, less than processor_concurrency"]
        flaws = flaws or list(self._flaws_of_claude())
        if flaws:
            raise ConfigurationError(f"stage {self.name!r} in cdk.json: {'; '.join(flaws)}")

    def _flaws_of_claude(self) -> Iterator[str]:
        """What does not fit ``claude_on``: each of the two needs settings of its own, and none of the other's."""
        if self.claude_on == "anthropic":
            if not self.claude_key_secret:
                yield f"claude_key_secret is '', not {_SECRET.wanted('')}"
            yield from (
                f"{name} is set, and claude_on is anthropic"
                for name in ("bedrock_models", "bedrock_region")
                if getattr(self, name)
            )
            return
        if self.claude_key_secret:
            yield "claude_key_secret is set, and claude_on is bedrock, which takes no key"
        if not self.bedrock_models:
            yield "bedrock_models is empty, and claude_on is bedrock: no model could be used"
        if missing := without_price(self.bedrock_models, BUILT_IN):
            known = ", ".join(BUILT_IN.models)
            yield f"bedrock_models names {', '.join(missing)}, which has no price; known are {known}"

    @classmethod
    def from_context(cls, name: str, stages: Mapping[str, Any]) -> Self:
        """The stage ``name`` of the context's ``stages``.

        Raises:
            ConfigurationError: no such stage; or a member is missing, unknown, or not what it must be: each is named.
        """
        if name not in stages:
            raise ConfigurationError(f"stage {name!r} is not one of {', '.join(sorted(stages))} in cdk.json")
        members = stages[name]
        known = {each.name: each for each in fields(cls) if each.name != "name"}
        needed = {key for key, each in known.items() if each.default is MISSING and each.default_factory is MISSING}
        flaws = [f"{key} is missing" for key in sorted(needed - members.keys())]
        flaws += [f"{key} is no setting; {_nearest(key, known)}" for key in sorted(members.keys() - known.keys())]
        if flaws:
            raise ConfigurationError(f"stage {name!r} in cdk.json: {'; '.join(flaws)}")
        return cls(name=name, **members)


def _checks() -> dict[str, Check]:
    """The check of every field."""
    hints = get_type_hints(Stage, include_extras=True)
    return {name: next(each for each in hint.__metadata__ if isinstance(each, Check)) for name, hint in hints.items()}


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"settings are {', '.join(sorted(known))}"
