"""What happens to an item after an error: a decision, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import ErrorClass, ItemError
from shared.jobs.statuses import PauseReason

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BASE_SECONDS", "CAP_SECONDS", "Fail", "PauseJob", "PutBack", "back_off_seconds", "decide"]

BASE_SECONDS: Final = 2.0
CAP_SECONDS: Final = 60.0
RETRY_AFTER_CAP_SECONDS: Final = 900.0
"""Longer than that no message waits: a `retry-after` of hours is cut, and asked again."""


@dataclass(frozen=True, slots=True)
class PutBack:
    """Try again after a wait; the try is counted."""

    wait_seconds: float


@dataclass(frozen=True, slots=True)
class PauseJob:
    """Put back unharmed and pause the job."""

    reason: PauseReason


@dataclass(frozen=True, slots=True)
class Fail:
    """The item has failed."""


def back_off_seconds(attempt: int, random: Callable[[], float]) -> float:
    """Full jitter: uniform between 0 and ``min(cap, base * 2**(attempt-1))``.

    Args:
        attempt: the number of the try that just failed, from 1.
        random: uniform in [0, 1).
    """
    return float(random() * min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1)))


def decide(
    error: ItemError, *, attempts_before: int, max_attempts: int, random: Callable[[], float]
) -> PutBack | PauseJob | Fail:
    """What ``error`` means for its item.

    Args:
        error: the error.
        attempts_before: tries of this item in this generation that were counted before.
        max_attempts: tries that the job allows.
        random: uniform in [0, 1).

    A ``retry-after`` is a lower bound: jitter is added to it, so that lanes do not come back as one.
    """
    if error.error_class is ErrorClass.ACCOUNT:
        return PauseJob(PauseReason(error.code.value))
    if error.error_class is not ErrorClass.TRANSIENT or attempts_before + 1 >= max_attempts:
        return Fail()
    wait = back_off_seconds(attempts_before + 1, random)
    if error.retry_after_seconds is not None:
        wait = min(error.retry_after_seconds, RETRY_AFTER_CAP_SECONDS) + random()
    return PutBack(wait)
