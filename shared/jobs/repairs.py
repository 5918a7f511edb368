"""What the sweeper does about a job: decided from the ledger, a few facts beside it, and the time.

Every repair is a transition of the protocol, or messages for a lane; whoever carries one out may be refused, because
somebody else was faster. Nothing here is remembered between two looks: what was sent before follows from the times.

Nobody is in the sweeper's debt for longer than the bound: a lane whose holder died is sent for, or its job handed to
the queue, at the first look that is :data:`QUIET` or more behind the lease's end, and looks are :data:`LOOK_EVERY`
apart: 90 seconds at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.jobs.statuses import RUNNING, CancelReason, Drive, JobStatus, OnError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.jobs.ledger import Ledger

__all__ = [
    "LOOK_EVERY",
    "QUIET",
    "RECOVERY_BOUND",
    "Cancel",
    "CloseLane",
    "Dispatch",
    "Facts",
    "Finalize",
    "HandOff",
    "Notify",
    "PauseOnError",
    "RemoveIntake",
    "Repair",
    "SendAgain",
    "next_look",
    "repairs",
    "soon",
]

LOOK_EVERY: Final = timedelta(seconds=60)
"""How far apart two looks at a live job are, and how often the sweeper runs."""
QUIET: Final = timedelta(seconds=30)
"""For so long after a lease's end the lane's own message has its chance (it comes back 10 seconds after it)."""
RECOVERY_BOUND: Final = QUIET + LOOK_EVERY
"""After a lease's end, the longest that a lane waits whose driver has died."""
_STREAM_HAS: Final = timedelta(seconds=30)
"""For so long the stream's finalizer has its chance: two that notify at once would both do so."""
_SEND_AT_LEAST_EVERY: Final = timedelta(minutes=15)
_LONG_FROM_NOW: Final = timedelta(hours=1)
_BATCH: Final = 10


@dataclass(frozen=True, slots=True)
class Cancel:
    """Write a cancel: of a halted job whose worker died before it did, or at the deadline (rules 3 and 4)."""

    reason: CancelReason


@dataclass(frozen=True, slots=True)
class PauseOnError:
    """Write the pause that a failed item asks for, and that its worker did not live to write (rule 3)."""


@dataclass(frozen=True, slots=True)
class CloseLane:
    """Free a lane of a cancelled job whose holder died (rule 2)."""

    lane: int


@dataclass(frozen=True, slots=True)
class Finalize:
    """End the generation, and notify."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell of an end that was not told (rule 7)."""


@dataclass(frozen=True, slots=True)
class HandOff:
    """Hand a client-driven job whose client is silent to the queue."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send what the round still lacks, as far ahead as allowed (rule 14)."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send ``count`` messages for an idle lane that has lost its own (rule 13)."""

    lane: int
    count: int


@dataclass(frozen=True, slots=True)
class RemoveIntake:
    """Take away a job whose intake nobody finished."""


Repair = Cancel | PauseOnError | CloseLane | Finalize | Notify | HandOff | Dispatch | SendAgain | RemoveIntake


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision needs beside the ledger.

    Attributes:
        on_error: what a failed item means for the others.
        lease: how long a claim of this job holds its lane.
        cursor_limit: how far the dispatch cursor may go now.
        settled_at: when each lane settled its last item; lanes at their beginning are absent.
    """

    on_error: OnError
    lease: timedelta
    cursor_limit: int
    settled_at: Mapping[int, datetime] = field(default_factory=lambda: MappingProxyType({}))


def repairs(ledger: Ledger, facts: Facts, now: datetime) -> tuple[Repair, ...]:
    """What is to be done about the job, in this order; nothing, as long as others are at it."""
    if ledger.status is JobStatus.INTAKE:
        return (RemoveIntake(),) if ledger.check_at is not None and ledger.check_at < now else ()
    if ledger.final:
        told = ledger.notified_generation >= ledger.generation
        return (Notify(),) if not told and _ago(ledger.completed_at, _STREAM_HAS, now) else ()
    if ledger.open == 0:
        return (Finalize(),) if _ago(ledger.last_activity_at, _STREAM_HAS, now) else ()
    return _unfinished(ledger, facts, now)


def _unfinished(ledger: Ledger, facts: Facts, now: datetime) -> tuple[Repair, ...]:
    if ledger.status is JobStatus.CANCELLING:
        return _closes(ledger, now)
    if end := _stop(ledger, facts, now):
        return (end, *(_closes(ledger, now) if isinstance(end, Cancel) else ()))
    return _drive(ledger, facts, now) if ledger.status in RUNNING else ()


def next_look(ledger: Ledger, now: datetime) -> datetime:
    """When to look at the job again: nothing but its deadline happens to a paused one whose lanes nobody holds.

    A holder whose lease has ended may only be slow: it can settle the last item, and then the job is to be ended.
    """
    resting = ledger.status is JobStatus.PAUSED and ledger.open > 0 and not ledger.held
    if resting and ledger.deadline_at is None:
        return now + _LONG_FROM_NOW
    if resting and ledger.deadline_at is not None and ledger.deadline_at > now:
        return ledger.deadline_at
    if ledger.status is JobStatus.INTAKE and ledger.check_at is not None and ledger.check_at >= now:
        return ledger.check_at
    return now + LOOK_EVERY


def soon(ledger: Ledger, now: datetime) -> datetime:
    """When to look at a job that somebody sets in motion or stops: within a minute, and no later than it was due.

    It may have been put off for days since ``ledger`` was read: whoever stops it says the time anew.
    """
    latest = now + LOOK_EVERY
    return latest if ledger.check_at is None else min(latest, ledger.check_at)


def _ago(moment: datetime | None, least: timedelta, now: datetime) -> bool:
    return moment is None or now - moment >= least


def _stop(ledger: Ledger, facts: Facts, now: datetime) -> Cancel | PauseOnError | None:
    if ledger.halted and facts.on_error is OnError.STOP:
        return Cancel(CancelReason.ON_ERROR)
    if ledger.deadline_at is not None and ledger.deadline_at <= now:
        return Cancel(CancelReason.DEADLINE)
    if ledger.halted and ledger.status in RUNNING:
        return PauseOnError()
    return None


def _closes(ledger: Ledger, now: datetime) -> tuple[CloseLane, ...]:
    return tuple(
        CloseLane(number)
        for number, lane in enumerate(ledger.lanes)
        if lane.lease is not None and lane.lease.expired(now)
    )


def _drive(ledger: Ledger, facts: Facts, now: datetime) -> tuple[Repair, ...]:
    if ledger.drive is Drive.CLIENT:
        return (HandOff(), Dispatch()) if _silent(ledger, facts, now) else ()
    dispatch = (Dispatch(),) if ledger.cursor < facts.cursor_limit else ()
    return (*dispatch, *_idle(ledger, facts, now))


def _silent(ledger: Ledger, facts: Facts, now: datetime) -> bool:
    """Whether the client is gone: nobody works, and a lease ran out unanswered or would have by now.

    A client may rest between two calls for as long as a lease of its job, and :data:`QUIET` after it.
    """
    if ledger.live_leases(now):
        return False
    back_at = [_back_at(ledger, number, facts) for number, lane in enumerate(ledger.lanes) if not lane.exhausted]
    if ledger.last_activity_at is not None:
        back_at.append(ledger.last_activity_at + facts.lease)
    ran_out = [lane.lease.expires_at for lane in ledger.lanes if lane.lease is not None]
    return min([max(back_at), *ran_out]) + QUIET <= now


def _idle(ledger: Ledger, facts: Facts, now: datetime) -> tuple[SendAgain, ...]:
    """Lanes that have work, are due, have no live lease, and whose message should have come by now."""
    n, found = len(ledger.lanes), []
    for number, lane in enumerate(ledger.lanes):
        sent = -(-(ledger.cursor - number) // n)  # indexes of the lane that this round has dispatched
        missing = min(sent, lane.end) - lane.next
        if missing > 0 and lane.due(now) and not lane.busy(now) and _sending_due(ledger, number, facts, now):
            found.append(SendAgain(number, min(missing, _BATCH)))
    return tuple(found)


def _back_at(ledger: Ledger, number: int, facts: Facts) -> datetime:
    """When a worker of the lane would be back, were there one: its lease's end, or a lease after its last sign."""
    lane = ledger.lanes[number]
    if lane.lease is not None:
        return lane.lease.expires_at
    signs = [ledger.retried_at or ledger.created_at, facts.settled_at.get(number), lane.not_before]
    signs += [attempt.at for attempt in lane.attempts]
    return max(sign for sign in signs if sign is not None) + facts.lease


def _sending_due(ledger: Ledger, number: int, facts: Facts, now: datetime) -> bool:
    """Whether a time to send has come since the last look: at 30, 60, 120 … seconds of quiet, later every 15 minutes.

    The lane may only wait its turn in a long queue: there, every further message is one too many.
    """
    looked_at = (ledger.check_at or now) - LOOK_EVERY
    quiet = now - _back_at(ledger, number, facts)
    if quiet < QUIET:
        return False
    if quiet < _SEND_AT_LEAST_EVERY:
        moment = QUIET * (1 << ((quiet // QUIET).bit_length() - 1))
    else:
        moment = quiet // _SEND_AT_LEAST_EVERY * _SEND_AT_LEAST_EVERY
    return quiet - moment < now - looked_at
