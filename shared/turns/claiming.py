"""Getting hold of a lane: claim it, or take it over from a holder that died, or say why not.

The claim is written without reading first; a refusal carries the row, so the common case costs one call and every
other case is decided on what the ledger really said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.jobs.ids import new_token
from shared.jobs.ledger import Lease
from shared.jobs.repairs import soon
from shared.jobs.statuses import RUNNING, CancelReason, OnError, PauseReason
from shared.queue.queues import LEASE_MARGIN_SECONDS
from shared.store.dynamodb import RefusedError
from shared.store.ledgers import LedgerStore, refused_ledger
from shared.turns.dispositions import Acknowledge, Disposition, Keep, keep_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.jobs.ledger import Lane, Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.items import ItemStore

__all__ = ["Claimer", "Held", "why_void"]

_RACE_SECONDS: Final = 1.0
"""How long a message waits that lost a race: whoever won is told by then."""
_BUDGET_SECONDS: Final = 5.0
"""How long a message waits for running items to give back what they do not use of the budget."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lane that is ours until the lease ends. ``ledger`` is the row as the claim left it."""

    ledger: Ledger
    lane_number: int
    lease: Lease
    claimed_at: datetime

    @property
    def lane(self) -> Lane:
        """The lane as the claim left it: its position and counted attempts are the truth."""
        return self.ledger.lanes[self.lane_number]


@dataclass(frozen=True)
class Claimer:
    """Claims lanes. ``actor`` is whom the ledger names as the writer."""

    ledgers: LedgerStore
    items: ItemStore
    clock: Clock
    token: Callable[[], str] = field(default=new_token)
    actor: str = "processor"

    def acquire(self, message: LaneMessage) -> Held | Disposition:
        """Hold the message's lane, or what to do with the message."""
        lease = self._lease(message, est_microusd=message.est or 0)
        return self._claim(message, lease, budgeted=message.est is not None)

    def _lease(self, message: LaneMessage, *, est_microusd: int) -> Lease:
        ends = self.clock.now() + timedelta(seconds=message.timeout_seconds + LEASE_MARGIN_SECONDS)
        return Lease(self.token(), message.epoch, ends, est_microusd)

    def _claim(self, message: LaneMessage, lease: Lease, *, budgeted: bool, last: bool = False) -> Held | Disposition:
        now = self.clock.now()
        try:
            ledger = self.ledgers.claim(
                message.project,
                message.job,
                lane=message.lane,
                lease=lease,
                budgeted=budgeted,
                now=now,
                actor=self.actor,
                index=message.next,
            )
        except RefusedError as refused:
            return self._refused(message, lease, refused_ledger(refused), last=last)
        return Held(ledger, message.lane, lease, now)

    def _refused(self, message: LaneMessage, lease: Lease, ledger: Ledger | None, *, last: bool) -> Held | Disposition:
        """What the ledger said: is there anything to do at all?"""
        if ledger is None:
            return Acknowledge("the job is gone")
        if message.lane >= len(ledger.lanes):
            return Acknowledge("the job has no such lane")
        if _holds(ledger, message.lane, lease.token):
            # The answer of a claim that went through was lost, and its repeat was refused by it.
            return Held(ledger, message.lane, lease, self.clock.now())
        if void := why_void(ledger, message):
            return Acknowledge(void)
        if ledger.halted:
            return self.finish_halt(ledger, self._spec(ledger))
        return self._not_free(message, ledger, last=last)

    def _not_free(self, message: LaneMessage, ledger: Ledger, *, last: bool) -> Held | Disposition:
        """The lane has work: who or what keeps us from it?"""
        now = self.clock.now()
        lane = ledger.lanes[message.lane]
        if lane.lease is not None:
            if lane.lease.expired(now):
                return self._take_over(message, ledger)
            return keep_until(lane.lease.expires_at, now, "the lane is busy")
        if lane.not_before is not None and lane.not_before > now:
            return keep_until(lane.not_before, now, "the lane waits for its back-off")
        if message.est != (ledger.est_microusd if ledger.budgeted else None) and not last:
            corrected = self._lease(message, est_microusd=ledger.est_microusd)
            return self._claim(message, corrected, budgeted=ledger.budgeted, last=True)
        return self._unaffordable(ledger, ledger.est_microusd) or Keep(_RACE_SECONDS, "another was faster")

    def _take_over(self, message: LaneMessage, ledger: Ledger) -> Held | Disposition:
        """Replace a dead holder; if that was the last attempt, hold the lane only to say so."""
        now = self.clock.now()
        spec = self._spec(ledger)
        used_up = len(ledger.lanes[message.lane].attempts) + 1 >= spec.options.max_attempts
        lease = self._lease(message, est_microusd=0 if used_up else ledger.est_microusd)
        try:
            taken = self.ledgers.take_over(
                ledger,
                lane=message.lane,
                lease=lease,
                max_attempts=spec.options.max_attempts,
                now=now,
                actor=self.actor,
            )
        except RefusedError as refused:
            seen = refused_ledger(refused)
            if seen is not None and _holds(seen, message.lane, lease.token):
                return Held(seen, message.lane, lease, now)
            if seen is None:
                return Acknowledge("the job is gone")
            return self._unaffordable(seen, lease.est_microusd) or Keep(_RACE_SECONDS, "another was faster")
        return Held(taken, message.lane, lease, now)

    def _unaffordable(self, ledger: Ledger, est_microusd: int) -> Disposition | None:
        """Pause the job if its budget is used up and nobody may give any of it back."""
        if ledger.headroom_microusd is None or ledger.headroom_microusd >= est_microusd:
            return None
        if ledger.live_leases(self.clock.now()):
            return Keep(_BUDGET_SECONDS, "the budget does not cover the item while others run")
        try:
            self.ledgers.pause_for_budget(ledger, est_microusd=est_microusd, actor=self.actor)
        except RefusedError as refused:
            return _reached(refused) or Keep(_RACE_SECONDS, "the ledger has changed")
        return Acknowledge("the budget is exhausted: the job is paused")

    def finish_halt(self, ledger: Ledger, spec: JobSpec) -> Disposition:
        """Write what a failed item demands under ``on_error``: the one that failed it may have died before."""
        try:
            if spec.options.on_error is OnError.PAUSE:
                self.ledgers.pause(ledger, reason=PauseReason.ON_ERROR, actor=self.actor)
            else:
                check_at = soon(ledger, self.clock.now())
                self.ledgers.cancel(ledger, reason=CancelReason.ON_ERROR, check_at=check_at, actor=self.actor)
        except RefusedError as refused:
            return _reached(refused) or Keep(_RACE_SECONDS, "the ledger has changed")
        return Acknowledge("a failed item ended the job's run")

    def _spec(self, ledger: Ledger) -> JobSpec:
        return self.items.require_spec(ledger.job_id)


def why_void(ledger: Ledger, message: LaneMessage) -> str | None:
    """Why the message can do nothing any more, or None (rule 10)."""
    if ledger.status not in RUNNING:
        return f"the job is {ledger.status}"
    if ledger.epoch != message.epoch:
        return "the message is of an earlier epoch"
    lane = ledger.lanes[message.lane]
    if lane.exhausted:
        return "the lane has no work left"
    if message.next is not None and lane.next != message.next:
        return "the lane has moved on"
    return None


def _reached(refused: RefusedError) -> Acknowledge | None:
    """What a refused pause or cancel comes to where nothing runs any more.

    Another was faster, or it went through before and its answer was lost.
    """
    ledger = refused_ledger(refused)
    if ledger is None or ledger.status in RUNNING:
        return None
    return Acknowledge(f"the job is {ledger.status}")


def _holds(ledger: Ledger, lane: int, token: str) -> bool:
    lease = ledger.lanes[lane].lease
    return lease is not None and lease.token == token
