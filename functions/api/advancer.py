"""process-next: start the processor on a free lane and watch the ledger. Nothing is claimed or generated here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from functions.api.problems import illegal_transition
from shared.jobs.lanes import position_of
from shared.jobs.statuses import RUNNING, JobStatus
from shared.queue.dispatch import message_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from functions.api.invoker import Invoker
    from functions.api.item_reader import ItemReader, ShownItem
    from functions.api.job_reader import JobReader, Pace
    from shared.clock import Clock
    from shared.errors import RequestError
    from shared.jobs.ledger import Lane, Ledger
    from shared.store.items import ItemStore

__all__ = ["Advance", "Advancer"]

_BUSY_SECONDS: Final = 2
"""When to ask again while an item runs: items take seconds to minutes, and a lane may be free sooner."""
_LONGEST_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Advance:
    """What one call did."""

    outcome: Literal["processed", "in_progress", "done"]
    ledger: Ledger
    item: ShownItem | None = None
    retry_after_seconds: int = 0


@dataclass(frozen=True)
class Advancer:
    """Advances jobs by one item. ``choose`` picks one of several lanes, so that clients seldom pick the same."""

    jobs: JobReader
    reader: ItemReader
    items: ItemStore
    invoker: Invoker
    clock: Clock
    pace: Pace
    choose: Callable[[Sequence[int]], int]

    def advance(self, project_id: str, job_id: str, *, wait_seconds: float, seconds_left: float) -> Advance:
        """Start one item, where one can be started, and wait for its end.

        Raises:
            RequestError: 404; 409, the job is paused; 503, the processor could not be started.
        """
        ledger = self.jobs.visible(project_id, job_id)
        now = self.clock.now()
        if ledger.status is JobStatus.PAUSED:
            raise _paused(ledger, now)
        if ledger.final or (ledger.status in RUNNING and not ledger.open):
            return Advance("done", ledger)
        free = _free_lanes(ledger, now)
        if not free:
            return Advance("in_progress", ledger, None, _retry_after(ledger, now))
        lane = self.choose(free)
        spec = self.jobs.specs.of(job_id)
        index = ledger.lanes[lane].next
        self.invoker.invoke(message_for(ledger, lane, timeout_seconds=spec.options.item_timeout_seconds, index=index))
        return self._watch(ledger, lane, wait_seconds=wait_seconds, seconds_left=seconds_left)

    def _watch(self, started: Ledger, lane: int, *, wait_seconds: float, seconds_left: float) -> Advance:
        """Wait until the item is settled, put back or overtaken by a decision about the whole job."""
        position = self._position(started, lane)
        ledger = started
        for _ in self.pace.until(wait_seconds, seconds_left):
            ledger = self.jobs.visible(started.project_id, started.job_id)
            if _left(started, ledger, lane):
                break
        reading, item = self.reader.one(started.project_id, started.job_id, position)
        if reading.ledger.generation == started.generation and _settled(started, reading.ledger, lane):
            return Advance("processed", reading.ledger, item)
        if reading.ledger.final:
            return Advance("done", reading.ledger)
        return Advance("in_progress", reading.ledger, item, _retry_after(reading.ledger, self.clock.now()))

    def _position(self, ledger: Ledger, lane: int) -> int:
        index = ledger.lanes[lane].next
        if ledger.generation == 1:
            return position_of(lane, len(ledger.lanes), index)
        return self.items.lane_positions(ledger.job_id, ledger.generation, lane)[index]


def _free_lanes(ledger: Ledger, now: datetime) -> list[int]:
    """Lanes that a claim or a take-over may succeed on."""
    if ledger.status not in RUNNING:
        return []
    return [
        number
        for number, lane in enumerate(ledger.lanes)
        if not lane.exhausted and lane.due(now) and not lane.busy(now)
    ]


def _settled(started: Ledger, ledger: Ledger, lane: int) -> bool:
    return ledger.lanes[lane].next > started.lanes[lane].next


def _left(started: Ledger, ledger: Ledger, lane: int) -> bool:
    """Whether waiting for this item is over."""
    before, after = started.lanes[lane], ledger.lanes[lane]
    put_back = after.lease is None and after.not_before is not None and after.not_before != before.not_before
    moved_on = ledger.generation != started.generation or (ledger.status not in RUNNING and after.lease is None)
    return _settled(started, ledger, lane) or put_back or moved_on


def _retry_after(ledger: Ledger, now: datetime) -> int:
    """When the next lane may be free, in whole seconds, at least one."""
    waits = [_wait(lane, now) for lane in ledger.lanes if not lane.exhausted]
    return max(1, min(_LONGEST_SECONDS, math.ceil(min(waits, default=_BUSY_SECONDS))))


def _wait(lane: Lane, now: datetime) -> float:
    if lane.busy(now):
        return _BUSY_SECONDS
    return 0 if lane.not_before is None else (lane.not_before - now).total_seconds()


def _paused(ledger: Ledger, now: datetime) -> RequestError:
    status = ledger.shown_status(now)
    return illegal_transition(status, f"The job is {status}; resume it first.")
