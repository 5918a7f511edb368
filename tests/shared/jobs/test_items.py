from __future__ import annotations

import pytest

from shared.errors import ErrorClass, ErrorCode, item_error
from shared.jobs.items import Failure, WorkPlace, effective_status, find_in_work, idempotency_key, work_places
from shared.jobs.ledger import Lane, Ledger
from shared.jobs.statuses import FINAL, ItemStatus, JobStatus
from tests.support.ledgers import make_lane, make_lease, make_ledger

QUEUED, PROCESSING = ItemStatus.QUEUED, ItemStatus.PROCESSING
COMPLETED, FAILED, CANCELLED = ItemStatus.COMPLETED, ItemStatus.FAILED, ItemStatus.CANCELLED
OVER = [JobStatus.CANCELLING, *sorted(FINAL)]
RUNNING = [JobStatus.INTAKE, JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED]


def at_index(index: int, outcome: ItemStatus | None, *, status: JobStatus, held: bool = False) -> ItemStatus:
    """The item at ``index`` of a lane that stands at 1 of 3."""
    ledger = make_ledger(make_lane(1, 3, lease=make_lease() if held else None), status=status)
    return effective_status(ledger, WorkPlace(0, index), outcome)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("outcome", [COMPLETED, FAILED])
def test_item_is_its_outcome_when_its_lane_has_passed_it(status: JobStatus, outcome: ItemStatus) -> None:
    assert at_index(0, outcome, status=status, held=True) is outcome


@pytest.mark.parametrize("status", [*RUNNING, JobStatus.CANCELLING])
@pytest.mark.parametrize("outcome", [None, FAILED])
def test_item_is_processing_when_its_lane_is_held_at_it(status: JobStatus, outcome: ItemStatus | None) -> None:
    assert at_index(1, outcome, status=status, held=True) is PROCESSING


@pytest.mark.parametrize("status", RUNNING)
@pytest.mark.parametrize("outcome", [None, FAILED])
@pytest.mark.parametrize("index", [1, 2])
def test_item_is_queued_when_its_lane_has_not_reached_it(
    status: JobStatus, outcome: ItemStatus | None, index: int
) -> None:
    assert at_index(index, outcome, status=status) is QUEUED


@pytest.mark.parametrize("status", OVER)
@pytest.mark.parametrize("index", [1, 2])
def test_item_is_cancelled_when_the_job_is_over_before_it(status: JobStatus, index: int) -> None:
    assert at_index(index, None, status=status) is CANCELLED


@pytest.mark.parametrize("status", OVER)
def test_item_keeps_its_earlier_failure_when_a_retry_is_over_before_it(status: JobStatus) -> None:
    assert at_index(2, FAILED, status=status) is FAILED


def test_item_behind_a_held_one_is_cancelled_when_the_job_is_cancelling() -> None:
    assert at_index(2, None, status=JobStatus.CANCELLING, held=True) is CANCELLED


@pytest.mark.parametrize(("outcome", "status"), [(COMPLETED, COMPLETED), (FAILED, FAILED), (None, CANCELLED)])
@pytest.mark.parametrize("job", JobStatus)
def test_item_is_its_outcome_when_this_generation_leaves_it_alone(
    job: JobStatus, outcome: ItemStatus | None, status: ItemStatus
) -> None:
    assert effective_status(make_ledger(status=job, generation=2), None, outcome) is status


def test_place_follows_from_the_rule_when_the_generation_is_the_first() -> None:
    ledger = make_ledger(Lane(0, 3), Lane(0, 2))

    places = [find_in_work(ledger, position) for position in range(1, 6)]

    assert places == [WorkPlace(0, 0), WorkPlace(1, 0), WorkPlace(0, 1), WorkPlace(1, 1), WorkPlace(0, 2)]


def test_place_follows_from_the_lists_when_the_generation_is_a_later_one() -> None:
    ledger: Ledger = make_ledger(Lane(0, 2), Lane(0, 1), Lane(0, 0), generation=3)
    work = work_places(((2, 9), (5,), ()))

    assert [find_in_work(ledger, position, work) for position in (2, 9, 5)] == [
        WorkPlace(0, 0),
        WorkPlace(0, 1),
        WorkPlace(1, 0),
    ]
    assert find_in_work(ledger, 1, work) is None
    assert find_in_work(ledger, 1) is None


def test_idempotency_key_names_job_generation_and_position() -> None:
    assert idempotency_key("job_1", 2, 30) == "job_1:2:30"


def test_failure_keeps_everything_that_the_error_knew() -> None:
    error = item_error(ErrorCode.RATE_LIMITED, "Slow down.", http_status=429, claude_request_id="req_1")

    assert Failure.of(error, trace_id="trace") == Failure(
        code=ErrorCode.RATE_LIMITED,
        error_class=ErrorClass.TRANSIENT,
        retryable=True,
        message="Slow down.",
        http_status=429,
        claude_request_id="req_1",
        trace_id="trace",
    )
