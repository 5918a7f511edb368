"""What a call to Pressroom may end in, for a caller to decide on by class, status or code, never by text.

::

    ClientError
    ├── ConnectionFailedError      no answer came: no network, wrong address, nothing listens, too slow
    ├── UnexpectedAnswerError      an answer came that is none of Pressroom's
    └── ApiError                   Pressroom refused: status, code, detail, bad fields, request id
        ├── NotAuthorizedError     401, 403: no token, a bad one, or a member without the role
        ├── NotFoundError          404
        ├── ConflictError          409, 412: the state refuses
        ├── InvalidRequestError    413, 415, 422: what was sent is wrong; ``errors`` names every bad field
        ├── LimitReachedError      429: too often, too many at once, or the quota is used up
        └── UnavailableError       5xx: Pressroom is in trouble
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import BadField, PressroomError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ApiError",
    "ClientError",
    "ConflictError",
    "ConnectionFailedError",
    "InvalidRequestError",
    "LimitReachedError",
    "NotAuthorizedError",
    "NotFoundError",
    "Problem",
    "UnavailableError",
    "UnexpectedAnswerError",
    "api_error",
]


class ClientError(PressroomError):
    """The root: whatever a call of the client raises."""


class ConnectionFailedError(ClientError):
    """No answer came, also after trying again.

    Attributes:
        base_url: the address that was tried.
        reason: what the network said.
    """

    def __init__(self, base_url: str, reason: str) -> None:
        super().__init__(f"no answer from {base_url}: {reason}")
        self.base_url = base_url
        self.reason = reason


class UnexpectedAnswerError(ClientError):
    """An answer that does not fit the contract: most often the address is not Pressroom's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What an answer of 4xx or 5xx said: RFC 9457 where Pressroom wrote it, less where a gateway did.

    Attributes:
        status: the HTTP status.
        code: a stable word; empty in a gateway's answer.
        detail: a sentence for a person.
        errors: every bad field, with its JSON pointer into the body that was sent.
        request_id: what to give to whoever operates the service.
        retryable: whether the same call may succeed later, or ``None`` where the answer does not say.
        retry_after_seconds: when, where the answer says so.
        body: the whole problem, with members such as ``status`` of a job or ``remaining`` of a quota.
    """

    status: int
    code: str
    detail: str
    errors: tuple[BadField, ...]
    request_id: str
    retryable: bool | None
    retry_after_seconds: float | None
    body: Mapping[str, object]


class ApiError(ClientError):
    """Pressroom refused the call; :class:`Problem` documents the attributes."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.errors = problem.errors
        self.request_id = problem.request_id
        self.retry_after_seconds = problem.retry_after_seconds


class NotAuthorizedError(ApiError):
    """No token, a bad or expired one (401), or a member without the role (403)."""


class NotFoundError(ApiError):
    """It does not exist, or belongs to a project that the caller is no member of."""


class ConflictError(ApiError):
    """The state does not allow it now."""


class InvalidRequestError(ApiError):
    """What was sent is wrong, too large, or of the wrong type."""


class LimitReachedError(ApiError):
    """Too often, too many at once, or more than what is left of the quota."""


class UnavailableError(ApiError):
    """Pressroom is in trouble; the same call may succeed later."""


_CLASS_OF: Final[Mapping[int, type[ApiError]]] = {
    401: NotAuthorizedError,
    403: NotAuthorizedError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: LimitReachedError,
}
_SERVER_ERRORS: Final = 500


def api_error(problem: Problem) -> ApiError:
    """The exception of the class that the status belongs to."""
    if problem.status >= _SERVER_ERRORS:
        return UnavailableError(problem)
    return _CLASS_OF.get(problem.status, ApiError)(problem)
