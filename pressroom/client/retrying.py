"""When a call is tried again, and how long that waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pressroom.client.errors import ClientError, Problem

__all__ = ["Retry", "RetryPolicy", "is_worth_repeating"]

_NOT_DONE: Final = frozenset({429, 503})
_PERHAPS_DONE: Final = frozenset({502, 504})
_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long.

    Attributes:
        attempts: the most that a call is sent, the first time included.
        base_seconds: the first back-off is drawn from 0 to this, each further one from 0 to twice the last bound.
        cap_seconds: the bound grows no further than this.
        longest_wait_seconds: a ``Retry-After`` beyond this is the caller's to wait for: the call fails at once.
    """

    attempts: int = 5
    base_seconds: float = 0.25
    cap_seconds: float = 8.0
    longest_wait_seconds: float = 30.0

    def backoff_seconds(self, attempt: int, jitter: Callable[[float, float], float]) -> float:
        """Full jitter: callers that failed together do not come back together.

        Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        """
        return jitter(0.0, min(self.cap_seconds, self.base_seconds * 2 ** min(attempt - 1, 30)))


@dataclass(frozen=True, slots=True)
class Retry:
    """A call is about to be sent again: after ``failure``, as attempt ``attempt``, in ``delay_seconds``."""

    attempt: int
    delay_seconds: float
    failure: ClientError


def is_worth_repeating(problem: Problem, *, repeatable: bool) -> bool:
    """Whether the answer invites another try of the same call.

    The answer's own ``retryable`` decides where there is one: a 429 for a used-up quota does not pass by waiting,
    a 409 because the first request still runs does.

    Args:
        problem: the answer.
        repeatable: whether the call does no harm when the first one did its work after all.
    """
    if problem.retryable is False:
        return False
    if problem.status == _CONFLICT:
        return problem.retryable is True
    return problem.status in _NOT_DONE or (problem.status in _PERHAPS_DONE and repeatable)
