"""One invocation: what it does to the lane, and what it leaves of its message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.processor.process import Delivery
from shared.errors import ErrorClass, ErrorCode, QueueUnavailableError, StoreUnavailableError, item_error
from shared.jobs.statuses import CancelReason, ItemStatus, JobStatus
from shared.queue.queues import WORK_QUEUE
from shared.turns.dispositions import Acknowledge, Keep

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop


class Failing:
    """A collaborator that works but for one method."""

    def __init__(self, real: object, method: str, error: Exception) -> None:
        self._real, self._method, self._error = real, method, error

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._real, name)

        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


@pytest.mark.acceptance(13)
def test_items_run_in_position_order_when_concurrency_is_one(workshop: Workshop) -> None:
    job = workshop.job(5)
    for _ in range(5):
        workshop.advance(workshop.message(job))
    assert [key.rpartition(":")[2] for key in workshop.claude.calls] == ["1", "2", "3", "4", "5"]
    assert workshop.statuses(job) == [ItemStatus.COMPLETED] * 5


@pytest.mark.acceptance(24)
@pytest.mark.parametrize(
    "error",
    [
        None,
        item_error(ErrorCode.REFUSED, "no"),
        item_error(ErrorCode.TIMEOUT, "slow"),
        item_error(ErrorCode.BILLING, "no credit"),
        ValueError("a fault of ours"),
    ],
)
def test_lane_is_free_when_the_call_has_ended(workshop: Workshop, error: Any) -> None:
    job = workshop.job(2)
    if error is not None:
        workshop.claude.errors[1] = [error]
    workshop.advance(workshop.message(job))
    assert workshop.ledger(job).held == 0
    assert workshop.ledger(job).lanes[0].lease is None


@pytest.mark.acceptance(24)
@pytest.mark.acceptance(30)
def test_lane_is_free_for_its_own_message_when_the_worker_crashed(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.dispatch(workshop.job(1))

    class CrashError(BaseException):
        pass

    def crash(_: str) -> None:
        raise CrashError

    workshop.claude.during = crash
    with pytest.raises(CrashError):
        workshop.consume()
    workshop.claude.during = lambda _: None
    clock.advance(146)
    workshop.advance(workshop.message(job))
    assert workshop.statuses(job) == [ItemStatus.COMPLETED]
    assert workshop.item(job, 1).attempts[0].possible_duplicate_spend


def test_claude_is_not_asked_again_when_the_attempts_are_used_up(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1, max_attempts=2)
    for _ in range(2):
        workshop.processor().settler.claimer.acquire(workshop.message(job))
        clock.advance(136)
    workshop.advance(workshop.message(job))
    row = workshop.item(job, 1)
    assert workshop.claude.calls == []
    assert row.outcome is not None
    assert row.outcome.error is not None
    assert (row.outcome.error.code, row.outcome.error.retryable) == (ErrorCode.LEASE_EXPIRED, True)
    assert [attempt.outcome for attempt in row.attempts] == ["lost", "lost"]
    assert workshop.ledger(job).open == 0


def test_item_fails_with_code_and_trace_when_a_fault_is_ours(workshop: Workshop) -> None:
    job = workshop.job(2)
    workshop.claude.errors[1] = [ValueError("a fault of ours")]  # type: ignore[list-item]
    assert isinstance(workshop.advance(workshop.message(job)), Acknowledge)
    outcome = workshop.item(job, 1).outcome
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.code is ErrorCode.INTERNAL_ERROR
    assert outcome.error.error_class is ErrorClass.OURS
    assert outcome.error.trace_id == "trace-1"
    assert outcome.error.message == "ValueError: a fault of ours"


@pytest.mark.acceptance(20)
@pytest.mark.parametrize(("timeout", "left", "given"), [(60, 900.0, 60.0), (120, 50.0, 40.0), (600, 900.0, 600.0)])
def test_call_has_time_to_settle_when_limits_meet(workshop: Workshop, timeout: int, left: float, given: float) -> None:
    job = workshop.job(1, item_timeout_seconds=timeout)
    workshop.seconds_left = left
    workshop.advance(replace(workshop.message(job), timeout_seconds=timeout))
    assert workshop.claude.timeouts == [given]


def test_item_goes_back_when_no_time_is_left_for_the_call(workshop: Workshop) -> None:
    job = workshop.job(1)
    workshop.seconds_left = 9.0
    assert isinstance(workshop.advance(workshop.message(job)), Keep)
    assert workshop.claude.calls == []
    assert workshop.ledger(job).lanes[0].attempts[0].code is ErrorCode.TIMEOUT


def test_message_is_kept_when_the_claim_got_no_answer(workshop: Workshop) -> None:
    job = workshop.job(1)
    processor = workshop.processor()
    claimer = replace(
        processor.settler.claimer,
        ledgers=Failing(workshop.ledgers, "claim", StoreUnavailableError("throttled")),  # type: ignore[arg-type]
    )
    broken = replace(processor, settler=replace(processor.settler, claimer=claimer))
    kept = broken.advance(workshop.message(job), delivery=None, trace_id="t", seconds_left=lambda: 900.0)
    assert kept == Keep(5.0, "the table did not answer")


def test_message_comes_back_after_the_lease_when_settling_got_no_answer(workshop: Workshop) -> None:
    job = workshop.job(1)
    processor = workshop.processor()
    claimer = replace(
        processor.settler.claimer,
        ledgers=Failing(workshop.ledgers, "settle", StoreUnavailableError("throttled")),  # type: ignore[arg-type]
    )
    broken = replace(processor, settler=replace(processor.settler, claimer=claimer))
    kept = broken.advance(workshop.message(job), delivery=None, trace_id="t", seconds_left=lambda: 900.0)
    assert kept == Keep(145.0, "the turn ended without an answer")
    assert workshop.ledger(job).held == 1


def test_message_comes_back_after_the_lease_when_the_item_is_missing(workshop: Workshop) -> None:
    job = workshop.job(1)
    key = {"pk": {"S": f"JOB#{job.job_id[4:]}"}, "sk": {"S": "ITEM#00001"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    assert workshop.advance(workshop.message(job)) == Keep(145.0, "the turn ended without an answer")


def test_death_is_noticed_after_the_lease_when_the_message_came_by_the_queue(workshop: Workshop) -> None:
    job = workshop.dispatch(workshop.job(2))
    seen: list[str] = []

    class WatchedQueue:
        def __getattr__(self, name: str) -> Any:
            return getattr(workshop.queue, name)

        def keep(self, receipt: str, *, seconds: float) -> None:
            seen.append(f"{seconds}")
            workshop.queue.keep(receipt, seconds=seconds)

    received = workshop.receive()
    assert received is not None
    message, delivery = received
    processor = replace(workshop.processor(), queue=WatchedQueue())  # type: ignore[arg-type]
    processor.advance(message, delivery=delivery, trace_id="t", seconds_left=lambda: 900.0)
    assert seen == ["145.0"]
    assert workshop.ledger(job).completed == 1


def test_item_is_written_when_the_visibility_cannot_be_set(workshop: Workshop) -> None:
    job = workshop.job(1)
    queue = Failing(workshop.queue, "keep", QueueUnavailableError("throttled"))
    processor = replace(workshop.processor(), queue=queue)  # type: ignore[arg-type]
    delivery = Delivery("receipt", "m1", 1)
    processor.advance(workshop.message(job), delivery=delivery, trace_id="t", seconds_left=lambda: 900.0)
    assert workshop.ledger(job).completed == 1
    assert not processor.finish(workshop.message(job), delivery, Keep(3.0, "why"))


def test_message_is_replaced_before_it_counts_as_dead_when_it_waits(workshop: Workshop) -> None:
    job = workshop.dispatch(workshop.job(1))
    received = workshop.receive()
    assert received is not None
    message, delivery = received
    assert WORK_QUEUE.max_receive_count is not None
    tired = replace(delivery, receive_count=WORK_QUEUE.max_receive_count - 2)
    assert workshop.processor().finish(message, tired, Keep(60.0, "the lane is busy"))
    workshop.queue.client.delete_message(QueueUrl=workshop.queue.url, ReceiptHandle=delivery.receipt)
    fresh = workshop.receive()
    assert fresh is not None
    assert fresh[0] == message
    assert fresh[1].receive_count == 1
    assert workshop.ledger(job).open == 1


def test_message_waits_with_the_back_off_when_it_is_kept(workshop: Workshop) -> None:
    workshop.dispatch(workshop.job(1))
    workshop.claude.errors[1] = [item_error(ErrorCode.OVERLOADED, "busy", retry_after_seconds=30)]
    assert isinstance(workshop.consume(), Keep)
    assert workshop.consume() is None


@pytest.mark.acceptance(26)
def test_call_is_stopped_and_paid_when_the_job_is_cancelled_meanwhile(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(3, budget_microusd=10_000, est_microusd=4_000)

    def cancel(_: str) -> None:
        workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
        clock.advance(4)

    workshop.claude.during = cancel
    assert isinstance(workshop.advance(workshop.message(job)), Acknowledge)
    after = workshop.ledger(job)
    assert (after.status, after.held, after.open, after.counts.cancelled) == (JobStatus.CANCELLING, 0, 0, 3)
    assert (after.input_tokens, after.output_tokens, after.cost_microusd) == (100, 50, 800)
    assert after.headroom_microusd == 9_200
    assert workshop.item(job, 1).outcome is None


@pytest.mark.acceptance(26)
def test_text_is_kept_and_counted_when_it_was_finished_before_anybody_looked(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(3)

    def cancel(_: str) -> None:
        workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
        clock.advance(3.9)

    workshop.claude.during = cancel
    workshop.advance(workshop.message(job))
    after = workshop.ledger(job)
    assert (after.completed, after.counts.cancelled, after.held) == (1, 2, 0)
    assert workshop.statuses(job) == [ItemStatus.COMPLETED, ItemStatus.CANCELLED, ItemStatus.CANCELLED]


def test_message_waits_for_the_new_holder_when_the_call_was_stopped_because_of_it(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(2)
    taken: list[object] = []

    def lose(_: str) -> None:
        if not taken:
            clock.advance(136)
            taken.append(workshop.processor().settler.claimer.acquire(workshop.message(job)))

    workshop.claude.during = lose
    assert workshop.advance(workshop.message(job)) == Keep(135.0, "the lease was lost to another")
    after = workshop.ledger(job)
    assert (after.status, after.held, after.cost_microusd) == (JobStatus.PROCESSING, 1, 0)


def test_message_is_done_when_the_job_ended_while_the_call_was_stopped(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)

    def end(_: str) -> None:
        clock.advance(136)
        cancelled = workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
        closed = workshop.ledgers.close(cancelled, lane=0, now=clock.now(), actor="sweeper")
        workshop.ledgers.finalize(closed, now=clock.now(), actor="sweeper")

    workshop.claude.during = end
    assert workshop.advance(workshop.message(job)) == Acknowledge("the job is cancelled")
    assert workshop.ledger(job).status is JobStatus.CANCELLED


def test_call_is_counted_with_its_cost_when_it_ended_either_way(workshop: Workshop) -> None:
    workshop.claude.errors[2].append(item_error(ErrorCode.REFUSED, "No.", cost_microusd=700))
    job = workshop.job(2)

    for _ in range(2):
        workshop.advance(workshop.message(job))

    lines = [json.loads(line) for line in workshop.metered]
    assert [line.get("CostMicrousd") for line in lines] == [3_300, 700, None]
    assert [line.get("code") for line in lines] == [None, None, "refused"]
    assert {line["deployment"] for line in lines} == {workshop.table.name}
