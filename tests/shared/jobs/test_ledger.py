from __future__ import annotations

import pytest

from shared.errors import ErrorClass, ErrorCode
from shared.jobs.ledger import Counts, ErrorTally, Lane
from shared.jobs.statuses import FINAL, JobStatus, ShownStatus
from tests.support.ledgers import NOW, at, make_lane, make_lease, make_ledger


def test_counts_sum_to_total_when_everything_occurs_at_once() -> None:
    ledger = make_ledger(
        make_lane(2, 5, lease=make_lease()), make_lane(1, 4), failed=1, status=JobStatus.PROCESSING, total=12
    )

    counts = ledger.counts

    assert counts == Counts(total=12, queued=5, processing=1, completed=2, failed=1, cancelled=3)
    assert counts.done == 6


def test_cancelled_is_what_nobody_works_when_the_job_is_cancelling() -> None:
    ledger = make_ledger(make_lane(1, 3, lease=make_lease()), make_lane(0, 3), status=JobStatus.CANCELLING)

    assert ledger.counts == Counts(total=6, queued=0, processing=1, completed=1, failed=0, cancelled=4)


def test_everything_is_queued_when_the_job_is_in_intake() -> None:
    assert make_ledger(status=JobStatus.INTAKE).counts.queued == 4


def test_error_summary_is_by_code_most_frequent_first() -> None:
    ledger = make_ledger(
        errors={ErrorCode.TIMEOUT: 1, ErrorCode.REFUSED: 3, ErrorCode.NETWORK: 1, ErrorCode.BILLING: 0},
        firsts={ErrorCode.TIMEOUT: 4, ErrorCode.REFUSED: 2},
    )

    summary = ledger.error_summary

    assert summary == (
        ErrorTally(ErrorCode.REFUSED, 3, 2),
        ErrorTally(ErrorCode.NETWORK, 1, None),
        ErrorTally(ErrorCode.TIMEOUT, 1, 4),
    )
    assert [(tally.error_class, tally.retryable) for tally in summary[:2]] == [
        (ErrorClass.PERMANENT, False),
        (ErrorClass.TRANSIENT, True),
    ]


def test_not_retried_is_what_the_errors_do_not_explain() -> None:
    ledger = make_ledger(failed=5, errors={ErrorCode.REFUSED: 2}, generation=2)

    assert ledger.not_retried == 3


@pytest.mark.parametrize(
    ("ends", "shown"), [(0, ShownStatus.PAUSING), (60, ShownStatus.PAUSING), (-0.001, ShownStatus.PAUSED)]
)
def test_paused_job_shows_pausing_when_a_lease_is_live(ends: float, shown: ShownStatus) -> None:
    ledger = make_ledger(make_lane(lease=make_lease(ends=ends)), status=JobStatus.PAUSED)

    assert ledger.shown_status(NOW) is shown


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.INTAKE])
def test_status_is_shown_as_stored_when_no_lease_is_held(status: JobStatus) -> None:
    assert make_ledger(status=status).shown_status(NOW).value == status.value


def test_final_is_said_of_the_four_final_statuses_alone() -> None:
    assert {status for status in JobStatus if make_ledger(status=status).final} == FINAL


@pytest.mark.parametrize(("headroom", "budgeted"), [(None, False), (0, True), (-5, True), (5, True)])
def test_ledger_is_budgeted_when_it_has_headroom_of_any_size(headroom: int | None, budgeted: bool) -> None:
    assert make_ledger(headroom_microusd=headroom).budgeted is budgeted


def test_lane_is_exhausted_when_it_stands_at_its_end() -> None:
    assert [Lane(start, 2).exhausted for start in (0, 1, 2)] == [False, False, True]
    assert Lane(0, 0).exhausted


def test_lane_is_due_when_its_back_off_is_over() -> None:
    assert make_lane().due(NOW)
    assert make_lane(not_before=NOW).due(NOW)
    assert not make_lane(not_before=at(0.001)).due(NOW)


def test_lease_is_live_up_to_its_last_millisecond() -> None:
    assert not make_lease(ends=0).expired(NOW)
    assert make_lease(ends=-0.001).expired(NOW)
    assert make_lane(lease=make_lease(ends=0)).busy(NOW)
    assert not make_lane(lease=make_lease(ends=-1)).busy(NOW)
    assert not make_lane().busy(NOW)
