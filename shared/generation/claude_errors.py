"""What an error answer of Claude means, from its status and its machine-readable fields. Its text decides nothing.

Sources: the Claude documentation's page on errors and the SDK's table of error codes (anthropic 2.12); for Bedrock the
errors of InvokeModelWithResponseStream and those common to all of AWS.
"""

from __future__ import annotations

import math
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import ErrorCode, RateLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["code_of", "exception_of", "rate_limits", "request_id", "retry_after_seconds"]

_LIMITED: Final = ("requests", "tokens", "input-tokens", "output-tokens")
"""What Claude limits: ``anthropic-ratelimit-<name>-limit``, ``-remaining`` and ``-reset``."""

_BY_DETAIL: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {
        # 429 and 402 that no waiting mends before the month is over or somebody pays.
        "contract_spend_limit_reached": ErrorCode.BILLING,
        "enforced_spend_limit_reached": ErrorCode.BILLING,
        "linked_organization_billing_unavailable": ErrorCode.BILLING,
        "linked_organization_spend_limit_reached": ErrorCode.BILLING,
        # 400 that concern the key or its organization, not the request.
        "claude_code_key_creator_not_member": ErrorCode.AUTHENTICATION,
        "organization_on_hold": ErrorCode.PERMISSION,
    }
)
"""By ``error.details.error_code``, the most exact sign there is."""

_BY_TYPE: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {
        "authentication_error": ErrorCode.AUTHENTICATION,
        "billing_error": ErrorCode.BILLING,
        "overloaded_error": ErrorCode.OVERLOADED,
        "permission_error": ErrorCode.PERMISSION,
        "rate_limit_error": ErrorCode.RATE_LIMITED,
        "request_too_large": ErrorCode.TOO_LARGE,
        "timeout_error": ErrorCode.TIMEOUT,
    }
)
"""By ``error.type``. `invalid_request_error` and `api_error` are missing: they come with many statuses."""

_BY_EXCEPTION: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {
        # The role's credentials, or how they were signed with.
        "expiredtokenexception": ErrorCode.AUTHENTICATION,
        "incompletesignatureexception": ErrorCode.AUTHENTICATION,
        "invalidsignatureexception": ErrorCode.AUTHENTICATION,
        "missingauthenticationtokenexception": ErrorCode.AUTHENTICATION,
        "unrecognizedclientexception": ErrorCode.AUTHENTICATION,
        # The role may not, or the account has no such model: somebody mends it, and the item is unharmed.
        "accessdeniedexception": ErrorCode.PERMISSION,
        "resourcenotfoundexception": ErrorCode.PERMISSION,
        "internalserverexception": ErrorCode.PROVIDER_ERROR,
        "modelerrorexception": ErrorCode.PROVIDER_ERROR,
        "modelnotreadyexception": ErrorCode.OVERLOADED,
        "modelstreamerrorexception": ErrorCode.PROVIDER_ERROR,
        "modeltimeoutexception": ErrorCode.TIMEOUT,
        "servicequotaexceededexception": ErrorCode.RATE_LIMITED,
        "serviceunavailableexception": ErrorCode.OVERLOADED,
        "throttlingexception": ErrorCode.RATE_LIMITED,
        "validationexception": ErrorCode.INVALID_REQUEST,
    }
)
"""By the name of an exception of Bedrock: a header of an answer begins it with a capital, an event does not."""

_BY_STATUS: Final[Mapping[int, ErrorCode]] = MappingProxyType(
    {
        401: ErrorCode.AUTHENTICATION,
        402: ErrorCode.BILLING,
        403: ErrorCode.PERMISSION,
        408: ErrorCode.TIMEOUT,
        409: ErrorCode.PROVIDER_ERROR,  # a passing conflict: Claude asks to try again
        413: ErrorCode.TOO_LARGE,
        429: ErrorCode.RATE_LIMITED,
        504: ErrorCode.TIMEOUT,
        529: ErrorCode.OVERLOADED,
    }
)


def code_of(status: int, error_type: object, detail: object) -> ErrorCode:
    """The code of an answer that is no success.

    Args:
        status: the HTTP status.
        error_type: ``error.type`` of the body, whatever stood there; of Bedrock the exception's name.
        detail: ``error.details.error_code`` of the body, likewise.

    A 400 for a spend limit that the account's owner set carries no machine-readable sign today, so it is an
    ``invalid_request`` like any other.
    """
    if isinstance(detail, str) and detail in _BY_DETAIL:
        return _BY_DETAIL[detail]
    if isinstance(error_type, str) and error_type in _BY_TYPE:
        return _BY_TYPE[error_type]
    if isinstance(error_type, str) and error_type.casefold() in _BY_EXCEPTION:
        return _BY_EXCEPTION[error_type.casefold()]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorCode.INVALID_REQUEST if 400 <= status < 500 else ErrorCode.PROVIDER_ERROR  # noqa: PLR2004  4xx


def exception_of(headers: Mapping[str, str]) -> str | None:
    """The name of Bedrock's exception, which its answer carries in a header, or None where there is none."""
    return headers.get("x-amzn-errortype", "").partition(":")[0].strip() or None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Claude's id of the request, or Bedrock's."""
    return headers.get("request-id") or headers.get("x-amzn-requestid")


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """How long a ``retry-after`` header asks to wait: seconds, or an HTTP date. None where it says neither."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """What the ``anthropic-ratelimit-*`` headers of an answer say, or None where there are none that make sense."""
    allowed = _whole(headers.get("anthropic-ratelimit-requests-limit"))
    used_up = [name for name in _LIMITED if _whole(headers.get(f"anthropic-ratelimit-{name}-remaining")) == 0]
    resets = [_moment(headers.get(f"anthropic-ratelimit-{name}-reset")) for name in used_up]
    resets_at = max((moment for moment in resets if moment is not None), default=None)
    limits = RateLimits(allowed or None, resets_at)
    return None if limits == RateLimits() else limits


def _whole(text: str | None) -> int | None:
    return int(text[:12]) if text is not None and text.isascii() and text.isdigit() else None


def _moment(text: str | None) -> datetime | None:
    """An RFC 3339 time with its zone."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # an HTTP date is GMT; "-0000" parses to no zone at all
        moment = moment.replace(tzinfo=now.tzinfo)
    return max(0.0, (moment - now).total_seconds())
