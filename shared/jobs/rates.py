"""How many jobs a user may begin in a project: so many an hour, and so many unfinished at once.

The hour slides: whatever hour one looks at, no more than that many jobs were created in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["WINDOW", "ActiveReached", "Caps", "Load", "RateReached", "rate_reached"]

WINDOW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a user may do in a project. ``jobs_per_hour`` counts creations, ``active_jobs`` retries too."""

    jobs_per_hour: int
    active_jobs: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a user does in a project: unfinished jobs, and when the last ones were created, in any order."""

    unfinished: int = 0
    starts: tuple[datetime, ...] = ()

    def counting(self, now: datetime) -> tuple[datetime, ...]:
        """The starts that still count, oldest first."""
        return tuple(sorted(start for start in self.starts if start > now - WINDOW))


@dataclass(frozen=True, slots=True)
class RateReached:
    """``limit`` jobs were created within the last hour; at ``free_at`` the first of them no longer counts."""

    limit: int
    free_at: datetime


@dataclass(frozen=True, slots=True)
class ActiveReached:
    """``limit`` jobs are unfinished; nobody knows when the first of them ends."""

    limit: int


def rate_reached(load: Load, caps: Caps, now: datetime, *, creates: bool) -> RateReached | ActiveReached | None:
    """The limit that keeps another job from beginning now, the one of the hour first.

    Args:
        load: what the user does.
        caps: what they may do.
        now: the time.
        creates: whether the job would be new; a retry does not count to the hour.
    """
    counting = load.counting(now)
    if creates and len(counting) >= caps.jobs_per_hour:
        return RateReached(caps.jobs_per_hour, counting[-caps.jobs_per_hour] + WINDOW)
    return ActiveReached(caps.active_jobs) if load.unfinished >= caps.active_jobs else None
