"""What becomes of a dead letter (rule 12 of the protocol).

A message dies when the processor could not even say what to do with it ten times: a bad deploy, a function that runs
out of memory. Its lane still needs a message, so it is sent again; an item that cannot be brought to an end that way is
failed at last, and an alarm tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from shared.errors import CorruptRowError, QueueUnavailableError, StoreUnavailableError
from shared.jobs.ids import new_ulid
from shared.jobs.statuses import RUNNING
from shared.queue.dispatch import message_for
from shared.queue.queues import NOTICE_DEATH_SECONDS
from shared.store.dynamodb import RefusedError
from shared.store.ledgers import refused_ledger
from shared.turns.claiming import Held, why_void
from shared.turns.dispositions import Acknowledge, Disposition, Keep
from shared.turns.settling import turn_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger

    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.queue.dispatch import WorkQueue
    from shared.store.items import ItemStore
    from shared.store.ledgers import LedgerStore
    from shared.turns.settling import Settler

__all__ = ["ACTOR", "MAX_REDRIVES", "Redriver"]

ACTOR: Final = "dead_letters"
MAX_REDRIVES: Final = 3
"""So often an item's message is sent again without any movement of its lane."""
_RACE_SECONDS: Final = 1.0
_TROUBLE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Redriver:
    """Handles dead letters. ``settler`` claims and settles as :data:`ACTOR`; ``meter`` counts what alarms look at."""

    ledgers: LedgerStore
    items: ItemStore
    queue: WorkQueue
    settler: Settler
    clock: Clock
    logger: Logger
    meter: Callable[[str, int], None]

    def handle(self, message: LaneMessage, *, trace_id: str) -> Disposition:
        """Do what the lane of ``message`` needs; whether the letter may go."""
        try:
            return self._handle(message, trace_id)
        except (StoreUnavailableError, QueueUnavailableError) as error:
            self.logger.warning("a dead letter has to wait", exc_info=error)
            return Keep(_TROUBLE_SECONDS, "the table or the queue did not answer")
        except CorruptRowError as error:
            self.logger.exception("a dead letter's job cannot be read", code="internal_error", exc_info=error)
            return Keep(_TROUBLE_SECONDS, "the job's rows cannot be read")

    def _handle(self, message: LaneMessage, trace_id: str) -> Disposition:
        ledger = self.ledgers.read(message.project, message.job)
        if ledger is None:
            return Acknowledge("the job is gone")
        if stale := _why_stale(ledger, message):
            return Acknowledge(stale)
        now, lane = self.clock.now(), ledger.lanes[message.lane]
        self.logger.append_keys(generation=ledger.generation, attempt=len(lane.attempts))
        if lane.lease is not None and lane.busy(now):
            left = (lane.lease.expires_at - now).total_seconds()
            return Keep(left + NOTICE_DEATH_SECONDS, "the lane is busy")
        spec = self.items.require_spec(ledger.job_id)
        if _used_up(ledger, message.lane, spec) or lane.redrives >= MAX_REDRIVES:
            return self._fail(ledger, message.lane, spec, trace_id)
        return self._send_again(ledger, message.lane, spec)

    def _send_again(self, ledger: Ledger, lane: int, spec: JobSpec) -> Disposition:
        """Count first: a crash in between counts twice, which alarms too early rather than never."""
        try:
            counted = self.ledgers.redrive(ledger, lane=lane, actor=ACTOR)
        except RefusedError as refused:
            seen = refused_ledger(refused)
            if seen is None or not _counted(ledger, seen, lane):
                return Keep(_RACE_SECONDS, "the ledger has changed")
            counted = seen
        message = message_for(counted, lane, timeout_seconds=spec.options.item_timeout_seconds)
        self.queue.send_again(message, count=1, ulid=new_ulid(self.clock.now()))
        return Acknowledge(f"sent again, {counted.lanes[lane].redrives} of {MAX_REDRIVES}")

    def _fail(self, ledger: Ledger, lane: int, spec: JobSpec, trace_id: str) -> Disposition:
        """Claim the lane to say how its item ended. Nothing is reserved, because Claude is not asked."""
        message = replace(
            message_for(ledger, lane, timeout_seconds=spec.options.item_timeout_seconds, index=ledger.lanes[lane].next),
            est=0 if ledger.budgeted else None,
        )
        held = self.settler.claimer.acquire(message)
        if not isinstance(held, Held):
            return held
        turn = turn_of(self.items, message, held, trace_id)
        self.logger.append_keys(position=turn.item.position, attempt=len(held.lane.attempts))
        if len(held.lane.attempts) >= spec.options.max_attempts:
            return self.settler.used_up(turn)
        if held.lane.redrives < MAX_REDRIVES:
            return self.settler.given_back(turn, "a slow worker has put the item back meanwhile")
        self.meter("DeadLettered", 1)
        self.logger.error(
            "an item was given up: its message died again and again",
            code="dead_lettered",
        )
        return self.settler.dead_lettered(turn, redrives=held.lane.redrives)


def _counted(before: Ledger, now: Ledger, number: int) -> bool:
    """Whether the count after ``before`` stands in ``now``: the write's answer was lost, and its repeat refused by it.

    Perhaps another letter of the lane counted in the same moment; then the lane gets a message more than it needs,
    which is void.
    """
    lane, counted = before.lanes[number], now.lanes[number]
    return (
        now.status in RUNNING
        and now.epoch == before.epoch
        and counted.next == lane.next
        and counted.redrives == lane.redrives + 1
    )


def _why_stale(ledger: Ledger, message: LaneMessage) -> str | None:
    """Why nothing waits for the letter any more, or None."""
    if message.lane >= len(ledger.lanes):
        return "the job has no such lane"
    if ledger.halted:
        return "a failed item has halted the job"
    return why_void(ledger, replace(message, next=None))


def _used_up(ledger: Ledger, number: int, spec: JobSpec) -> bool:
    """Whether the item has no attempt left; a lease that ran out is one that nobody has counted yet."""
    lane = ledger.lanes[number]
    return len(lane.attempts) + (lane.lease is not None) >= spec.options.max_attempts
