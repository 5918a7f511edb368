"""Whoever dies, the work goes on within the bound: 90 seconds after a lease's end. On a clock that the test moves.

The sweeper runs once a minute, at any phase to what happened; nothing else is alive but workers that a message calls.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.jobs.repairs import RECOVERY_BOUND
from shared.jobs.statuses import CancelReason, Drive, JobStatus, PauseReason
from shared.turns.claiming import Held
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle

MINUTE = 60


@pytest.fixture
def workshop(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> Workshop:
    return Workshop.over(moto_table, moto_work_queue, clock=clock)


def lose_messages(workshop: Workshop) -> None:
    while workshop.receive() is not None:
        pass


def die_holding(workshop: Workshop, job: Ledger) -> datetime:
    """A worker takes the lane and dies; when its lease ends."""
    held = workshop.processor().settler.claimer.acquire(workshop.message(job))
    assert isinstance(held, Held)
    return held.lease.expires_at


def run(workshop: Workshop, clock: ManualClock) -> None:
    """A minute passes, the sweeper runs, and workers do what messages ask for."""
    clock.advance(MINUTE)
    workshop.sweep()
    while workshop.consume() is not None:
        pass


def recovered_at(workshop: Workshop, clock: ManualClock, job: Ledger) -> datetime:
    """When the dead worker's lease is gone from the ledger."""
    dead = workshop.ledger(job).lanes[0].lease
    for _ in range(10):
        run(workshop, clock)
        if workshop.ledger(job).lanes[0].lease != dead:
            return clock.now()
    raise AssertionError("nobody came")


@pytest.mark.acceptance(30)
@pytest.mark.acceptance(32)
@pytest.mark.parametrize("phase", [0, 17, 43, 59])
@pytest.mark.parametrize("item_timeout_seconds", [5, 120])
@pytest.mark.parametrize("driver", Drive)
def test_job_ends_when_its_driver_died_with_its_worker(
    workshop: Workshop, clock: ManualClock, driver: Drive, item_timeout_seconds: int, phase: int
) -> None:
    job = workshop.job(2, drive=driver, item_timeout_seconds=item_timeout_seconds)
    workshop.dispatch(job)
    lose_messages(workshop)
    # The job may be any age when it happens.
    clock.advance(phase)
    message = workshop.message(job)
    held = workshop.processor().settler.claimer.acquire(
        type(message).from_dict(message.to_dict() | {"timeout_seconds": item_timeout_seconds})
    )
    assert isinstance(held, Held)
    clock.advance(-phase)

    recovered = recovered_at(workshop, clock, job)

    assert held.lease.expires_at < recovered <= held.lease.expires_at + RECOVERY_BOUND
    for _ in range(10):
        run(workshop, clock)
    after = workshop.ledger(job)
    assert (after.status, after.completed, after.notified_generation) == (JobStatus.COMPLETED, 2, 1)
    attempts = workshop.item(job, 1).attempts
    assert [(attempt.outcome, attempt.possible_duplicate_spend) for attempt in attempts] == [
        ("lost", True),
        ("completed", False),
    ]


@pytest.mark.acceptance(32)
@pytest.mark.parametrize("phase", [0, 30, 59])
def test_cancelled_job_ends_when_its_worker_died(workshop: Workshop, clock: ManualClock, phase: int) -> None:
    job = workshop.job(3)
    clock.advance(phase)
    ends = die_holding(workshop, job)
    clock.advance(-phase)
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")

    assert recovered_at(workshop, clock, job) <= ends + RECOVERY_BOUND
    run(workshop, clock)  # the stream's finalizer is dead too

    after = workshop.ledger(job)
    assert (after.status, after.counts.cancelled, after.notified_generation) == (JobStatus.CANCELLED, 3, 1)


@pytest.mark.acceptance(30)
@pytest.mark.acceptance(32)
def test_job_ends_with_its_errors_summed_up_when_every_worker_dies(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2, max_attempts=2)
    for _ in range(2):
        ends = die_holding(workshop, job)
        clock.set(ends + timedelta(seconds=1))
    workshop.advance(workshop.message(job))  # takes the lane over, and finds that its attempts are used up
    assert workshop.claude.calls == []
    for _ in range(8):
        run(workshop, clock)

    after = workshop.ledger(job)
    assert (after.status, after.completed, after.failed) == (JobStatus.PARTIALLY_FAILED, 1, 1)
    [(body, _)] = workshop.topic.published
    assert [(tally["code"], tally["count"], tally["first_position"]) for tally in body["error_summary"]] == [
        ("lease_expired", 1, 1)
    ]


@pytest.mark.acceptance(20)
def test_paused_and_wedged_job_ends_when_its_deadline_passes(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(4, concurrency=2, deadline_minutes=30)
    die_holding(workshop, job)
    workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    for _ in range(32):
        run(workshop, clock)

    after = workshop.ledger(job)
    assert (after.status, after.cancel_reason, after.counts.cancelled) == (JobStatus.CANCELLED, "deadline", 4)
    assert after.notified_generation == 1
