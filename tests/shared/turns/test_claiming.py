"""What a message gets: the lane, or the reason why not. The reasons are the log's; what counts is what is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.errors import CorruptRowError, ErrorCode, item_error
from shared.jobs.ids import JOB, new_id
from shared.jobs.statuses import CancelReason, JobStatus, OnError, PauseReason
from shared.store.dynamodb import RefusedError
from shared.turns.claiming import Claimer, Held
from shared.turns.dispositions import Acknowledge, Keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop


@pytest.fixture
def claimer(workshop: Workshop, clock: ManualClock) -> Claimer:
    return Claimer(workshop.ledgers, workshop.items, clock)


def test_lane_is_held_when_it_is_free(workshop: Workshop, claimer: Claimer, clock: ManualClock) -> None:
    job = workshop.job(3)
    held = claimer.acquire(workshop.message(job))
    assert isinstance(held, Held)
    assert (held.lane.next, held.ledger.held, held.ledger.queued) == (0, 1, 2)
    assert (held.lease.expires_at - clock.now()).total_seconds() == 120 + 15
    assert workshop.ledger(job) == held.ledger


def test_message_is_kept_until_the_lease_ends_when_the_lane_is_busy(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3)
    claimer.acquire(workshop.message(job))
    before = workshop.ledger(job)
    assert claimer.acquire(workshop.message(job)) == Keep(135.0, "the lane is busy")
    assert workshop.ledger(job) == before


def test_lane_is_taken_over_when_its_holder_died(workshop: Workshop, claimer: Claimer, clock: ManualClock) -> None:
    job = workshop.job(3)
    first = claimer.acquire(workshop.message(job))
    clock.advance(136)
    second = claimer.acquire(workshop.message(job))
    assert isinstance(first, Held)
    assert isinstance(second, Held)
    assert second.lease.token != first.lease.token
    assert [attempt.code for attempt in second.lane.attempts] == [ErrorCode.LEASE_EXPIRED]
    assert second.ledger.held == 1


def test_message_is_kept_until_the_back_off_is_over_when_the_lane_waits(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3)
    workshop.claude.errors[1] = [item_error(ErrorCode.OVERLOADED, "busy", retry_after_seconds=7)]
    workshop.advance(workshop.message(job))
    kept = claimer.acquire(workshop.message(job))
    assert kept == Keep(7.5, "the lane waits for its back-off")


def _cancelled(workshop: Workshop, job: Ledger) -> None:
    workshop.ledgers.cancel(job, reason=CancelReason.USER, actor="user:test")


def _paused(workshop: Workshop, job: Ledger) -> None:
    workshop.ledgers.pause(job, reason=PauseReason.USER, actor="user:test")


def _resumed(workshop: Workshop, job: Ledger) -> None:
    workshop.ledgers.resume(workshop.ledgers.pause(job, reason=PauseReason.USER, actor="user:test"), actor="user:test")


def _exhausted(workshop: Workshop, job: Ledger) -> None:
    for _ in range(3):
        workshop.advance(workshop.message(job))


@pytest.mark.parametrize("happened", [_cancelled, _paused, _resumed, _exhausted])
def test_message_is_void_when_the_job_moved_on(
    workshop: Workshop, claimer: Claimer, happened: Callable[[Workshop, Ledger], None]
) -> None:
    job = workshop.job(3)
    message = workshop.message(job)
    happened(workshop, job)
    before = workshop.ledger(job)
    assert isinstance(claimer.acquire(message), Acknowledge)
    assert workshop.ledger(job) == before


def test_message_is_void_when_the_job_is_gone(workshop: Workshop, claimer: Claimer, clock: ManualClock) -> None:
    message = replace(workshop.message(workshop.job(3)), job=new_id(JOB, clock.now()))
    assert claimer.acquire(message) == Acknowledge("the job is gone")


def test_message_is_void_when_the_job_has_no_such_lane(workshop: Workshop, claimer: Claimer) -> None:
    message = replace(workshop.message(workshop.job(3)), lane=7)
    assert claimer.acquire(message) == Acknowledge("the job has no such lane")


def test_invocation_does_nothing_when_the_lane_has_moved_on(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3)
    message = workshop.message(job, index=0)
    workshop.advance(message)
    assert claimer.acquire(message) == Acknowledge("the lane has moved on")
    assert workshop.ledger(job).held == 0


def test_claim_goes_on_when_its_answer_was_lost(workshop: Workshop, clock: ManualClock) -> None:
    """The client's own repeat of a claim that went through is refused by it."""
    job = workshop.job(3)

    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def claim(self, *args: object, **facts: object) -> Ledger:
            workshop.ledgers.claim(*args, **facts)  # type: ignore[arg-type]
            return workshop.ledgers.claim(*args, **facts)  # type: ignore[arg-type]

    claimer = Claimer(LosesTheAnswer(), workshop.items, clock)  # type: ignore[arg-type]
    held = claimer.acquire(workshop.message(job))
    assert isinstance(held, Held)
    assert workshop.ledger(job).lanes[0].lease == held.lease


@pytest.mark.parametrize(
    ("on_error", "status", "reason"),
    [(OnError.STOP, JobStatus.CANCELLING, "on_error"), (OnError.PAUSE, JobStatus.PAUSED, "on_error")],
)
def test_halt_is_finished_by_the_next_message_when_the_worker_died_before(
    workshop: Workshop, claimer: Claimer, on_error: OnError, status: JobStatus, reason: str
) -> None:
    job = workshop.job(4, concurrency=2, on_error=on_error)
    workshop.claude.errors[1] = [item_error(ErrorCode.REFUSED, "no")]
    message = workshop.message(job, 1)
    settle_only(workshop, job)
    assert workshop.ledger(job).halted
    assert isinstance(claimer.acquire(message), Acknowledge)
    after = workshop.ledger(job)
    assert after.status is status
    assert reason in {after.cancel_reason, after.pause_reason}
    assert len(workshop.claude.calls) == 1


@pytest.mark.parametrize(
    ("on_error", "status"), [(OnError.STOP, JobStatus.CANCELLING), (OnError.PAUSE, JobStatus.PAUSED)]
)
def test_halt_is_finished_when_the_answer_of_its_write_was_lost(
    workshop: Workshop, clock: ManualClock, on_error: OnError, status: JobStatus
) -> None:
    job = workshop.job(4, concurrency=2, on_error=on_error)
    workshop.claude.errors[1] = [item_error(ErrorCode.REFUSED, "no")]
    message = workshop.message(job, 1)
    settle_only(workshop, job)

    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def cancel(self, *args: object, **facts: object) -> None:
            workshop.ledgers.cancel(*args, **facts)  # type: ignore[arg-type]
            workshop.ledgers.cancel(*args, **facts)  # type: ignore[arg-type]

        def pause(self, *args: object, **facts: object) -> None:
            workshop.ledgers.pause(*args, **facts)  # type: ignore[arg-type]
            workshop.ledgers.pause(*args, **facts)  # type: ignore[arg-type]

    claimer = Claimer(LosesTheAnswer(), workshop.items, clock)  # type: ignore[arg-type]
    assert claimer.acquire(message) == Acknowledge(f"the job is {status}")
    assert workshop.ledger(job).status is status


def test_budget_pause_stands_when_its_answer_was_lost(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3, budget_microusd=300, est_microusd=400)
    first = claimer._unaffordable(job, 400)
    assert first == Acknowledge("the budget is exhausted: the job is paused")
    assert claimer._unaffordable(job, 400) == Acknowledge("the job is paused")
    assert workshop.ledger(job).pause_reason is PauseReason.BUDGET_EXHAUSTED


def settle_only(workshop: Workshop, job: Ledger) -> None:
    """Item 1 fails and its worker dies before it could act on that."""

    class Dies:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def cancel(self, *_: object, **__: object) -> None:
            raise RefusedError("cancel", [None])

        pause = cancel

    processor = workshop.processor()
    claimer = Claimer(Dies(), workshop.items, workshop.clock)  # type: ignore[arg-type]
    dying = replace(processor, settler=replace(processor.settler, claimer=claimer))
    disposition = dying.advance(
        workshop.message(job), delivery=None, trace_id="t", seconds_left=lambda: workshop.seconds_left
    )
    assert isinstance(disposition, Keep)


def test_claim_is_repeated_with_the_right_estimate_when_the_message_is_wrong(
    workshop: Workshop, claimer: Claimer
) -> None:
    job = workshop.job(3, budget_microusd=1_000, est_microusd=400)
    held = claimer.acquire(replace(workshop.message(job), est=None))
    assert isinstance(held, Held)
    assert held.ledger.headroom_microusd == 600
    assert held.lease.est_microusd == 400


def test_job_pauses_when_the_budget_is_used_up_and_nobody_runs(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3, budget_microusd=300, est_microusd=400)
    assert isinstance(claimer.acquire(workshop.message(job)), Acknowledge)
    after = workshop.ledger(job)
    assert (after.status, after.pause_reason) == (JobStatus.PAUSED, PauseReason.BUDGET_EXHAUSTED)


def test_message_is_kept_when_a_running_item_may_give_back(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(4, concurrency=2, budget_microusd=500, est_microusd=400)
    assert isinstance(claimer.acquire(workshop.message(job, 0)), Held)
    assert isinstance(claimer.acquire(workshop.message(job, 1)), Keep)
    assert workshop.ledger(job).status is JobStatus.PROCESSING


def test_job_pauses_when_a_dead_lease_used_the_budget_up(
    workshop: Workshop, claimer: Claimer, clock: ManualClock
) -> None:
    job = workshop.job(3, budget_microusd=500, est_microusd=400)
    claimer.acquire(workshop.message(job))
    clock.advance(136)
    assert isinstance(claimer.acquire(workshop.message(job)), Acknowledge)
    assert workshop.ledger(job).pause_reason is PauseReason.BUDGET_EXHAUSTED


def test_budget_pause_is_dropped_when_the_ledger_changed_meanwhile(workshop: Workshop, claimer: Claimer) -> None:
    job = workshop.job(3, budget_microusd=300, est_microusd=400)
    stale = job
    workshop.ledgers.dispatched(job, cursor=3, actor="api")
    assert claimer._unaffordable(stale, 400) == Keep(1.0, "the ledger has changed")
    assert workshop.ledger(job).status is JobStatus.QUEUED


def test_take_over_is_refused_when_another_was_faster(workshop: Workshop, claimer: Claimer, clock: ManualClock) -> None:
    job = workshop.job(3)
    claimer.acquire(workshop.message(job))
    stale = workshop.ledger(job)
    clock.advance(136)
    winner = claimer.acquire(workshop.message(job))
    assert isinstance(claimer._take_over(workshop.message(job), stale), Keep)
    assert isinstance(winner, Held)
    assert workshop.ledger(job) == winner.ledger


def test_take_over_goes_on_when_its_answer_was_lost(workshop: Workshop, claimer: Claimer, clock: ManualClock) -> None:
    job = workshop.job(3)
    claimer.acquire(workshop.message(job))
    clock.advance(136)

    class LosesTheAnswer:
        def __getattr__(self, name: str) -> object:
            return getattr(workshop.ledgers, name)

        def take_over(self, *args: object, **facts: object) -> Ledger:
            workshop.ledgers.take_over(*args, **facts)  # type: ignore[arg-type]
            return workshop.ledgers.take_over(*args, **facts)  # type: ignore[arg-type]

    unlucky = Claimer(LosesTheAnswer(), workshop.items, clock)  # type: ignore[arg-type]
    held = unlucky.acquire(workshop.message(job))
    assert isinstance(held, Held)
    assert workshop.ledger(job).lanes[0].lease == held.lease


def test_message_is_void_when_the_job_goes_during_a_take_over(
    workshop: Workshop, claimer: Claimer, clock: ManualClock
) -> None:
    job = workshop.job(3)
    claimer.acquire(workshop.message(job))
    message, stale = workshop.message(job), workshop.ledger(job)
    clock.advance(136)
    key = {"pk": {"S": f"PROJECT#{job.project_id[4:]}"}, "sk": {"S": f"JOB#{job.job_id[4:]}"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    assert claimer._take_over(message, stale) == Acknowledge("the job is gone")


def test_corrupt_job_is_named_when_its_spec_is_missing(
    workshop: Workshop, claimer: Claimer, clock: ManualClock
) -> None:
    job = workshop.job(3)
    claimer.acquire(workshop.message(job))
    message = workshop.message(job)
    clock.advance(136)
    key = {"pk": {"S": f"JOB#{job.job_id[4:]}"}, "sk": {"S": "SPEC"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    with pytest.raises(CorruptRowError, match=job.job_id):
        claimer.acquire(message)


def test_message_is_kept_when_a_race_was_lost_for_no_visible_reason(workshop: Workshop, claimer: Claimer) -> None:
    """By the time the refusing row is looked at, nothing keeps the lane any more."""
    job = workshop.job(3)
    assert claimer._not_free(workshop.message(job), job, last=True) == Keep(1.0, "another was faster")
