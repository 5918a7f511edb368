"""Telling a caller which limit keeps a job from beginning: 429, when to come back, and what the limit is.

``RateLimit`` and ``RateLimit-Policy`` are those of draft-ietf-httpapi-ratelimit-headers: a policy by name, what it
allows (``q``) in how many seconds (``w``), what remains of it (``r``) and after how many seconds there is more (``t``).
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from functions.api.presenter import usd
from shared.contracts.views import RefusalView
from shared.errors import RequestError
from shared.jobs.quotas import QuotaReached, UsageUnit
from shared.jobs.rates import WINDOW, ActiveReached, RateReached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.store.admissions import Reached

__all__ = ["refusal_view", "turned_away"]

_ACTIVE_SECONDS: Final = 30
"""Nobody knows when a job ends: often enough to find out soon, seldom enough to bother nobody."""


def turned_away(reached: Reached, now: datetime) -> RequestError:
    """``reached`` as an answer."""
    match reached:
        case RateReached():
            return _too_often(reached, now)
        case ActiveReached():
            return _too_many(reached)
        case QuotaReached():
            return _too_much(reached, now)


def refusal_view(refusal: RequestError) -> RefusalView:
    """The same as a dry run tells it."""
    return RefusalView.model_validate(
        {"code": refusal.code, "detail": refusal.detail, "retry_after_seconds": refusal.retry_after_seconds}
    )


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


def _too_much(reached: QuotaReached, now: datetime) -> RequestError:
    """Waiting does not help, or not for long; so no client tries again by itself, though it is told when to."""
    seconds = max(1, math.ceil((reached.renews_at - now).total_seconds()))
    policy, told = f"{reached.unit}-per-month", _TOLD[reached.unit]
    limit, required, remaining = (told(number) for number in (reached.limit, reached.required, reached.remaining))
    word = "items" if reached.unit is UsageUnit.ITEMS else "US dollars, as far as can be estimated,"
    return RequestError(
        429,
        "quota_exceeded",
        f"The job requires {required} {word} and {remaining} are left of the project's {limit} this month. What jobs "
        "have reserved and do not use comes back when they end.",
        retry_after_seconds=seconds,
        extra={"unit": reached.unit.value, "required": required, "remaining": remaining, "limit": limit},
        headers={
            # Structured fields have whole numbers here: of dollars, the whole ones.
            "RateLimit-Policy": f'"{policy}";q={int(limit)}',
            "RateLimit": f'"{policy}";r={int(remaining)};t={seconds}',
        },
    )


_TOLD: Final[Mapping[UsageUnit, Callable[[int], int | float]]] = MappingProxyType(
    {UsageUnit.ITEMS: int, UsageUnit.USD: usd}
)
