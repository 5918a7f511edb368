"""Looks a deployment over: what is wrong with it, and the one command that helps.

Everything is read with the caller's own AWS credentials, and nothing is changed. What a stack should be is read from
the stack itself: its resources, its functions' environments, and the policies of its template.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from pressroom.admin.grants import missing_grants
from shared.environment import PREFIX
from shared.queue.queues import WORK_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.clock import Clock

__all__ = ["Doctor", "Finding", "Trouble"]

_CLIENT_CONFIG: Final = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
_SERVICES: Final = ("cloudformation", "dynamodb", "events", "iam", "lambda", "secretsmanager", "sqs")
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_UNKNOWN: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
"""Credentials that AWS does not know, or no longer."""
_UNSIGNED: Final = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
"""What a signature by a wrong clock, or by a wrong secret key, meets."""
_THROTTLED: Final = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"})
_NO_STACK: Final = "ValidationError"
"""What DescribeStacks says of a well-formed name that no stack has; it has no code of its own for that."""
_MISSING: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "ValidationError",
    }
)
"""Something that the stack makes is not there."""
_WHO: Final = "aws sts get-caller-identity"
_SET_CLOCK: Final = "sudo timedatectl set-ntp true"
_SHOW_CLOCK: Final = "timedatectl status"
_SOUND: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_SKEW_SECONDS: Final = 5.0
"""Signatures are good for five minutes; an operator's sweep or cancel compares leases with this clock."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something is wrong: ``what``, and the command that ``helps``."""

    what: str
    helps: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to; without troubles everything is as it should be."""

    check: str
    troubles: tuple[Trouble, ...] = ()


@dataclass
class Doctor:
    """Checks the stage ``stage``. ``clients`` are botocore's, by service."""

    stage: str
    clients: Mapping[str, Any]
    clock: Clock
    _skews: list[float] = field(default_factory=list, init=False)

    @classmethod
    def from_aws(cls, stage: str, clock: Clock, *, region: str | None, endpoint_url: str | None) -> Self:
        """With the credentials, and without ``region`` the region, that the AWS command line would use.

        Raises:
            BotoCoreError: there is no region.
        """
        session = botocore.session.get_session()
        clients = {
            name: session.create_client(name, region_name=region, endpoint_url=endpoint_url, config=_CLIENT_CONFIG)
            for name in _SERVICES
        }
        return cls(stage, clients, clock)

    def close(self) -> None:
        """Closes the clients."""
        for service in _SERVICES:
            self.clients[service].close()

    def look(self) -> Iterator[Finding]:
        """Every check in turn; without a sound stack, that one and the clock, which may be why it was not found.

        Raises:
            BotoCoreError: AWS cannot be reached, or there are no credentials.
        """
        stack = self._found("stack", self._stack)
        yield stack
        if stack.troubles:
            yield self._found("clock", self._clock)
            return
        checks: tuple[tuple[str, Callable[[], Iterator[Trouble]]], ...] = (
            ("key", self._key),
            ("permissions", self._permissions),
            ("queue", self._queue),
            ("stream", self._stream),
            ("schedule", self._schedule),
            ("clock", self._clock),
        )
        for name, check in checks:
            yield self._found(name, check)

    def _found(self, name: str, check: Callable[[], Iterator[Trouble]]) -> Finding:
        try:
            return Finding(name, tuple(check()))
        except ClientError as error:
            return Finding(name, (self._refused(error),))

    def _refused(self, error: ClientError) -> Trouble:
        """What it means that AWS refused a call."""
        code, operation = error.response["Error"]["Code"], error.operation_name
        if code in _DENIED:
            return Trouble(f"your credentials may not call {operation}, so this could not be looked at", _WHO)
        if code in _UNKNOWN:
            return Trouble(f"AWS does not know your credentials, or no longer ({code}): sign in again", _WHO)
        if code in _UNSIGNED:
            what = f"AWS does not take your signature ({code}): this machine's clock is wrong, or the secret key"
            return Trouble(what, _SET_CLOCK)
        if code in _THROTTLED:
            again = f"pressroom doctor --stage {self.stage}"
            return Trouble(f"AWS throttled {operation} ({code}), so this could not be looked at: try again", again)
        what = f"{operation} was refused ({code}): {error.response['Error'].get('Message', '')}"
        if code in _MISSING:
            return Trouble(what, self._deploy)
        # No deployment would help against a fault of AWS, or against what nobody foresaw.
        return Trouble(what, f"pressroom doctor --stage {self.stage}")

    @property
    def _deploy(self) -> str:
        return f"make deploy STAGE={self.stage}"

    @property
    def _name(self) -> str:
        return f"pressroom-{self.stage}"

    def _call(self, service: str, operation: str, **request: object) -> dict[str, Any]:
        """An answer of AWS; its time is noted."""
        before = self.clock.now()
        try:
            answer: dict[str, Any] = getattr(self.clients[service], operation)(**request)
        except ClientError as error:
            self._note_time(error.response, before)
            raise
        self._note_time(answer, before)
        return answer

    def _note_time(self, answer: Mapping[str, Any], before: datetime) -> None:
        """A refusal tells the time too: a wrong clock is refused before anything is answered."""
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            # The header has whole seconds: between this and a second later it was written.
            said, after = parsedate_to_datetime(date).astimezone(UTC), self.clock.now()
            self._skews.append(_distance(said, before, after))

    def _stack(self) -> Iterator[Trouble]:
        try:
            [stack] = self._call("cloudformation", "describe_stacks", StackName=self._name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NO_STACK:
                raise
            yield Trouble(f"there is no stack {self._name} in this account and region", self._deploy)
            return
        status = stack["StackStatus"]
        if status not in _SOUND:
            events = f"aws cloudformation describe-stack-events --stack-name {self._name}"
            yield Trouble(f"the stack {self._name} is {status}", events)

    @cached_property
    def _resources(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical id of the stack's resources, by logical id."""
        found: dict[str, tuple[str, str]] = {}
        token: dict[str, str] = {}
        while True:
            page = self._call("cloudformation", "list_stack_resources", StackName=self._name, **token)
            for each in page["StackResourceSummaries"]:
                found[each["LogicalResourceId"]] = (each["ResourceType"], each.get("PhysicalResourceId", ""))
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def _function(self, name: str) -> dict[str, Any]:
        return self._call("lambda", "get_function_configuration", FunctionName=f"{self._name}-{name}")

    def _settings(self, name: str) -> dict[str, str]:
        variables: dict[str, str] = self._function(name).get("Environment", {}).get("Variables", {})
        return {key.removeprefix(PREFIX): value for key, value in variables.items()}

    def _key(self) -> Iterator[Trouble]:
        settings = self._settings("processor")
        if settings.get("BEDROCK_MODELS_JSON"):
            return  # Bedrock takes no key: what the role may call is looked at with the permissions
        secret = settings.get("CLAUDE_KEY_SECRET", "")
        if not secret:
            yield Trouble("the processor's environment names no secret with Claude's key", self._deploy)
            return
        put = f"aws secretsmanager put-secret-value --secret-id {secret} --secret-string sk-ant-…"
        try:
            text = self._call("secretsmanager", "get_secret_value", SecretId=secret).get("SecretString", "").strip()
        except self.clients["secretsmanager"].exceptions.ResourceNotFoundException:
            create = f"aws secretsmanager create-secret --name {secret} --secret-string sk-ant-…"
            yield Trouble(f"there is no secret {secret} with Claude's key", create)
            return
        if not text or text.startswith("{") or any(character.isspace() for character in text):
            yield Trouble(f"the secret {secret} holds no key: its whole text must be the key, and nothing else", put)

    def _permissions(self) -> Iterator[Trouble]:
        document = self._call("cloudformation", "get_template", StackName=self._name)["TemplateBody"]
        drift = f"aws cloudformation detect-stack-drift --stack-name {self._name}"
        for role, missing in missing_grants(document, self._resources, self._policy):
            yield Trouble(f"the role {role} lost what its template grants: {', '.join(missing)}", drift)

    def _policy(self, role: str, name: str) -> dict[str, Any]:
        """A role's inline policy; without statements where there is none."""
        try:
            document = self._call("iam", "get_role_policy", RoleName=role, PolicyName=name)["PolicyDocument"]
        except self.clients["iam"].exceptions.NoSuchEntityException:
            return {"Statement": []}
        policy: dict[str, Any] = document
        return policy

    def _queue(self) -> Iterator[Trouble]:
        settings = self._settings("dead_letters")
        work, letters = settings["QUEUE_URL"], settings["DEAD_LETTERS_URL"]
        attributes = self._attributes(work)
        dead = self._attributes(letters)
        if dead["QueueArn"] not in attributes.get("RedrivePolicy", ""):
            set_policy = (
                f"aws sqs set-queue-attributes --queue-url {work} --attributes "
                f'\'{{"RedrivePolicy": "{{\\"deadLetterTargetArn\\": \\"{dead["QueueArn"]}\\", '
                f'\\"maxReceiveCount\\": {WORK_QUEUE.max_receive_count}}}"}}\''
            )
            yield Trouble("the work queue gives nothing up to the dead letters", set_policy)
        yield from self._mapping("processor", attributes["QueueArn"])
        yield from self._mapping("dead_letters", dead["QueueArn"])

    def _attributes(self, url: str) -> dict[str, str]:
        attributes: dict[str, str] = self._call(
            "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn", "RedrivePolicy"]
        )["Attributes"]
        return attributes

    def _stream(self) -> Iterator[Trouble]:
        table = self._settings("api")["TABLE_NAME"]
        described = self._call("dynamodb", "describe_table", TableName=table)["Table"]
        if not described.get("StreamSpecification", {}).get("StreamEnabled"):
            enable = (
                f"aws dynamodb update-table --table-name {table} "
                "--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
            )
            yield Trouble(f"the table {table} has no stream: no job is closed, no timeline written", enable)
            return
        for reader in ("finalizer", "journal"):
            yield from self._mapping(reader, described["LatestStreamArn"])

    def _mapping(self, function: str, source: str) -> Iterator[Trouble]:
        """The function must read ``source``, itself or by an alias."""
        name = f"{self._name}-{function}"
        # By the source: asked by a function's name, Lambda leaves the mappings of its aliases out.
        found = self._call("lambda", "list_event_source_mappings", EventSourceArn=source)["EventSourceMappings"]
        mapping = next((each for each in found if name in each["FunctionArn"].split(":")), None)
        if mapping is None:
            yield Trouble(f"nothing calls {name} for {source}", self._deploy)
        elif mapping["State"] not in {"Enabled", "Enabling", "Creating", "Updating"}:
            enable = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
            yield Trouble(f"the mapping that calls {name} is {mapping['State'].lower()}", enable)

    def _schedule(self) -> Iterator[Trouble]:
        rules = [physical for kind, physical in self._resources.values() if kind == "AWS::Events::Rule"]
        sweeper = self._function("sweeper")["FunctionArn"]
        for rule in rules:
            name = rule.rpartition("/")[2].rpartition("|")[2]
            targets = self._call("events", "list_targets_by_rule", Rule=name)["Targets"]
            if sweeper not in {target["Arn"] for target in targets}:
                continue
            if self._call("events", "describe_rule", Name=name)["State"] != "ENABLED":
                yield Trouble(
                    f"the rule {name} that runs the sweeper is disabled", f"aws events enable-rule --name {name}"
                )
            return
        yield Trouble("no rule runs the sweeper", self._deploy)

    def _clock(self) -> Iterator[Trouble]:
        if not self._skews:
            yield Trouble("no answer of AWS said what time it is there, so this could not be looked at", _SHOW_CLOCK)
            return
        skew = min(self._skews)
        if skew > _SKEW_SECONDS:
            what = f"this machine's clock is {skew:.0f} s off from that of AWS"
            yield Trouble(what, _SET_CLOCK)


def _distance(said: datetime, before: datetime, after: datetime) -> float:
    """Seconds between the whole second ``said`` and the time of the call."""
    early = (before - said).total_seconds() - 1.0
    late = (said - after).total_seconds()
    return max(0.0, early, late)
