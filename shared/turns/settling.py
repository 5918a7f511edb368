"""Ending a held lane's turn: an outcome, a put-back, a pause of the job, or a release. Exactly one of them counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.errors import CorruptRowError, ErrorCode, TransitionRefusedError, item_error
from shared.jobs.items import Failure, Outcome, PastAttempt
from shared.jobs.lanes import position_of
from shared.jobs.ledger import Attempt
from shared.jobs.retries import PauseJob, PutBack, decide
from shared.jobs.statuses import ItemStatus, JobStatus, OnError
from shared.store.dynamodb import RefusedError
from shared.store.ledgers import refused_ledger
from shared.turns.claiming import Claimer, Held, why_void
from shared.turns.dispositions import Acknowledge, Disposition, Keep, keep_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.errors import CallCancelledError, ItemError
    from shared.generation.answers import Generation
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.jobs.statuses import PauseReason
    from shared.store.item_rows import ItemRow
    from shared.store.items import ItemStore

__all__ = ["Settler", "Turn", "turn_of"]

_ACCOUNT_WAIT_SECONDS: Final = 1.0
"""An account is mended by a person, who then resumes: no back-off is needed, only that nobody spins."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One item, held: everything that ending it needs."""

    message: LaneMessage
    held: Held
    spec: JobSpec
    item: ItemRow
    trace_id: str

    @property
    def generation(self) -> int:
        """The generation that the claim was made in."""
        return self.held.ledger.generation


def turn_of(items: ItemStore, message: LaneMessage, held: Held, trace_id: str) -> Turn:
    """Read what the claim made ours. The position comes from the claim's own answer.

    Raises:
        CorruptRowError: the job lacks its spec or the item.
    """
    ledger, index = held.ledger, held.lane.next
    if ledger.generation == 1:
        position = position_of(held.lane_number, len(ledger.lanes), index)
    else:
        position = items.lane_positions(message.job, ledger.generation, held.lane_number)[index]
    item, spec = items.read_with_spec(message.job, position)
    if item is None or spec is None:
        raise CorruptRowError(f"the job {message.job} lacks its spec or its item {position}")
    return Turn(message=message, held=held, spec=spec, item=item, trace_id=trace_id)


@dataclass(frozen=True)
class Settler:
    """Ends turns."""

    claimer: Claimer
    clock: Clock
    random: Callable[[], float]

    def completed(self, turn: Turn, generation: Generation) -> Disposition:
        """Claude wrote it."""
        now = self.clock.now()
        attempt = self._attempt(turn, now, ItemStatus.COMPLETED.value)
        outcome = replace(
            self._outcome(turn, ItemStatus.COMPLETED, now, attempt),
            output=generation.output,
            input_tokens=generation.input_tokens,
            output_tokens=generation.output_tokens,
            cost_microusd=generation.cost_microusd,
            model=generation.model,
        )
        return self._settle(turn, outcome)

    def met(self, turn: Turn, error: ItemError) -> Disposition:
        """The call ended in ``error``: its class decides."""
        decision = decide(
            error,
            attempts_before=len(turn.held.lane.attempts),
            max_attempts=turn.spec.options.max_attempts,
            random=self.random,
        )
        match decision:
            case PutBack(wait_seconds):
                return self._put_back(turn, error, wait_seconds)
            case PauseJob(reason):
                return self._pause(turn, error, reason)
            case _:
                return self._failed(turn, error)

    def stopped(self, turn: Turn, error: CallCancelledError) -> Disposition:
        """The call was stopped: the job is being cancelled, or the lane is no longer ours."""
        return self._release(turn, error, None)

    def used_up(self, turn: Turn) -> Disposition:
        """The lane was taken over from the last attempt: Claude is not asked again."""
        error = item_error(
            ErrorCode.LEASE_EXPIRED,
            f"all {turn.spec.options.max_attempts} attempts were lost or failed; the last worker did not report back",
        )
        return self._failed_without_call(turn, error)

    def dead_lettered(self, turn: Turn, *, redrives: int) -> Disposition:
        """The lane's message died again and again, and Claude is not asked any more."""
        error = item_error(
            ErrorCode.DEAD_LETTERED,
            f"the item's message was received too often without an answer, and was sent again {redrives} times",
        )
        return self._failed_without_call(turn, error)

    def given_back(self, turn: Turn, reason: str) -> Disposition:
        """Put the item back as it was: there was no reason to hold it."""
        error = item_error(ErrorCode.INTERNAL_ERROR, reason)
        return self._put_back_unharmed(turn, error, self.clock.now())

    def _failed_without_call(self, turn: Turn, error: ItemError) -> Disposition:
        outcome = self._outcome(turn, ItemStatus.FAILED, self.clock.now(), None)
        return self._settle(turn, replace(outcome, error=Failure.of(error, trace_id=turn.trace_id)))

    def _failed(self, turn: Turn, error: ItemError) -> Disposition:
        now = self.clock.now()
        failure = Failure.of(error, trace_id=turn.trace_id)
        attempt = self._attempt(turn, now, ItemStatus.FAILED.value, failure)
        outcome = replace(
            self._outcome(turn, ItemStatus.FAILED, now, attempt),
            error=failure,
            input_tokens=error.input_tokens,
            output_tokens=error.output_tokens,
            cost_microusd=error.cost_microusd,
            model=error.model,
        )
        return self._settle(turn, outcome)

    def _outcome(self, turn: Turn, status: ItemStatus, now: datetime, attempt: PastAttempt | None) -> Outcome:
        attempts = self._history(turn)
        return Outcome(
            position=turn.item.position,
            generation=turn.generation,
            status=status,
            token=turn.held.lease.token,
            started_at=attempts[0].started_at or turn.held.claimed_at if attempts else turn.held.claimed_at,
            completed_at=now,
            attempts=attempts if attempt is None else (*attempts, attempt),
        )

    def _history(self, turn: Turn) -> tuple[PastAttempt, ...]:
        """The tries before this one: those that the item tells of, and those that only the ledger counted.

        A put-back stands on the item with its whole error. A lost lease was counted by whoever took over, who knows
        nothing but that; Claude may have been paid for it.
        """
        told = {_mark(attempt): attempt for attempt in turn.item.attempts if attempt.generation == turn.generation}
        earlier = [attempt for attempt in turn.item.attempts if attempt.generation < turn.generation]
        return (
            *earlier,
            *(
                told.get((attempt.at, attempt.code)) or _lost(number, turn.generation, attempt)
                for number, attempt in enumerate(turn.held.lane.attempts, start=1)
            ),
        )

    def _attempt(self, turn: Turn, now: datetime, outcome: str, error: Failure | None = None) -> PastAttempt:
        return PastAttempt(
            number=len(turn.held.lane.attempts) + 1,
            generation=turn.generation,
            started_at=turn.held.claimed_at,
            ended_at=now,
            outcome=outcome,
            error=error,
        )

    def _settle(self, turn: Turn, outcome: Outcome) -> Disposition:
        try:
            self.claimer.ledgers.settle(
                turn.held.ledger,
                lane=turn.held.lane_number,
                token=turn.held.lease.token,
                outcome=outcome,
                now=outcome.completed_at,
                on_error=turn.spec.options.on_error,
                min_interval_seconds=turn.spec.options.min_interval_seconds,
                actor=self.claimer.actor,
            )
        except TransitionRefusedError as refused:
            # Either an earlier try of this very settle went through and its answer was lost, or the lease was lost.
            row = self.claimer.items.read(turn.message.job, outcome.position)
            if row is None or row.outcome is None or row.outcome.token != outcome.token:
                return self._lost_lease(turn, refused)
        if outcome.status is ItemStatus.FAILED and turn.spec.options.on_error is not OnError.CONTINUE:
            return self.claimer.finish_halt(turn.held.ledger, turn.spec)
        return Acknowledge(f"item {outcome.position} {outcome.status}")

    def _put_back(self, turn: Turn, error: ItemError, wait_seconds: float) -> Disposition:
        now = self.clock.now()
        not_before = now + timedelta(milliseconds=int(wait_seconds * 1000))
        tried = self._attempt(turn, now, "put_back", Failure.of(error, trace_id=turn.trace_id))
        try:
            self.claimer.ledgers.put_back(
                turn.held.ledger,
                lane=turn.held.lane_number,
                token=turn.held.lease.token,
                not_before=not_before,
                attempt=Attempt(error.code, now),
                position=turn.item.position,
                attempts=(*self._history(turn), tried),
                input_tokens=error.input_tokens,
                output_tokens=error.output_tokens,
                cost_microusd=error.cost_microusd,
                actor=self.claimer.actor,
            )
        except TransitionRefusedError as refused:
            return self._release(turn, error, refused)
        return keep_until(not_before, now, f"put back after {error.code}")

    def _pause(self, turn: Turn, error: ItemError, reason: PauseReason) -> Disposition:
        not_before = self.clock.now() + timedelta(seconds=_ACCOUNT_WAIT_SECONDS)
        try:
            self.claimer.ledgers.account_pause(
                turn.held.ledger,
                lane=turn.held.lane_number,
                token=turn.held.lease.token,
                not_before=not_before,
                reason=reason,
                actor=self.claimer.actor,
            )
        except RefusedError:
            return self._put_back_unharmed(turn, error, not_before)
        return Acknowledge(f"the job is paused: {reason}")

    def _put_back_unharmed(self, turn: Turn, error: ItemError, not_before: datetime) -> Disposition:
        """The job was paused, resumed or cancelled meanwhile: the error is no attempt ★."""
        try:
            self.claimer.ledgers.put_back(
                turn.held.ledger,
                lane=turn.held.lane_number,
                token=turn.held.lease.token,
                not_before=not_before,
                attempt=None,
                position=turn.item.position,
                actor=self.claimer.actor,
            )
        except TransitionRefusedError as refused:
            return self._release(turn, error, refused)
        return keep_until(not_before, self.clock.now(), f"put back unharmed after {error.code}")

    def _release(
        self, turn: Turn, error: ItemError | CallCancelledError, refused: TransitionRefusedError | None
    ) -> Disposition:
        """Leave the lane if the job is being cancelled and the lane is still ours."""
        try:
            self.claimer.ledgers.release(
                turn.held.ledger,
                lane=turn.held.lane_number,
                token=turn.held.lease.token,
                input_tokens=error.input_tokens,
                output_tokens=error.output_tokens,
                cost_microusd=error.cost_microusd,
                actor=self.claimer.actor,
            )
        except RefusedError as not_released:
            # The answer of a release that went through may have been lost: its repeat is refused by it.
            if not _is_left(refused_ledger(not_released), turn):
                return self._lost_lease(turn, refused or not_released)
        return Acknowledge("the job is being cancelled: the lane is free")

    def _lost_lease(self, turn: Turn, refused: TransitionRefusedError) -> Disposition:
        """Another holds the lane, or nobody: the message is needed as long as the lane has work ★."""
        now = self.clock.now()
        ledger = _row_of(refused)
        if ledger is None or ledger.status is JobStatus.CANCELLING:
            return Keep(_ACCOUNT_WAIT_SECONDS, "the lease was lost")
        if void := why_void(ledger, turn.message):
            return Acknowledge(void)
        lease = ledger.lanes[turn.message.lane].lease
        if lease is None:
            return Keep(_ACCOUNT_WAIT_SECONDS, "the lease was lost")
        return keep_until(lease.expires_at, now, "the lease was lost to another")


def _is_left(ledger: Ledger | None, turn: Turn) -> bool:
    """Whether the job is being cancelled and nobody holds the lane, be it that we have left it: nothing is to do."""
    return (
        ledger is not None
        and ledger.status is JobStatus.CANCELLING
        and ledger.generation == turn.generation
        and ledger.lanes[turn.message.lane].lease is None
    )


def _row_of(refused: TransitionRefusedError) -> Ledger | None:
    return refused_ledger(refused) if isinstance(refused, RefusedError) else None


def _mark(attempt: PastAttempt) -> tuple[datetime | None, ErrorCode | None]:
    """What an attempt on the item and its count in the ledger have in common.

    The time alone does not tell: a take-over and the put-back behind it may fall into one millisecond.
    """
    return attempt.ended_at, None if attempt.error is None else attempt.error.code


def _lost(number: int, generation: int, attempt: Attempt) -> PastAttempt:
    lost = attempt.code is ErrorCode.LEASE_EXPIRED
    error = item_error(attempt.code, "the worker did not report back before its lease ended" if lost else "not told")
    return PastAttempt(
        number=number,
        generation=generation,
        started_at=None,
        ended_at=attempt.at,
        outcome="lost" if lost else "put_back",
        error=Failure.of(error),
        possible_duplicate_spend=lost,
    )
