"""A deployment's choices, from the context in ``cdk.json``: nothing is looked up, nothing is asked of the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ConfigurationError", "Stage"]


class ConfigurationError(ValueError):
    """The context does not describe a stage or a platform."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One deployment of everything, such as ``dev`` or ``prod``."""

    name: str
    keep_data: bool
    """Table, queues and users outlive the stack, and the table and the users refuse to be deleted by hand."""
    log_retention: str
    """One of CloudWatch's periods as CDK names them, such as ``TWO_WEEKS``."""
    processor_concurrency: int
    """Items that run at once through the queue, over all jobs (2 to 1,000)."""
    requests_per_second: int
    request_burst: int
    claude_key_secret: str
    """The name of the Secrets Manager secret whose whole text is Claude's key."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Replacements of the api's limits, by their names in its settings."""
    machines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Clients that sign in by a secret, each with the scopes that its tokens may have, such as ``jobs.read``."""

    @classmethod
    def from_context(cls, name: str, stages: Mapping[str, Any]) -> Self:
        """The stage ``name`` of the context's ``stages``.

        Raises:
            ConfigurationError: no such stage, or a member that is missing or unknown.
        """
        if name not in stages:
            raise ConfigurationError(f"stage {name!r} is not one of {', '.join(sorted(stages))} in cdk.json")
        try:
            return cls(name=name, **stages[name])
        except TypeError as error:
            raise ConfigurationError(f"stage {name!r} in cdk.json: {error}") from error
