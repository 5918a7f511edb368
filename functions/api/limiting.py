"""Telling a caller which limit keeps a job from beginning: 429, when to come back, and what the limit is.

``RateLimit`` and ``RateLimit-Policy`` are those of draft-ietf-httpapi-ratelimit-headers: a policy by name, what it
allows (``q``) in how many seconds (``w``), what remains of it (``r``) and after how many seconds there is more (``t``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from shared.errors import RequestError
from shared.jobs.rates import WINDOW, ActiveReached, RateReached

if TYPE_CHECKING:
    from datetime import datetime

    from shared.store.admissions import Reached

__all__ = ["turned_away"]

_ACTIVE_SECONDS: Final = 30
"""Nobody knows when a job ends: often enough to find out soon, seldom enough to bother nobody."""


def turned_away(reached: Reached, now: datetime) -> RequestError:
    """``reached`` as an answer."""
    match reached:
        case RateReached():
            return _too_often(reached, now)
        case ActiveReached():
            return _too_many(reached)


def _too_often(reached: RateReached, now: datetime) -> RequestError:
    seconds = max(1, math.ceil((reached.free_at - now).total_seconds()))
    window = int(WINDOW.total_seconds())
    return RequestError(
        429,
        "rate_limited",
        f"You have created {reached.limit} jobs in this project within the last hour, which is the limit.",
        retryable=True,
        retry_after_seconds=seconds,
        extra={"limit": reached.limit, "window_seconds": window},
        headers={
            "RateLimit-Policy": f'"jobs-per-hour";q={reached.limit};w={window}',
            "RateLimit": f'"jobs-per-hour";r=0;t={seconds}',
        },
    )


def _too_many(reached: ActiveReached) -> RequestError:
    return RequestError(
        429,
        "too_many_active_jobs",
        f"You have {reached.limit} unfinished jobs in this project, which is the limit: wait for one to end, or cancel "
        "one.",
        retryable=True,
        retry_after_seconds=_ACTIVE_SECONDS,
        extra={"limit": reached.limit},
        headers={
            "RateLimit-Policy": f'"active-jobs";q={reached.limit}',
            "RateLimit": '"active-jobs";r=0',
        },
    )
