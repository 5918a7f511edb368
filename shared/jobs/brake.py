"""The brake that all processors share: how many calls to Claude may begin a second, as pure rules.

While Claude refuses nothing there is no brake, and nothing is written. The first refusal makes one: as long as
``retry-after`` says nobody asks at all, and from then on every call first takes a **start**, the next free moment of
one common timetable. Taking one is a single addition that nobody can lose to another, so the rate holds whatever
number of processors, lanes and jobs ask, and calls are spread evenly instead of in bursts.

The timetable's rate is a function of the time since the last refusal, so that it grows without anybody writing it:
back to where Claude refused last, slowly past it, and faster the longer nothing happens (the curve is that of CUBIC,
RFC 9438). Only a refusal writes a new one. After :data:`RELEASE_SECONDS` without any the brake is off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from shared.errors import ErrorCode
from shared.jobs.retries import RETRY_AFTER_CAP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.errors import ItemError

__all__ = [
    "HORIZON_SECONDS",
    "RELEASE_SECONDS",
    "Brake",
    "Free",
    "Refusal",
    "Start",
    "Wait",
    "after_refusal",
    "later_block",
    "look",
    "refusal_of",
    "seconds_until",
    "take",
]

HORIZON_SECONDS: Final = 3.0
"""So far ahead a start may be taken, and is waited for; where there is none, the message waits instead. More than
the whole seconds that a queue hides a message for, so that the timetable does not run empty while messages wait."""
RELEASE_SECONDS: Final = 300.0
"""So long after its last refusal the brake is off."""
_PAUSE_SECONDS: Final = 1.0
"""How long nobody asks after a 429 that does not say it."""
_RESET_CAP_SECONDS: Final = 60.0
"""A limit is wholly replenished a minute after its last use at the latest."""
_CUT: Final = 0.92
"""What is left of the rate after a 429."""
_GENTLE_CUT: Final = 0.95
"""Likewise after Claude was overloaded: that is not our rate, though less of it helps."""
_AGAIN: Final = 0.9
"""And what is left of that where the cut before was hardly tried: it was far too small."""
_RECOVERY_SECONDS: Final = 30.0
"""From a cut until the rate is again what it was."""
_FIRST_MILLI: Final = 1_000
"""The rate after the first 429, where nothing tells what Claude allows..."""
_DOUBLING_SECONDS: Final = 4.0
"""...it doubles in this time, until Claude refuses again..."""
_OVERSHOT: Final = 0.85
"""...and so much of it is then taken for what Claude allows."""
_LEAST_MILLI: Final = 20
"""The brake never goes below a start in 50 seconds."""
_TELLING_STARTS: Final = 10
"""From so many starts on, the rate at which calls really began tells more than the one that was allowed."""
_SECOND_US: Final = 1_000_000
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Brake:
    """The row. Rates are in thousandths of a start a second, moments of the timetable in microseconds since 1970.

    Attributes:
        version: counts the refusals that were heeded.
        blocked_until: before that nobody asks.
        rate_milli: the rate then; None where nothing is limited yet and starts are only counted.
        refused_milli: the rate that Claude refused last; None while nobody knows one.
        next_us: the next free moment of the timetable.
        started: how many starts were taken in this version.
    """

    version: int
    blocked_until: datetime
    rate_milli: int | None
    refused_milli: int | None
    next_us: int
    started: int = 0

    def evolve(self, **changes: Any) -> Self:  # noqa: ANN401  dataclasses.replace checks the names
        """A copy with ``changes``."""
        return replace(self, **changes)

    def off(self, now: datetime) -> bool:
        """Whether the last refusal is so long ago that nobody need heed it."""
        return (now - self.blocked_until).total_seconds() > RELEASE_SECONDS

    def rate(self, now: datetime) -> float | None:
        """Starts a second that the timetable has at ``now``; None where it has no limit."""
        if self.rate_milli is None:
            return None
        seconds = max(0.0, (now - self.blocked_until).total_seconds())
        if self.refused_milli is None:
            return float(self.rate_milli / 1_000 * 2 ** (seconds / _DOUBLING_SECONDS))
        cut = self.refused_milli - self.rate_milli
        return float((self.refused_milli + cut * (seconds / _RECOVERY_SECONDS - 1) ** 3) / 1_000)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that asks for less.

    Attributes:
        overloaded: Claude is overloaded (529); otherwise it was our own rate (429).
        wait_seconds: how long Claude asks to wait, where it does.
        limit_milli: the rate that Claude says it allows, in thousandths of a request a second.
    """

    overloaded: bool
    wait_seconds: float | None = None
    limit_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Free:
    """Nothing limits the call."""


@dataclass(frozen=True, slots=True)
class Start:
    """A start is to be had if the brake still is of ``version`` and its next moment not behind ``horizon_us``.

    It is that moment or ``floor_us``, whichever is later; the next one is ``step_us`` after it.
    """

    version: int
    floor_us: int
    step_us: int
    horizon_us: int


@dataclass(frozen=True, slots=True)
class Wait:
    """No start is to be had yet: look again after ``seconds``."""

    seconds: float


def refusal_of(error: ItemError, now: datetime) -> Refusal | None:
    """What ``error`` asks of all processors, or None where it concerns its own item only."""
    if error.code not in {ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED}:
        return None
    limits, wait = error.rate_limits, error.retry_after_seconds
    if wait is None and limits is not None and limits.resets_at is not None:
        wait = min(_RESET_CAP_SECONDS, max(0.0, (limits.resets_at - now).total_seconds()))
    a_minute = None if limits is None else limits.requests_a_minute
    return Refusal(
        overloaded=error.code is ErrorCode.OVERLOADED,
        wait_seconds=None if wait is None else min(wait, RETRY_AFTER_CAP_SECONDS),
        limit_milli=None if a_minute is None else a_minute * 1_000 // 60,
    )


def look(brake: Brake | None, now: datetime, random: Callable[[], float]) -> Free | Start | Wait:
    """What ``brake`` means for a call that would begin now.

    ``random`` is uniform in [0, 1): those who wait do not come back all at once.
    """
    if brake is None or brake.off(now):
        return Free()
    if brake.blocked_until > now:
        return Wait((brake.blocked_until - now).total_seconds() + random())
    now_us = _us(now)
    horizon_us = now_us + int(HORIZON_SECONDS * _SECOND_US)
    if brake.next_us > horizon_us:
        return Wait((brake.next_us - horizon_us) / _SECOND_US + random() * HORIZON_SECONDS)
    rate = brake.rate(now)
    return Start(brake.version, now_us, 0 if rate is None else max(1, round(_SECOND_US / rate)), horizon_us)


def take(brake: Brake, start: Start) -> Brake | None:
    """The brake with ``start`` taken, or None where it is not to be had any more.

    :meth:`shared.store.brake.BrakeStore.take` is the same as one conditional write.
    """
    if brake.version != start.version or brake.next_us > start.horizon_us:
        return None
    return brake.evolve(next_us=max(brake.next_us, start.floor_us) + start.step_us, started=brake.started + 1)


def seconds_until(taken: Brake, start: Start, now: datetime) -> float:
    """How long to wait for ``start``, which left ``taken`` behind."""
    return max(0.0, (taken.next_us - start.step_us - _us(now)) / _SECOND_US)


def after_refusal(brake: Brake | None, refusal: Refusal, now: datetime) -> Brake:
    """The brake after Claude refused a call that had begun under ``brake``."""
    blocked_until = _blocked_until(refusal, now)
    fresh = Brake(
        version=1 if brake is None else brake.version + 1,
        blocked_until=blocked_until,
        rate_milli=None,
        refused_milli=None,
        next_us=_us(blocked_until),
    )
    known = None if brake is None else _refused_milli(brake, now)
    rates = [rate for rate in (known, refusal.limit_milli) if rate is not None]
    if not rates:
        # Overloaded out of nowhere: starts are counted from now on, so that the next time has a rate to begin with.
        return fresh if refusal.overloaded else fresh.evolve(rate_milli=_FIRST_MILLI)
    top = max(_LEAST_MILLI, min(rates))
    cut = _GENTLE_CUT if refusal.overloaded else _CUT * _again(brake)
    return fresh.evolve(rate_milli=max(_LEAST_MILLI, round(top * cut)), refused_milli=top)


def later_block(brake: Brake, refusal: Refusal, now: datetime) -> datetime | None:
    """Until when nobody is to ask, where that is clearly later than ``brake`` has it; else None.

    For a refusal that came after another had been heeded: its wait still counts, its cut does not.
    """
    blocked_until = _blocked_until(refusal, now)
    return blocked_until if (blocked_until - brake.blocked_until).total_seconds() > _PAUSE_SECONDS else None


def _refused_milli(brake: Brake, now: datetime) -> int | None:
    """The rate that was too much: the one at which calls began, or the one that was allowed if that is less."""
    if brake.off(now):
        return brake.refused_milli
    rate = brake.rate(now)
    if rate is not None and brake.refused_milli is None:
        return round(rate * 1_000 * _OVERSHOT)
    allowed = [] if rate is None else [round(rate * 1_000)]
    span_us = max(brake.next_us, _us(now)) - _us(brake.blocked_until)
    if brake.started >= _TELLING_STARTS and span_us > 0:
        allowed.append(brake.started * 1_000 * _SECOND_US // span_us)
    return min(allowed, default=None)


def _again(brake: Brake | None) -> float:
    tried = brake is None or brake.refused_milli is None or brake.started >= _TELLING_STARTS
    return 1.0 if tried else _AGAIN


def _blocked_until(refusal: Refusal, now: datetime) -> datetime:
    """A 429 always stops everybody for a moment; being overloaded only where Claude asks for it."""
    wait = refusal.wait_seconds
    if wait is None:
        wait = 0.0 if refusal.overloaded else _PAUSE_SECONDS
    return now + timedelta(milliseconds=int(wait * 1_000))


def _us(moment: datetime) -> int:
    return (moment - _UNIX) // _MICROSECOND
