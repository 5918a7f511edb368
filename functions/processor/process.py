"""One item an invocation: look at the brake, claim, read, generate, settle.

Between two of these anything may happen, the process's death included; what each write demands of the ledger is what
keeps the outcome single. Nothing here raises for a failed item: an exception would block the lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from functions.processor.braking import Admission
from functions.processor.refilling import Refiller
from functions.processor.watching import Watch
from shared.errors import (
    CallCancelledError,
    CorruptRowError,
    ErrorCode,
    ItemError,
    QueueUnavailableError,
    StoreUnavailableError,
    item_error,
)
from shared.queue.queues import CALL_ENDS_BEFORE_LEASE_SECONDS, NOTICE_DEATH_SECONDS, WORK_QUEUE
from shared.turns.claiming import Held
from shared.turns.dispositions import Acknowledge, Disposition, Keep
from shared.turns.settling import Turn, turn_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger

    from functions.processor.braking import Gate
    from functions.processor.writing import Writer
    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.generation.answers import Generation
    from shared.metering import Meter
    from shared.queue.dispatch import WorkQueue
    from shared.store.items import ItemStore
    from shared.store.lane_views import LaneViews
    from shared.turns.settling import Settler

__all__ = ["Delivery", "Processor"]

_RETRY_SECONDS: Final = 5.0
"""How long a message waits when the table or a row made us give up before a claim."""
_UNREADABLE_SECONDS: Final = 60.0
"""How long a message waits for a worker that understands it or its job: a deployment takes a minute or two."""
_RECEIVES_LEFT: Final = 2
"""A message is replaced before it counts as dead: waiting is not failing (rule 11)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message came: absent for an invocation by process-next."""

    receipt: str
    message_id: str
    receive_count: int


@dataclass(frozen=True)
class Processor:
    """Advances lanes. Collaborators are passed in; nothing of a job is kept between calls."""

    settler: Settler
    items: ItemStore
    queue: WorkQueue
    writer: Writer
    gate: Gate
    views: LaneViews
    clock: Clock
    logger: Logger
    meter: Meter

    def advance(
        self, message: LaneMessage, *, delivery: Delivery | None, trace_id: str, seconds_left: Callable[[], float]
    ) -> Disposition:
        """Do what ``message`` asks, as far as the ledger allows.

        Args:
            message: which lane.
            delivery: the queue's delivery, if it came through the queue.
            trace_id: leads from a failed item to this invocation's logs.
            seconds_left: what the function's time-out leaves.
        """
        admission = self.gate.admit(message)
        if not isinstance(admission, Admission):
            if isinstance(admission, Keep):
                self.meter.count("BrakeHeld")
            return admission
        try:
            held = self.settler.claimer.acquire(message)
        except StoreUnavailableError as error:
            self.logger.warning("the claim got no answer", exc_info=error)
            return Keep(_RETRY_SECONDS, "the table did not answer")
        except CorruptRowError as error:
            # Of a later version's job nothing was written; its message waits for a worker of that version.
            self.logger.exception("the job cannot be read", code="corrupt_row", exc_info=error)
            return Keep(_UNREADABLE_SECONDS, "the job cannot be read")
        if not isinstance(held, Held):
            return held
        self.logger.append_keys(generation=held.ledger.generation, attempt=len(held.lane.attempts) + 1)
        if delivery is not None:
            self._watch_over(delivery, held)
        self._refiller.refill(held.ledger, held.lane_number, timeout_seconds=message.timeout_seconds)
        try:
            return self._work(message, held, admission, trace_id, seconds_left)
        except (StoreUnavailableError, CorruptRowError) as error:
            # Whether the last write happened is unknown, or the row cannot be read. The lease ends by itself; then
            # the lane is taken over, or has moved on.
            self.logger.exception("the turn ended without an answer", exc_info=error)
            return Keep(self._until_noticed(held), "the turn ended without an answer")

    @property
    def _refiller(self) -> Refiller:
        claimer = self.settler.claimer
        return Refiller(claimer.ledgers, self.queue, self.logger, claimer.actor)

    def postpone(self, delivery: Delivery) -> None:
        """Let a message come back that this version does not understand."""
        try:
            self.queue.keep(delivery.receipt, seconds=_UNREADABLE_SECONDS)
        except QueueUnavailableError as error:
            self.logger.warning("the message keeps the queue's visibility", exc_info=error)

    def finish(self, message: LaneMessage, delivery: Delivery, disposition: Disposition) -> bool:
        """Carry ``disposition`` out; whether the message is acknowledged."""
        if isinstance(disposition, Acknowledge):
            return True
        try:
            if delivery.receive_count >= (WORK_QUEUE.max_receive_count or 0) - _RECEIVES_LEFT:
                self.queue.replace(message, nonce=self.settler.claimer.token())
                return True
            self.queue.keep(delivery.receipt, seconds=disposition.seconds)
        except QueueUnavailableError as error:
            self.logger.warning("the message keeps the queue's visibility", exc_info=error)
        return False

    def _watch_over(self, delivery: Delivery, held: Held) -> None:
        """Let the message come back soon after the lease, so that a death from now on is noticed then (rule 17)."""
        try:
            self.queue.keep(delivery.receipt, seconds=self._until_noticed(held))
        except QueueUnavailableError as error:
            self.logger.warning("a death would be noticed late: visibility not set", exc_info=error)

    def _until_noticed(self, held: Held) -> float:
        left = (held.lease.expires_at - self.clock.now()).total_seconds()
        return max(0.0, left) + NOTICE_DEATH_SECONDS

    def _work(
        self,
        message: LaneMessage,
        held: Held,
        admission: Admission,
        trace_id: str,
        seconds_left: Callable[[], float],
    ) -> Disposition:
        turn = self._turn(message, held, trace_id)
        self.logger.append_keys(position=turn.item.position)
        if len(held.lane.attempts) >= turn.spec.options.max_attempts:
            return self.settler.used_up(turn)
        started = self.clock.now()
        try:
            generation = self._generate(turn, seconds_left)
        except ItemError as error:
            self._count(error, started)
            self.meter.count("CallsFailed", code=error.code.value)
            # Its words stay on the item: Claude's explanation of a refusal is a text that nobody else should read.
            self.logger.warning(
                "the call failed",
                code=error.code,
                cause=type(error.__cause__).__name__ if error.__cause__ else None,
                http_status=error.http_status,
                claude_request_id=error.claude_request_id,
            )
            self.gate.heed(error, admission)
            return self.settler.met(turn, error)
        except CallCancelledError as error:
            self._count(error, started)
            self.logger.info("the call was stopped", output_tokens=error.output_tokens)
            return self.settler.stopped(turn, error)
        self._count(generation, started)
        return self.settler.completed(turn, generation)

    def _count(self, call: Generation | ItemError | CallCancelledError, started: datetime) -> None:
        """Count what the call took, whatever becomes of its item: it is paid."""
        self.meter.count_all(
            {
                "Calls": 1,
                "CallSeconds": (self.clock.now() - started).total_seconds(),
                "CostMicrousd": call.cost_microusd,
                "InputTokens": call.input_tokens,
                "OutputTokens": call.output_tokens,
            }
        )

    def _turn(self, message: LaneMessage, held: Held, trace_id: str) -> Turn:
        """Read what the claim made ours."""
        return turn_of(self.items, message, held, trace_id)

    def _generate(self, turn: Turn, seconds_left: Callable[[], float]) -> Generation:
        """Call Claude, so that there is time to settle within the lease and within the function's time-out."""
        lease = (turn.held.lease.expires_at - self.clock.now()).total_seconds()
        timeout = min(
            float(turn.spec.options.item_timeout_seconds),
            lease - CALL_ENDS_BEFORE_LEASE_SECONDS,
            seconds_left() - CALL_ENDS_BEFORE_LEASE_SECONDS,
        )
        if timeout <= 0:
            raise item_error(ErrorCode.TIMEOUT, "no time was left for the call")
        try:
            return self.writer.write(
                turn.spec,
                turn.item,
                generation=turn.generation,
                timeout_seconds=timeout,
                cancelled=Watch(self.views, turn.held, self.clock, self.logger),
            )
        except (ItemError, CallCancelledError):
            raise
        except Exception as error:
            # The outermost edge of an item: whatever a kind or the client did not foresee fails this item, with a
            # code and a trace id, and never the lane.
            self.logger.exception("an item met a fault of ours", code=ErrorCode.INTERNAL_ERROR)
            raise item_error(ErrorCode.INTERNAL_ERROR, f"{type(error).__name__}: {error}") from error
