"""The timeline: what one write of a ledger did, told from the ledger before and the ledger after.

Nothing announces a transition; it is read from the difference. So nobody can forget to, and a change that somebody
made by hand, which adds nothing to ``version``, shows up too, as ``job.edited``.

========================  ==================================================  ===========================
transition                event                                               from → to
========================  ==================================================  ===========================
create, seal              ``job.created`` (a job in intake does not exist)    → queued
claim                     ``item.started``, and ``job.started`` for the       queued → processing
                          first of a generation
take-over                 ``item.taken_over``: the try before was lost        processing → processing
settle                    ``item.settled``                                    processing → the outcome
put-back                  ``item.put_back``                                   processing → queued
account                   ``item.put_back`` and ``job.paused``                as each of them
release, close            ``item.released``                                   processing → what it then is
pause, budget             ``job.paused``                                      the status → paused
resume                    ``job.resumed``                                     paused → processing
cancel                    ``job.cancelled``                                   the status → cancelling
finalize                  ``job.finalized``                                   the status → the final one
notified                  ``job.notified``
retry                     ``job.retried``                                     the final status → queued
redrive                   ``lane.redriven``
handoff                   ``job.handed_off``                                  client → queue
look, cursor              none: nothing about the job has changed
========================  ==================================================  ===========================

The time of an event is the ledger's own, to the millisecond, where the write left one there; else the stream's,
which is whole seconds, or the latest time that the ledger before knew within that second. Machines' clocks differ,
so the order of events is that of the stream, never that of their times.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ErrorCode
from shared.jobs.events import Event, EventType
from shared.jobs.lanes import position_of
from shared.jobs.ledger import Ledger
from shared.jobs.statuses import FINAL, RUNNING, ItemStatus, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.jobs.ledger import Lane

__all__ = ["edited", "events_of"]

_SECOND: Final = timedelta(milliseconds=999)
_BILL: Final = frozenset({"headroom_microusd", "input_tokens", "output_tokens", "cost_microusd"})
_NO_TRY: Final = frozenset({ErrorCode.LEASE_EXPIRED, ErrorCode.DEAD_LETTERED})
"""An item that fails with these fails without another call to Claude."""


def events_of(old: Ledger | None, new: Ledger, *, recorded_at: datetime) -> tuple[Event, ...]:
    """What the write that made ``new`` of ``old`` did: as a rule one event.

    Args:
        old: the ledger before; None where there was none.
        new: the ledger after.
        recorded_at: the stream's time of the write.
    """
    if new.status is JobStatus.INTAKE:
        return ()
    if old is None or old.status is JobStatus.INTAKE:
        return (_created(new),)
    changed = {field.name for field in fields(Ledger) if getattr(old, field.name) != getattr(new, field.name)}
    changed.discard("check_at")
    if not changed:
        return ()
    write = _Write(old, new, recorded_at)
    told = _transition(write) if new.version == old.version + 1 else None
    rest = changed if told is None else changed - told.explains - {"version", "actor"}
    events = () if told is None else told.events
    return (*events, *([_edit(write, rest)] if rest else ()))


def edited(attributes: Iterable[str], *, recorded_at: datetime, generation: int | None) -> Event:
    """A change by hand that left, or mended, a row that cannot be read."""
    detail = ", ".join(sorted(attributes))
    return Event(type=EventType.JOB_EDITED, time=recorded_at, actor=None, generation=generation, detail=detail)


@dataclass(frozen=True, slots=True)
class _Write:
    """A write, as far as its ledgers tell."""

    old: Ledger
    new: Ledger
    recorded_at: datetime

    @property
    def time(self) -> datetime:
        """When, where the ledger says nothing of its own: never before what was known before, within a second."""
        old = self.old
        known = [old.created_at, old.started_at, old.retried_at, old.last_activity_at, old.completed_at]
        known += [attempt.at for lane in old.lanes for attempt in lane.attempts]
        latest = max(moment for moment in known if moment is not None)
        return max(self.recorded_at, min(latest, self.recorded_at + _SECOND))

    def event(self, event_type: EventType, time: datetime | None = None, **facts: Any) -> Event:  # noqa: ANN401
        """An event of this write."""
        return Event(
            type=event_type,
            time=time or self.time,
            actor=self.new.actor,
            generation=self.new.generation,
            **facts,
        )

    def of_job(self, event_type: EventType, time: datetime | None = None, detail: str | None = None) -> Event:
        """A change of the job's status."""
        before, after = self.old.status.value, self.new.status.value
        return self.event(event_type, time, before=before, after=after, detail=detail)

    def of_item(self, event_type: EventType, lane: int, time: datetime | None = None, **facts: Any) -> Event:  # noqa: ANN401
        """An event of the item at which ``lane`` stood."""
        index = self.old.lanes[lane].next
        position = position_of(lane, len(self.new.lanes), index) if self.new.generation == 1 else None
        return self.event(event_type, time, lane=lane, index=index, position=position, **facts)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a transition is told as, and which fields of the ledger it may change beside version and actor."""

    explains: frozenset[str]
    events: tuple[Event, ...] = ()


def _told(explains: Iterable[str], *events: Event) -> _Told:
    return _Told(frozenset(explains), events)


def _created(new: Ledger) -> Event:
    return Event(
        type=EventType.JOB_CREATED,
        time=new.created_at,
        actor=new.actor,
        generation=new.generation,
        after=new.status.value,
        detail=_items(new.total),
    )


def _edit(write: _Write, names: Iterable[str]) -> Event:
    """Attributes as the row names them: it says ``headroom`` where the ledger says in what unit."""
    shown = sorted(name.removesuffix("_microusd") for name in names)
    signed = (write.old.version, write.old.actor) != (write.new.version, write.new.actor)
    moved = write.old.status is not write.new.status
    return Event(
        type=EventType.JOB_EDITED,
        time=write.time,
        actor=write.new.actor if signed else None,
        generation=write.new.generation,
        before=write.old.status.value if moved else None,
        after=write.new.status.value if moved else None,
        detail=", ".join(shown),
    )


def _transition(write: _Write) -> _Told | None:
    """The transition that this write is, or None."""
    old, new = write.old, write.new
    if new.generation != old.generation:
        return _retried(write) if new.generation == old.generation + 1 else None
    if len(old.lanes) != len(new.lanes):
        return None
    moved = [lane for lane, (before, after) in enumerate(zip(old.lanes, new.lanes, strict=True)) if before != after]
    if not moved:
        return _of_status(write) if old.status is not new.status else _of_the_rest(write)
    return _of_lane(write, moved[0]) if len(moved) == 1 else None


def _retried(write: _Write) -> _Told:
    explains = {field.name for field in fields(Ledger)} - {"project_id", "job_id", "name", "kind", "drive", "total"}
    explains -= {"completed", "created_at", "started_at", "last_activity_at", "notified_generation", "est_microusd"}
    return _told(explains, write.of_job(EventType.JOB_RETRIED, write.new.retried_at, _items(write.new.open)))


def _of_lane(write: _Write, number: int) -> _Told | None:
    before, after = write.old.lanes[number], write.new.lanes[number]
    if before.lease is None:
        if after.lease is not None:
            return _started(write, number)
        return _redriven(write, number, before, after)
    if after.lease is None:
        if after.next == before.next + 1:
            return _settled(write, number, before)
        return _given_back(write, number, before, after) if after.next == before.next else None
    if after.lease.token != before.lease.token:
        return _taken_over(write, number, before, after)
    return _redriven(write, number, before, after)


def _started(write: _Write, number: int) -> _Told:
    time = write.new.started_at if write.old.started_at is None else None
    started = write.of_item(
        EventType.ITEM_STARTED,
        number,
        time,
        before=ItemStatus.QUEUED.value,
        after=ItemStatus.PROCESSING.value,
        attempt=len(write.old.lanes[number].attempts) + 1,
    )
    first = () if write.old.status is write.new.status else (write.of_job(EventType.JOB_STARTED, time),)
    return _told({"lanes", "queued", "held", "status", "started_at", "headroom_microusd"}, *first, started)


def _taken_over(write: _Write, number: int, before: Lane, after: Lane) -> _Told:
    counted = len(after.attempts) > len(before.attempts)
    event = write.of_item(
        EventType.ITEM_TAKEN_OVER,
        number,
        after.attempts[-1].at if counted else None,
        before=ItemStatus.PROCESSING.value,
        after=ItemStatus.PROCESSING.value,
        attempt=len(after.attempts) or None,
        detail=ErrorCode.LEASE_EXPIRED.value,
    )
    return _told({"lanes", "status", "headroom_microusd"}, event)


def _settled(write: _Write, number: int, before: Lane) -> _Told:
    old, new = write.old, write.new
    code = next((code for code, count in new.errors.items() if count > old.errors.get(code, 0)), None)
    tried = len(before.attempts) + (code not in _NO_TRY)
    event = write.of_item(
        EventType.ITEM_SETTLED,
        number,
        new.last_activity_at,
        before=ItemStatus.PROCESSING.value,
        after=(ItemStatus.FAILED if new.failed > old.failed else ItemStatus.COMPLETED).value,
        attempt=tried or None,
        detail=None if code is None else code.value,
    )
    counts = {"lanes", "held", "open", "completed", "failed", "errors", "firsts", "halted", "last_activity_at"}
    return _told(counts | _BILL, event)


def _given_back(write: _Write, number: int, before: Lane, after: Lane) -> _Told | None:
    """The lane is free and stands where it stood: the item was put back, or the job is being cancelled."""
    old, new = write.old, write.new
    if new.status is JobStatus.CANCELLING:
        # A retried item keeps its earlier outcome, and only failed items are retried.
        left = ItemStatus.FAILED if new.generation > 1 else ItemStatus.CANCELLED
        event = write.of_item(
            EventType.ITEM_RELEASED,
            number,
            before=ItemStatus.PROCESSING.value,
            after=left.value,
            attempt=len(before.attempts) + 1,
        )
        return _told({"lanes", "held", "open", "failed"} | _BILL, event)
    counted = after.attempts[len(before.attempts) :]
    event = write.of_item(
        EventType.ITEM_PUT_BACK,
        number,
        counted[-1].at if counted else None,
        before=ItemStatus.PROCESSING.value,
        after=ItemStatus.QUEUED.value,
        attempt=len(before.attempts) + 1,
        detail=counted[-1].code.value if counted else None,
    )
    told = _told({"lanes", "held", "queued"} | _BILL, event)
    if old.status is new.status:
        return told
    paused = _of_status(write)
    return None if paused is None else _told(told.explains | paused.explains, event, *paused.events)


def _redriven(write: _Write, number: int, before: Lane, after: Lane) -> _Told | None:
    if after != before.evolve(redrives=before.redrives + 1):
        return None
    event = write.of_item(EventType.LANE_REDRIVEN, number, detail=f"redrive {after.redrives}")
    return _told({"lanes"}, event)


def _of_status(write: _Write) -> _Told | None:
    """A change of the job's status that no lane takes part in."""
    old, new = write.old, write.new
    match old.status, new.status:
        case before, JobStatus.PAUSED if before in RUNNING:
            return _told({"status", "pause_reason"}, write.of_job(EventType.JOB_PAUSED, detail=new.pause_reason))
        case JobStatus.PAUSED, JobStatus.PROCESSING:
            event = write.of_job(EventType.JOB_RESUMED, detail=_raised(old, new))
            budget = {"headroom_microusd", "raised_microusd"}
            return _told({"status", "epoch", "round", "cursor", "halted", "pause_reason"} | budget, event)
        case before, JobStatus.CANCELLING if before not in FINAL:
            explains = {"status", "cancel_reason", "open", "queued", "failed"}
            return _told(explains, write.of_job(EventType.JOB_CANCELLED, detail=new.cancel_reason))
        case before, after if before not in FINAL and after in FINAL:
            counts = new.counts
            detail = f"{counts.completed} completed, {counts.failed} failed, {counts.cancelled} cancelled"
            event = write.of_job(EventType.JOB_FINALIZED, new.completed_at, detail)
            return _told({"status", "completed_at", "pause_reason"}, event)
    return None


def _of_the_rest(write: _Write) -> _Told | None:
    """A change of neither a lane nor the status."""
    old, new = write.old, write.new
    if new.notified_generation != old.notified_generation:
        return _told({"notified_generation"}, write.event(EventType.JOB_NOTIFIED))
    if new.drive is not old.drive:
        event = write.event(EventType.JOB_HANDED_OFF, before=old.drive.value, after=new.drive.value)
        return _told({"drive", "round", "cursor"}, event)
    return _told({"cursor"}) if new.cursor != old.cursor else None


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _raised(old: Ledger, new: Ledger) -> str | None:
    more = new.raised_microusd - old.raised_microusd
    return f"budget raised by {more / 1_000_000:.6f} USD" if more else None
