"""Every error of Pressroom, in one tree. Standard library only.

::

    PressroomError
    ├── ItemError                    what became of one call to Claude; its code decides its class
    │   ├── TransientError           rate_limited overloaded provider_error timeout network lease_expired
    │   ├── AccountError             authentication permission billing
    │   ├── PermanentError           invalid_request refused truncated malformed_output too_large
    │   └── OurError                 internal_error dead_lettered
    ├── CallCancelledError           a call to Claude that was stopped: nobody wants its text any more
    ├── RequestError                 what a caller did wrong or may try again: status, code, bad fields
    ├── TransitionRefusedError       the ledger does not allow the step now; nothing was written
    │   ├── LastOwnerError           a project keeps at least one owner
    │   ├── LimitReachedError        there are as many as there may be
    │   ├── NoProjectError           there is no such project, or it is being deleted
    │   ├── NotPermittedError        the caller may not, at the moment of the write
    │   └── PreconditionError        what was to be changed is not as the caller knew it
    ├── StoreUnavailableError        DynamoDB did not answer within our patience; safe to try again
    ├── QueueUnavailableError        SQS did not answer within our patience
    ├── TopicUnavailableError        SNS did not answer within our patience; safe to tell again
    ├── CorruptRowError              a row that this version cannot read
    │   └── LaterFormatError         a job that a later version of Pressroom wrote
    └── SettingsError                a function's configuration is missing or wrong

The class of an item's error decides what happens to the item, once, where the error is caught.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = [
    "CLASS_OF",
    "AccountError",
    "BadField",
    "CallCancelledError",
    "CorruptRowError",
    "ErrorClass",
    "ErrorCode",
    "ItemError",
    "LastOwnerError",
    "LaterFormatError",
    "LimitReachedError",
    "NoProjectError",
    "NotPermittedError",
    "OurError",
    "PermanentError",
    "PreconditionError",
    "PressroomError",
    "QueueUnavailableError",
    "RateLimits",
    "RequestError",
    "SettingsError",
    "StoreUnavailableError",
    "TopicUnavailableError",
    "TransientError",
    "TransitionRefusedError",
    "is_retryable",
    "item_error",
]


@unique
class ErrorClass(StrEnum):
    """What happens to an item that met an error of this class."""

    TRANSIENT = "transient"
    """Put back with back-off; fails after the last attempt."""
    ACCOUNT = "account"
    """Put back unharmed; the job is paused until a person has mended the account."""
    PERMANENT = "permanent"
    """Fails at once: the same request would fail again."""
    OURS = "ours"
    """Fails, with a trace id: the fault is Pressroom's."""


@unique
class ErrorCode(StrEnum):
    """The code that a failed item, an attempt and a job's error summary carry."""

    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    PROVIDER_ERROR = "provider_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    LEASE_EXPIRED = "lease_expired"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    BILLING = "billing"
    INVALID_REQUEST = "invalid_request"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    MALFORMED_OUTPUT = "malformed_output"
    TOO_LARGE = "too_large"
    INTERNAL_ERROR = "internal_error"
    DEAD_LETTERED = "dead_lettered"


CLASS_OF: Final[Mapping[ErrorCode, ErrorClass]] = MappingProxyType(
    {
        ErrorCode.RATE_LIMITED: ErrorClass.TRANSIENT,
        ErrorCode.OVERLOADED: ErrorClass.TRANSIENT,
        ErrorCode.PROVIDER_ERROR: ErrorClass.TRANSIENT,
        ErrorCode.TIMEOUT: ErrorClass.TRANSIENT,
        ErrorCode.NETWORK: ErrorClass.TRANSIENT,
        ErrorCode.LEASE_EXPIRED: ErrorClass.TRANSIENT,
        ErrorCode.AUTHENTICATION: ErrorClass.ACCOUNT,
        ErrorCode.PERMISSION: ErrorClass.ACCOUNT,
        ErrorCode.BILLING: ErrorClass.ACCOUNT,
        ErrorCode.INVALID_REQUEST: ErrorClass.PERMANENT,
        ErrorCode.REFUSED: ErrorClass.PERMANENT,
        ErrorCode.TRUNCATED: ErrorClass.PERMANENT,
        ErrorCode.MALFORMED_OUTPUT: ErrorClass.PERMANENT,
        ErrorCode.TOO_LARGE: ErrorClass.PERMANENT,
        ErrorCode.INTERNAL_ERROR: ErrorClass.OURS,
        ErrorCode.DEAD_LETTERED: ErrorClass.OURS,
    }
)


def is_retryable(code: ErrorCode) -> bool:
    """Whether a person's retry may succeed without changing the item.

    Permanent errors are not: the same request fails the same way. Everything else is.
    """
    return CLASS_OF[code] is not ErrorClass.PERMANENT


class PressroomError(Exception):
    """The root: ``except PressroomError`` catches whatever Pressroom itself raises."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What an answer of Claude tells about our rate (its ``anthropic-ratelimit-*`` headers).

    Attributes:
        requests_a_minute: how many it allows, where it says so.
        resets_at: when the last of the limits that are used up is whole again, where one is.
    """

    requests_a_minute: int | None = None
    resets_at: datetime | None = None


class ItemError(PressroomError):
    """What became of one call to Claude.

    Attributes:
        code: the error's code; its class follows from it.
        message: the whole message, as it will stand on the item.
        http_status: Claude's HTTP status, where there was an answer.
        claude_request_id: Claude's ``request-id``, where there was an answer.
        retry_after_seconds: Claude's ``retry-after``, where it sent one.
        input_tokens: tokens that were billed although the call failed.
        output_tokens: likewise.
        cost_microusd: what those tokens cost.
        model: the model that answered, where one did.
        rate_limits: what Claude told about our rate, where it refused for that.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        http_status: int | None = None,
        claude_request_id: str | None = None,
        retry_after_seconds: float | None = None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_microusd: int = 0,
        model: str | None = None,
        rate_limits: RateLimits | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.claude_request_id = claude_request_id
        self.retry_after_seconds = retry_after_seconds
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cost_microusd = cost_microusd
        self.model = model
        self.rate_limits = rate_limits

    @property
    def error_class(self) -> ErrorClass:
        """The class that decides what happens to the item."""
        return CLASS_OF[self.code]

    @property
    def retryable(self) -> bool:
        """Whether a person's retry may succeed without changing the item."""
        return is_retryable(self.code)


class TransientError(ItemError):
    """It may work in a moment."""


class AccountError(ItemError):
    """Nothing works until a person has mended the account."""


class PermanentError(ItemError):
    """The same request would fail again."""


class OurError(ItemError):
    """The fault is Pressroom's."""


_TYPE_OF: Final[Mapping[ErrorClass, type[ItemError]]] = MappingProxyType(
    {
        ErrorClass.TRANSIENT: TransientError,
        ErrorClass.ACCOUNT: AccountError,
        ErrorClass.PERMANENT: PermanentError,
        ErrorClass.OURS: OurError,
    }
)


def item_error(
    code: ErrorCode,
    message: str,
    *,
    http_status: int | None = None,
    claude_request_id: str | None = None,
    retry_after_seconds: float | None = None,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
    model: str | None = None,
    rate_limits: RateLimits | None = None,
) -> ItemError:
    """The exception of the class that ``code`` belongs to."""
    return _TYPE_OF[CLASS_OF[code]](
        code,
        message,
        http_status=http_status,
        claude_request_id=claude_request_id,
        retry_after_seconds=retry_after_seconds,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_microusd=cost_microusd,
        model=model,
        rate_limits=rate_limits,
    )


class CallCancelledError(PressroomError):
    """A call to Claude that was stopped, because nobody wants its text any more.

    Attributes:
        input_tokens: tokens that Claude had read, 0 where it had not answered yet.
        output_tokens: tokens that it had written: counted where it said so, else estimated generously.
        cost_microusd: what those tokens cost.
    """

    def __init__(self, *, input_tokens: int = 0, output_tokens: int = 0, cost_microusd: int = 0) -> None:
        super().__init__(f"the call was stopped after about {output_tokens} tokens")
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cost_microusd = cost_microusd


@dataclass(frozen=True, slots=True)
class BadField:
    """One bad field of a request: where it stands (RFC 6901 JSON pointer) and what is wrong with it."""

    pointer: str
    detail: str


class RequestError(PressroomError):
    """What a caller did wrong, or may try again.

    Attributes:
        status: the HTTP status.
        code: a stable machine-readable code.
        detail: a sentence for a person.
        retryable: whether the same request may succeed later.
        retry_after_seconds: when, where that is known.
        errors: every bad field, for 422.
        extra: further members of the problem, such as the job's ``status`` of an illegal transition.
        headers: of the answer, beside those that follow from the rest.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        retry_after_seconds: int | None = None,
        errors: Sequence[BadField] = (),
        extra: Mapping[str, str | int | float] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds
        self.errors = tuple(errors)
        self.extra = dict(extra)
        self.headers = dict(headers)


class TransitionRefusedError(PressroomError):
    """The ledger does not allow the step now. Nothing was written."""

    def __init__(self, transition: str, reason: str) -> None:
        super().__init__(f"{transition}: {reason}")
        self.transition = transition
        self.reason = reason


class LastOwnerError(TransitionRefusedError):
    """The project would be left without an owner."""


class LimitReachedError(TransitionRefusedError):
    """There are as many of them as there may be; the reason says how many."""


class NoProjectError(TransitionRefusedError):
    """There is no such project, or it is being deleted."""


class NotPermittedError(TransitionRefusedError):
    """Whoever asked for the write was no member with the role for it when it was to commit."""


class PreconditionError(TransitionRefusedError):
    """What was to be changed is not as the caller knew it: somebody changed it since."""


class StoreUnavailableError(PressroomError):
    """DynamoDB throttled or conflicted for longer than our patience. Nothing was written; safe to repeat."""


class QueueUnavailableError(PressroomError):
    """SQS refused, throttled or could not be reached. What it was to carry still stands in the table."""


class TopicUnavailableError(PressroomError):
    """SNS refused, throttled or could not be reached. Perhaps it was told; a repeat carries the same id."""


class CorruptRowError(PressroomError):
    """A row that this version cannot read."""


class LaterFormatError(CorruptRowError):
    """A job that a later version of Pressroom wrote: nothing is wrong with it, and that version will go on with it."""


class SettingsError(PressroomError):
    """A function's configuration is missing or wrong; the message names the variable."""
