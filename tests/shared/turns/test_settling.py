"""How a turn ends, and that it ends once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorClass, ErrorCode, item_error
from shared.generation.answers import Generation
from shared.jobs.items import Failure
from shared.jobs.statuses import CancelReason, ItemStatus, JobStatus, OnError, PauseReason
from shared.store.dynamodb import RefusedError, TokenReusedError
from shared.turns.claiming import Claimer, Held
from shared.turns.dispositions import Acknowledge, Keep

if TYPE_CHECKING:
    from shared.errors import ItemError
    from shared.jobs.ledger import Ledger
    from shared.turns.settling import Settler, Turn
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop

WRITTEN = Generation('{"title": "T"}', 10, 20, 3_000, "claude-test", "req_1")
OVERLOADED = item_error(ErrorCode.OVERLOADED, "busy", http_status=529, claude_request_id="req_9")
BILLING = item_error(ErrorCode.BILLING, "no credit", http_status=402)


def _turn(workshop: Workshop, job: Ledger, lane: int = 0) -> tuple[Settler, Turn]:
    processor = workshop.processor()
    held = processor.settler.claimer.acquire(workshop.message(job, lane))
    assert isinstance(held, Held)
    return processor.settler, processor._turn(workshop.message(job, lane), held, "trace-1")


def test_outcome_and_ledger_agree_when_an_item_completes(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    settler, turn = _turn(workshop, job)
    clock.advance(3)
    assert isinstance(settler.completed(turn, WRITTEN), Acknowledge)
    after, row = workshop.ledger(job), workshop.item(job, 1)
    assert (after.completed, after.open, after.held, after.lanes[0].next) == (1, 1, 0, 1)
    assert (after.input_tokens, after.output_tokens, after.cost_microusd) == (10, 20, 3_000)
    assert after.last_activity_at == clock.now()
    assert row.outcome is not None
    assert (row.outcome.status, row.outcome.output) == (ItemStatus.COMPLETED, '{"title": "T"}')
    assert [(attempt.number, attempt.outcome) for attempt in row.attempts] == [(1, "completed")]


@pytest.mark.acceptance(17)
def test_failure_keeps_everything_when_an_item_fails(workshop: Workshop) -> None:
    job = workshop.job(2)
    settler, turn = _turn(workshop, job)
    error = item_error(ErrorCode.REFUSED, "Claude would not", http_status=200, claude_request_id="req_7")
    error.cost_microusd, error.input_tokens, error.model = 50, 5, "claude-test"
    settler.met(turn, error)
    after, row = workshop.ledger(job), workshop.item(job, 1)
    assert (after.failed, after.errors, after.firsts) == (1, {ErrorCode.REFUSED: 1}, {ErrorCode.REFUSED: 1})
    assert after.cost_microusd == 50
    assert row.outcome is not None
    assert row.outcome.error == Failure(
        ErrorCode.REFUSED, ErrorClass.PERMANENT, False, "Claude would not", 200, "req_7", "trace-1"
    )
    assert row.outcome.model == "claude-test"
    assert row.attempts[0].error == row.outcome.error


def test_item_goes_back_with_its_history_when_the_error_is_transient(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    settler, turn = _turn(workshop, job)
    assert settler.met(turn, OVERLOADED) == Keep(1.0, "put back after overloaded")
    after, row = workshop.ledger(job), workshop.item(job, 1)
    assert (after.queued, after.held, after.open, after.lanes[0].next) == (2, 0, 2, 0)
    assert [attempt.code for attempt in after.lanes[0].attempts] == [ErrorCode.OVERLOADED]
    assert after.lanes[0].not_before is not None
    assert row.outcome is None
    assert row.attempts[0].error == Failure.of(OVERLOADED, trace_id="trace-1")
    clock.advance(2)
    settler, turn = _turn(workshop, job)
    settler.completed(turn, WRITTEN)
    assert [(a.number, a.outcome) for a in workshop.item(job, 1).attempts] == [(1, "put_back"), (2, "completed")]


def test_lost_try_is_told_as_a_possible_duplicate_when_a_worker_died(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    _turn(workshop, job)
    clock.advance(136)
    settler, turn = _turn(workshop, job)
    settler.completed(turn, WRITTEN)
    lost, done = workshop.item(job, 1).attempts
    assert (lost.number, lost.outcome, lost.possible_duplicate_spend, lost.started_at) == (1, "lost", True, None)
    assert lost.error is not None
    assert lost.error.code is ErrorCode.LEASE_EXPIRED
    assert (done.number, done.outcome, done.possible_duplicate_spend) == (2, "completed", False)


def test_lost_try_stays_told_when_the_next_one_ends_in_the_same_millisecond(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(1)
    _turn(workshop, job)
    clock.advance(200)
    settler, turn = _turn(workshop, job)
    settler.met(turn, OVERLOADED)
    clock.advance(60)
    settler, turn = _turn(workshop, job)
    settler.completed(turn, WRITTEN)

    attempts = [(attempt.outcome, attempt.possible_duplicate_spend) for attempt in workshop.item(job, 1).attempts]
    assert attempts == [("lost", True), ("put_back", False), ("completed", False)]


def test_item_fails_at_once_when_the_last_attempt_is_transient(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1, max_attempts=2)
    for _ in range(2):
        settler, turn = _turn(workshop, job)
        settler.met(turn, OVERLOADED)
        clock.advance(60)
    after = workshop.ledger(job)
    assert (after.failed, after.open, after.errors) == (1, 0, {ErrorCode.OVERLOADED: 1})
    assert [attempt.outcome for attempt in workshop.item(job, 1).attempts] == ["put_back", "failed"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ErrorCode.BILLING, PauseReason.BILLING),
        (ErrorCode.AUTHENTICATION, PauseReason.AUTHENTICATION),
        (ErrorCode.PERMISSION, PauseReason.PERMISSION),
    ],
)
def test_job_pauses_and_no_attempt_counts_when_the_account_is_at_fault(
    workshop: Workshop, code: ErrorCode, reason: PauseReason
) -> None:
    job = workshop.job(3)
    settler, turn = _turn(workshop, job)
    assert isinstance(settler.met(turn, item_error(code, "account")), Acknowledge)
    after = workshop.ledger(job)
    assert (after.status, after.pause_reason, after.queued, after.held) == (JobStatus.PAUSED, reason, 3, 0)
    assert after.lanes[0].attempts == ()


def test_account_error_is_put_back_unharmed_when_the_job_was_resumed_since(workshop: Workshop) -> None:
    job = workshop.job(4, concurrency=2)
    settler, turn = _turn(workshop, job)
    paused = workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    workshop.ledgers.resume(paused, actor="user:test")
    assert isinstance(settler.met(turn, BILLING), Keep)
    after = workshop.ledger(job)
    assert (after.status, after.held, after.lanes[0].attempts) == (JobStatus.PROCESSING, 0, ())


@pytest.mark.parametrize("error", [OVERLOADED, BILLING])
def test_lane_is_released_when_the_job_is_being_cancelled(workshop: Workshop, error: ItemError) -> None:
    job = workshop.job(3)
    settler, turn = _turn(workshop, job)
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    assert isinstance(settler.met(turn, error), Acknowledge)
    after = workshop.ledger(job)
    assert (after.status, after.held, after.open, after.counts.cancelled) == (JobStatus.CANCELLING, 0, 0, 3)


def test_lane_is_left_once_when_the_answer_of_a_release_was_lost(workshop: Workshop) -> None:
    job = workshop.job(3)

    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def release(self, *args: object, **facts: object) -> None:
            workshop.ledgers.release(*args, **facts)  # type: ignore[arg-type]
            workshop.ledgers.release(*args, **facts)  # type: ignore[arg-type]  # the repeat

    settler, turn = _turn(workshop, job)
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    claimer = Claimer(LosesTheAnswer(), workshop.items, workshop.clock)  # type: ignore[arg-type]
    assert isinstance(replace(settler, claimer=claimer).met(turn, OVERLOADED), Acknowledge)
    after = workshop.ledger(job)
    assert (after.status, after.held, after.open, after.counts.cancelled) == (JobStatus.CANCELLING, 0, 0, 3)


@pytest.mark.parametrize("error", [OVERLOADED, BILLING, item_error(ErrorCode.REFUSED, "no")])
@pytest.mark.acceptance(14)
def test_nothing_changes_when_the_lease_was_lost(workshop: Workshop, clock: ManualClock, error: ItemError) -> None:
    job = workshop.job(3)
    settler, stale = _turn(workshop, job)
    clock.advance(136)
    _turn(workshop, job)
    before = workshop.ledger(job)
    assert settler.met(stale, error) == Keep(135.0, "the lease was lost to another")
    assert workshop.ledger(job) == before
    assert workshop.item(job, 1).outcome is None


@pytest.mark.acceptance(14)
def test_late_text_is_dropped_when_another_worker_settled(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    settler, stale = _turn(workshop, job)
    clock.advance(136)
    winner, turn = _turn(workshop, job)
    winner.completed(turn, WRITTEN)
    before, row = workshop.ledger(job), workshop.item(job, 1)
    assert isinstance(settler.completed(stale, replace(WRITTEN, output='{"title": "late"}')), Acknowledge)
    assert workshop.ledger(job) == before
    assert workshop.item(job, 1) == row


def test_message_is_kept_when_the_lane_is_free_again_after_the_lease_was_lost(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(2)
    settler, stale = _turn(workshop, job)
    clock.advance(136)
    second, turn = _turn(workshop, job)
    second.met(turn, OVERLOADED)
    assert settler.completed(stale, WRITTEN) == Keep(1.0, "the lease was lost")
    assert workshop.ledger(job).completed == 0


def test_message_is_kept_when_the_lease_was_lost_while_cancelling(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    settler, stale = _turn(workshop, job)
    clock.advance(136)
    cancelled = workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    closed = workshop.ledgers.close(cancelled, lane=0, now=clock.now(), actor="sweeper")
    assert isinstance(settler.completed(stale, WRITTEN), Keep)
    assert workshop.ledger(job) == closed


@pytest.mark.parametrize("refusal", [TokenReusedError("settle", "again"), RefusedError("settle", [None, None])])
def test_settle_counts_once_when_its_answer_was_lost(
    workshop: Workshop, refusal: TokenReusedError | RefusedError
) -> None:
    job = workshop.job(2)

    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def settle(self, *args: object, **facts: object) -> None:
            workshop.ledgers.settle(*args, **facts)  # type: ignore[arg-type]
            raise refusal

    settler, turn = _turn(workshop, job)
    claimer = Claimer(LosesTheAnswer(), workshop.items, workshop.clock)  # type: ignore[arg-type]
    assert isinstance(replace(settler, claimer=claimer).completed(turn, WRITTEN), Acknowledge)
    assert workshop.ledger(job).completed == 1


def test_message_is_kept_when_a_reused_token_settled_nothing(workshop: Workshop) -> None:
    job = workshop.job(2)

    class Refuses:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def settle(self, *_: object, **__: object) -> None:
            raise TokenReusedError("settle", "again")

    settler, turn = _turn(workshop, job)
    claimer = Claimer(Refuses(), workshop.items, workshop.clock)  # type: ignore[arg-type]
    assert isinstance(replace(settler, claimer=claimer).completed(turn, WRITTEN), Keep)
    assert workshop.ledger(job).held == 1


@pytest.mark.acceptance(15)
@pytest.mark.parametrize(
    ("on_error", "status"),
    [
        (OnError.CONTINUE, JobStatus.PROCESSING),
        (OnError.STOP, JobStatus.CANCELLING),
        (OnError.PAUSE, JobStatus.PAUSED),
    ],
)
def test_failed_item_does_to_the_others_what_on_error_says(
    workshop: Workshop, on_error: OnError, status: JobStatus
) -> None:
    job = workshop.job(3, on_error=on_error)
    settler, turn = _turn(workshop, job)
    settler.met(turn, item_error(ErrorCode.REFUSED, "no"))
    after = workshop.ledger(job)
    assert (after.status, after.failed) == (status, 1)
    assert after.counts.total == sum([after.counts.queued, after.counts.processing, after.counts.done])


def test_lane_waits_between_items_when_the_job_is_paced(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2, min_interval_seconds=30)
    settler, turn = _turn(workshop, job)
    settler.completed(turn, WRITTEN)
    assert workshop.advance(workshop.message(job)) == Keep(30.0, "the lane waits for its back-off")
    clock.advance(30)
    assert isinstance(workshop.advance(workshop.message(job)), Acknowledge)
    assert workshop.ledger(job).completed == 2


def test_budget_gets_back_what_was_not_spent_when_an_item_settles(workshop: Workshop) -> None:
    job = workshop.job(2, budget_microusd=10_000, est_microusd=4_000)
    settler, turn = _turn(workshop, job)
    assert workshop.ledger(job).headroom_microusd == 6_000
    settler.completed(turn, WRITTEN)
    assert workshop.ledger(job).headroom_microusd == 7_000


def test_earlier_generations_stay_in_the_history_when_an_item_is_retried(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(2)
    workshop.claude.errors[1] = [item_error(ErrorCode.REFUSED, "no")]
    for _ in range(2):
        workshop.advance(workshop.message(job))
    workshop.finalizer().close(workshop.ledger(job))
    workshop.ledgers.retry(
        workshop.ledger(job),
        work=[[1]],
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="2026-11",
        now=clock.now(),
        check_at=clock.now(),
        actor="user:test",
    )
    assert isinstance(workshop.advance(workshop.message(job)), Acknowledge)
    told = [(attempt.generation, attempt.number, attempt.outcome) for attempt in workshop.item(job, 1).attempts]
    assert told == [(1, 1, "failed"), (2, 1, "completed")]
    assert workshop.statuses(job) == [ItemStatus.COMPLETED, ItemStatus.COMPLETED]
    assert workshop.claude.calls[-1] == f"{job.job_id}:2:1"
