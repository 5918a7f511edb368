"""Errors as problem details: the one place where an error becomes a status."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from functions.api.routing import Answer
from shared.contracts.problems import BadFieldView, Problem
from shared.errors import QueueUnavailableError, RequestError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contracts.sign_in import Scope
    from shared.jobs.statuses import ShownStatus

__all__ = [
    "EXPECTED",
    "fault",
    "illegal_transition",
    "insufficient_scope",
    "key_reused",
    "no_job",
    "no_member",
    "no_method",
    "no_project",
    "no_route",
    "not_permitted",
    "not_yet_settled",
    "problem_of",
]

EXPECTED: Final = (RequestError, StoreUnavailableError, QueueUnavailableError)
"""What :func:`problem_of` knows; everything else is a fault of ours."""
_UNAVAILABLE_SECONDS: Final = 1
_SETTLED_SECONDS: Final = 1
"""A generation that has ended is notified within moments."""
_NO_METHOD: Final = "method_not_allowed"
_INSUFFICIENT_SCOPE: Final = "insufficient_scope"
"""As RFC 6750 names it in the header, so that a client needs one name only."""


def no_route() -> RequestError:
    """There is nothing at this address."""
    return RequestError(404, "not_found", "There is no such route.")


def no_method(method: str, allowed: Sequence[str]) -> RequestError:
    """There is something at this address, but it does not take that method."""
    told = ", ".join(allowed)
    return RequestError(405, _NO_METHOD, f"This route takes {told}, not {method}.", extra={"allow": told})


def no_project() -> RequestError:
    """The same for a project that does not exist, for one that is not the caller's, and for an id that is none."""
    return RequestError(404, "not_found", "There is no such project, or you are not a member of it.")


def no_job() -> RequestError:
    """Likewise for a job of another project, and for one in intake."""
    return RequestError(404, "not_found", "The project has no such job.")


def insufficient_scope(scope: Scope) -> RequestError:
    """The token, whoever's it is, may not be used for this."""
    detail = f"That needs a token with the scope {scope}."
    return RequestError(403, _INSUFFICIENT_SCOPE, detail, extra={"scope": scope.value})


def no_member() -> RequestError:
    """Nobody of that name is a member."""
    return RequestError(404, "not_found", "The project has no such member.")


def not_permitted() -> RequestError:
    """The caller had the role when the request came, and no longer has it."""
    return RequestError(403, "forbidden", "You are no longer a member who may do that.")


def key_reused() -> RequestError:
    """The Idempotency-Key stands for another body."""
    return RequestError(
        422, "idempotency_mismatch", "This Idempotency-Key was used for another body in the last 24 hours."
    )


def illegal_transition(status: ShownStatus, detail: str) -> RequestError:
    """The job's status, which the caller may not have known, does not allow it."""
    return RequestError(409, "illegal_transition", detail, extra={"job_status": status.value})


def not_yet_settled(status: ShownStatus) -> RequestError:
    """The job has ended, and its end is being told of this very moment."""
    return RequestError(
        409,
        "not_yet_settled",
        "The job has just ended and is still being settled; try again in a moment.",
        retryable=True,
        retry_after_seconds=_SETTLED_SECONDS,
        extra={"job_status": status.value},
    )


def fault() -> RequestError:
    """Ours. What it was stands in the log under the request's id, and nowhere else."""
    return RequestError(500, "internal_error", "Something went wrong on our side. The request id leads to the log.")


def problem_of(
    error: RequestError | StoreUnavailableError | QueueUnavailableError, *, request_id: str, instance: str
) -> Answer:
    """``error`` as an answer."""
    told = error if isinstance(error, RequestError) else _unavailable()
    # Members of RFC 9457 keep their meaning: an illegal transition's status of the job is `job_status`.
    body = Problem(
        **told.extra,
        title=HTTPStatus(told.status).phrase,
        status=told.status,
        detail=told.detail,
        instance=instance,
        code=told.code,
        request_id=request_id,
        retryable=told.retryable,
        errors=tuple(BadFieldView(pointer=bad.pointer, detail=bad.detail) for bad in told.errors) or None,
    )
    headers = dict(told.headers)
    if told.retry_after_seconds is not None:
        headers["Retry-After"] = str(told.retry_after_seconds)
    if told.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if told.code == _NO_METHOD:  # RFC 9110, section 15.5.6
        headers["Allow"] = str(told.extra["allow"])
    if told.code == _INSUFFICIENT_SCOPE:  # RFC 6750, section 3.1
        headers["WWW-Authenticate"] = f'Bearer error="{told.code}", scope="{told.extra["scope"]}"'
    return Answer(
        status=told.status,
        body=body.model_dump_json(exclude_none=True),
        content_type="application/problem+json",
        headers=headers,
    )


def _unavailable() -> RequestError:
    return RequestError(
        503,
        "unavailable",
        "The store did not answer in time. Nothing is lost; try again.",
        retryable=True,
        retry_after_seconds=_UNAVAILABLE_SECONDS,
    )
