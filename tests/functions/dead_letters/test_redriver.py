"""What becomes of a dead letter: exactly one of dropped, kept, sent again, or its item failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from functions.dead_letters.redriver import MAX_REDRIVES
from shared.contracts.messages import LaneMessage
from shared.errors import ErrorCode, QueueUnavailableError, item_error
from shared.jobs.ledger import Attempt
from shared.jobs.statuses import CancelReason, ItemStatus, JobStatus, OnError, PauseReason
from shared.turns.claiming import Held
from shared.turns.dispositions import Acknowledge, Disposition, Keep
from tests.support.crashing import Calls, watched
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock


def handle(workshop: Workshop, message: LaneMessage) -> Disposition:
    return workshop.redriver().handle(message, trace_id="trace-9")


def hold(workshop: Workshop, job: Ledger) -> Held:
    held = workshop.processor().settler.claimer.acquire(workshop.message(job))
    assert isinstance(held, Held)
    return held


def lose(workshop: Workshop, job: Ledger, clock: ManualClock) -> None:
    """A worker takes the lane and dies."""
    hold(workshop, job)
    clock.advance(136)


def sent(workshop: Workshop) -> list[str]:
    """The groups of what stands in the queue."""
    answer = workshop.queue.client.receive_message(
        QueueUrl=workshop.queue.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )
    return [message["Attributes"]["MessageGroupId"] for message in answer.get("Messages", [])]


@pytest.mark.parametrize("state", ["gone", "no such lane", "epoch", "paused", "cancelled", "exhausted", "halted"])
def test_letter_is_dropped_when_it_is_stale(workshop: Workshop, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = workshop.job(1 if state == "exhausted" else 2, on_error=OnError.STOP)
    letter = workshop.message(job)
    match state:
        case "gone":
            letter = LaneMessage.from_dict(letter.to_dict() | {"job": "job_01JDA4Y3C0D1E2F3G4H5J6K7M8"})
        case "no such lane":
            letter = LaneMessage.from_dict(letter.to_dict() | {"lane": 7})
        case "epoch":
            workshop.ledgers.pause(job, reason=PauseReason.USER, actor="t")
            workshop.ledgers.resume(workshop.ledger(job), actor="t")
        case "paused":
            workshop.ledgers.pause(job, reason=PauseReason.USER, actor="t")
        case "cancelled":
            workshop.ledgers.cancel(job, reason=CancelReason.USER, actor="t")
        case "exhausted":
            workshop.advance(letter)
        case _:
            workshop.claude.errors[1] = [item_error(ErrorCode.REFUSED, "no")]
            monkeypatch.setattr("shared.turns.claiming.Claimer.finish_halt", lambda *_: Acknowledge("died"))
            workshop.advance(letter)
    before = workshop.ledgers.read(job.project_id, job.job_id)

    assert isinstance(handle(workshop, letter), Acknowledge)

    assert workshop.ledgers.read(job.project_id, job.job_id) == before
    assert sent(workshop) == []


def test_letter_is_sent_again_when_its_item_has_attempts_left(workshop: Workshop) -> None:
    job = workshop.job(2)

    assert isinstance(handle(workshop, workshop.message(job)), Acknowledge)

    after = workshop.ledger(job)
    assert (after.lanes[0].redrives, after.actor, after.failed) == (1, "dead_letters", 0)
    [group] = sent(workshop)
    assert group.startswith(f"{job.job_id}:0:")


@pytest.mark.parametrize("before", [0, 1])
def test_letter_counts_once_when_the_answer_of_its_count_was_lost(
    workshop: Workshop, clock: ManualClock, before: int
) -> None:
    job = workshop.job(2)
    for _ in range(before):
        handle(workshop, workshop.message(job))
    sent(workshop)
    calls = Calls(lose=frozenset({3}))  # behind the reads of ledger and spec
    table = replace(workshop.table, client=watched(workshop.table.client, calls))
    unlucky = Workshop(table, workshop.queue, clock=clock)

    assert isinstance(handle(unlucky, workshop.message(job)), Acknowledge)

    assert calls.made[2:] == ["update_item", "update_item"]
    assert workshop.ledger(job).lanes[0].redrives == before + 1
    assert len(sent(workshop)) == 1


def test_letter_waits_when_another_has_counted_and_the_lane_has_moved_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.job(2)
    seen = workshop.ledger(job)
    workshop.advance(workshop.message(job))
    redriver = workshop.redriver()
    monkeypatch.setattr(type(redriver.ledgers), "read", lambda *_: seen)

    assert isinstance(redriver.handle(workshop.message(job), trace_id="t"), Keep)

    assert sent(workshop) == []


def test_letter_is_kept_until_the_holder_must_be_done_when_the_lane_is_busy(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(2)
    hold(workshop, job)
    clock.advance(35)

    kept = handle(workshop, workshop.message(job))

    assert isinstance(kept, Keep)
    assert kept.seconds == 100 + 10
    assert workshop.ledger(job).lanes[0].redrives == 0


def test_item_fails_without_a_call_when_its_last_attempt_was_lost(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2, max_attempts=1)
    lose(workshop, job, clock)

    assert isinstance(handle(workshop, workshop.message(job)), Acknowledge)

    after, item = workshop.ledger(job), workshop.item(job, 1)
    assert (after.failed, after.lanes[0].next, after.held) == (1, 1, 0)
    assert item.outcome is not None
    assert item.outcome.error is not None
    assert (item.outcome.status, item.outcome.error.code) == (ItemStatus.FAILED, ErrorCode.LEASE_EXPIRED)
    assert item.outcome.error.trace_id == "trace-9"
    assert workshop.claude.calls == []
    assert workshop.metrics == {}
    assert sent(workshop) == []


def test_item_is_sent_again_when_a_lost_lease_leaves_it_an_attempt(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2, max_attempts=2)
    lose(workshop, job, clock)

    assert isinstance(handle(workshop, workshop.message(job)), Acknowledge)

    assert (workshop.ledger(job).failed, workshop.ledger(job).lanes[0].redrives) == (0, 1)
    assert len(sent(workshop)) == 1


@pytest.mark.acceptance(30)
@pytest.mark.parametrize("budget", [None, 0, 50])
@pytest.mark.parametrize("lost", [False, True])
def test_item_is_given_up_with_an_alarm_when_nothing_moved_after_three(
    workshop: Workshop, clock: ManualClock, lost: bool, budget: int | None
) -> None:
    job = workshop.job(2, budget_microusd=budget, est_microusd=0 if budget == 0 else 20)
    for _ in range(MAX_REDRIVES):
        handle(workshop, workshop.message(job))
    assert (workshop.ledger(job).failed, workshop.ledger(job).lanes[0].redrives) == (0, MAX_REDRIVES)
    if lost:
        lose(workshop, job, clock)

    assert isinstance(handle(workshop, workshop.message(job)), Acknowledge)

    after, item = workshop.ledger(job), workshop.item(job, 1)
    assert item.outcome is not None
    assert item.outcome.error is not None
    assert item.outcome.error.code is ErrorCode.DEAD_LETTERED
    assert after.errors == {ErrorCode.DEAD_LETTERED: 1}
    assert (after.lanes[0].next, after.lanes[0].redrives, after.lanes[0].lease) == (1, 0, None)
    # What a dead worker may have spent stays spent; the dead letter itself reserves nothing.
    assert after.headroom_microusd == (None if budget is None else budget - (after.est_microusd if lost else 0))
    assert workshop.metrics == {"DeadLettered": 1}
    assert workshop.claude.calls == []
    # The job goes on: its next item starts from the beginning.
    handle(workshop, workshop.message(job))
    assert workshop.ledger(job).lanes[0].redrives == 1


def test_whole_job_stops_when_an_item_is_given_up_and_errors_stop_it(workshop: Workshop) -> None:
    job = workshop.job(3, on_error=OnError.STOP)
    for _ in range(MAX_REDRIVES + 1):
        handle(workshop, workshop.message(job))

    after = workshop.ledger(job)
    assert (after.status, after.cancel_reason) == (JobStatus.CANCELLING, CancelReason.ON_ERROR)


def test_letter_waits_for_the_back_off_when_its_item_is_to_be_given_up(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    for _ in range(MAX_REDRIVES):
        handle(workshop, workshop.message(job))
    workshop.claude.errors[1] = [item_error(ErrorCode.OVERLOADED, "busy", retry_after_seconds=60)]
    workshop.advance(workshop.message(job))
    waiting = workshop.ledger(job).lanes[0]
    assert waiting.not_before is not None

    kept = handle(workshop, workshop.message(job))

    assert isinstance(kept, Keep)
    assert kept.seconds == (waiting.not_before - clock.now()).total_seconds() > 0
    assert workshop.ledger(job).failed == 0


def test_healthy_item_is_given_back_when_a_slow_worker_put_it_back_meanwhile(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.job(2, max_attempts=2)
    held = hold(workshop, job)
    workshop.ledgers.put_back(
        held.ledger,
        lane=0,
        token=held.lease.token,
        not_before=clock.now(),
        attempt=Attempt(ErrorCode.OVERLOADED, clock.now()),
        position=1,
        actor="processor",
    )
    slow = hold(workshop, job)
    clock.advance(136)
    redriver = workshop.redriver()
    require_spec = type(workshop.items).require_spec

    def while_the_worker_comes_back(items: object, job_id: str) -> object:
        workshop.ledgers.put_back(
            slow.ledger,
            lane=0,
            token=slow.lease.token,
            not_before=clock.now(),
            attempt=None,
            position=1,
            actor="processor",
        )
        return require_spec(items, job_id)  # type: ignore[arg-type]

    monkeypatch.setattr(type(workshop.items), "require_spec", while_the_worker_comes_back)
    kept = redriver.handle(workshop.message(job), trace_id="t")
    monkeypatch.undo()

    after = workshop.ledger(job)
    assert isinstance(kept, Keep)
    assert (after.failed, after.held, after.queued, len(after.lanes[0].attempts)) == (0, 0, 2, 1)


def test_letter_waits_when_the_queue_does_not_answer(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    job = workshop.job(2)

    def unavailable(*_: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(type(workshop.queue), "_send", unavailable)

    assert isinstance(handle(workshop, workshop.message(job)), Keep)


def test_letter_waits_when_the_rows_of_its_job_cannot_be_read(workshop: Workshop) -> None:
    job = workshop.job(1)
    key = {"pk": {"S": f"JOB#{job.job_id[4:]}"}, "sk": {"S": "SPEC"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)

    assert isinstance(handle(workshop, workshop.message(job)), Keep)
