"""A generation ends once, and is told at least once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ErrorCode, item_error
from shared.jobs.statuses import CancelReason, JobStatus, PauseReason
from shared.store.dynamodb import RefusedError
from shared.store.keys import ledger_key
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from shared.store.ledgers import LedgerStore
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def workshop(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> Workshop:
    return Workshop.over(moto_table, moto_work_queue, clock=clock)


def _run(workshop: Workshop, items: int, *, failing: tuple[int, ...] = ()) -> Ledger:
    job = workshop.job(items)
    for position in failing:
        workshop.claude.errors[position] = [item_error(ErrorCode.REFUSED, "no")]
    for _ in range(items):
        workshop.advance(workshop.message(job))
    return workshop.ledger(job)


def _retry(workshop: Workshop, job: Ledger) -> None:
    """A person tries the first item again."""
    workshop.ledgers.retry(
        workshop.ledger(job),
        work=[[1]],
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="",
        now=workshop.clock.now(),
        check_at=workshop.clock.now(),
        actor="user:test",
    )


@pytest.mark.acceptance(33)
@pytest.mark.parametrize(
    ("failing", "status"),
    [((), JobStatus.COMPLETED), ((2,), JobStatus.PARTIALLY_FAILED), ((1, 2, 3), JobStatus.FAILED)],
)
def test_job_ends_by_its_counts_and_is_told_when_nothing_is_open(
    workshop: Workshop, failing: tuple[int, ...], status: JobStatus
) -> None:
    job = _run(workshop, 3, failing=failing)
    workshop.finalizer().close(job)
    after = workshop.ledger(job)
    assert (after.status, after.notified_generation, after.check_at) == (status, 1, None)
    [(body, attributes)] = workshop.topic.published
    assert body["id"] == f"{job.job_id}:1"
    assert body["counts"] == {
        "total": 3,
        "queued": 0,
        "processing": 0,
        "completed": 3 - len(failing),
        "failed": len(failing),
        "cancelled": 0,
    }
    assert attributes == {"type": f"job.{status}", "project_id": job.project_id, "status": status.value}
    assert body["created_by"] == "test"


def test_body_is_the_contract_when_a_job_partially_failed(workshop: Workshop, clock: ManualClock) -> None:
    job = _run(workshop, 2, failing=(2,))
    clock.advance(5)
    workshop.finalizer().close(job)
    assert workshop.topic.published[0][0] == {
        "type": "job.partially_failed",
        "id": f"{job.job_id}:1",
        "occurred_at": "2026-11-22T12:00:05.000Z",
        "project_id": job.project_id,
        "job_id": job.job_id,
        "generation": 1,
        "name": "A job",
        "created_by": "test",
        "counts": {"total": 2, "queued": 0, "processing": 0, "completed": 1, "failed": 1, "cancelled": 0},
        "usage": {"input_tokens": 100, "output_tokens": 200, "cost_usd": 0.0033},
        "error_summary": [
            {"code": "refused", "class": "permanent", "retryable": False, "count": 1, "first_position": 2}
        ],
    }


@pytest.mark.acceptance(33)
def test_nothing_happens_when_the_same_change_is_replayed(workshop: Workshop) -> None:
    job = _run(workshop, 1)
    workshop.finalizer().close(job)
    before = workshop.ledger(job)
    assert workshop.finalizer().close(job) == "told before"
    assert workshop.ledger(job) == before
    assert len(workshop.topic.published) == 1


@pytest.mark.acceptance(33)
def test_same_message_is_sent_again_when_a_crash_came_before_the_record(workshop: Workshop) -> None:
    job = _run(workshop, 1)
    workshop.ledgers.finalize(job, now=workshop.clock.now(), actor="finalizer")
    workshop.finalizer().close(job)
    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
    assert workshop.ledger(job).notified_generation == 1


def test_record_is_left_alone_when_two_finalizers_told(workshop: Workshop) -> None:
    job = _run(workshop, 1)
    final = workshop.ledgers.finalize(job, now=workshop.clock.now(), actor="finalizer")
    workshop.finalizer().notify(final)
    assert workshop.finalizer().notify(final) == "told, and recorded before"
    assert len({body["id"] for body, _ in workshop.topic.published}) == 1
    assert workshop.ledger(job).notified_generation == 1


def test_old_image_changes_nothing_when_the_job_was_retried_since(workshop: Workshop) -> None:
    job = _run(workshop, 1, failing=(1,))
    workshop.finalizer().close(job)
    _retry(workshop, job)
    before = workshop.ledger(job)
    assert workshop.finalizer().close(job) == "the image is old"
    assert workshop.ledger(job) == before
    assert len(workshop.topic.published) == 1


@pytest.mark.acceptance(33)
@pytest.mark.parametrize("is_refused", [True, False])
def test_generation_is_not_told_before_its_end_when_another_told_and_somebody_retried_meanwhile(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    job = _run(workshop, 2, failing=(1,))
    finalize = type(workshop.ledgers).finalize

    def then_others_were_faster(ledgers: LedgerStore, image: Ledger, **arguments: Any) -> Ledger:
        """The end is written; before it is read again, another closer tells of it, and a person retries."""
        monkeypatch.undo()
        final = finalize(ledgers, image, **arguments)
        workshop.finalizer().notify(final)
        _retry(workshop, job)
        if is_refused:
            raise RefusedError("finalize", [workshop.table.get(ledger_key(job.project_id, job.job_id))])
        return workshop.ledger(job)

    monkeypatch.setattr(type(workshop.ledgers), "finalize", then_others_were_faster)

    assert workshop.finalizer().close(job) == "the image is old"

    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
    running = workshop.ledger(job)
    assert (running.generation, running.notified_generation, running.final) == (2, 1, False)
    workshop.advance(workshop.message(job))
    workshop.finalizer().close(workshop.ledger(job))
    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1", f"{job.job_id}:2"]


def test_nothing_happens_when_the_job_is_gone(workshop: Workshop) -> None:
    job = _run(workshop, 1)
    key = {"pk": {"S": f"PROJECT#{job.project_id[4:]}"}, "sk": {"S": f"JOB#{job.job_id[4:]}"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    assert workshop.finalizer().close(job) == "the job is gone"
    assert workshop.topic.published == []


def test_paused_job_ends_when_its_last_item_in_flight_ended(workshop: Workshop) -> None:
    job = workshop.job(1)
    held = workshop.processor().settler.claimer.acquire(workshop.message(job))
    workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    processor = workshop.processor()
    turn = processor._turn(workshop.message(job), held, "t")  # type: ignore[arg-type]
    processor.settler.met(turn, item_error(ErrorCode.REFUSED, "no"))
    workshop.finalizer().close(workshop.ledger(job))
    after = workshop.ledger(job)
    assert (after.status, after.pause_reason) == (JobStatus.FAILED, None)


def test_job_ends_cancelled_when_items_were_left(workshop: Workshop) -> None:
    job = workshop.job(3)
    workshop.advance(workshop.message(job))
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    workshop.finalizer().close(workshop.ledger(job))
    after = workshop.ledger(job)
    assert (after.status, after.cancel_reason) == (JobStatus.CANCELLED, CancelReason.USER)
    assert (after.counts.completed, after.counts.cancelled) == (1, 2)
