from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode
from shared.jobs.ledger import Counts, Lane
from shared.jobs.progress import Progress, estimated_completion_at, progress_of
from shared.jobs.statuses import JobStatus
from tests.support.ledgers import NOW, at, make_ledger

if TYPE_CHECKING:
    from datetime import datetime


@pytest.mark.parametrize(
    ("completed", "failed", "cancelled", "percent"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (2, 0, 0, 1),
        (199, 0, 0, 99),
        (99, 50, 50, 99),
        (99, 50, 51, 100),
        (0, 200, 0, 100),
    ],
)
def test_percent_is_whole_and_a_hundred_only_when_all_are_finished(
    completed: int, failed: int, cancelled: int, percent: int
) -> None:
    done = completed + failed + cancelled
    counts = Counts(200, 200 - done, 0, completed, failed, cancelled)

    assert progress_of(counts) == Progress(done, 200, percent)


def test_end_is_estimated_at_the_pace_so_far_when_items_are_settled() -> None:
    ledger = make_ledger(
        Lane(2, 5), Lane(2, 5), started_at=at(-80), last_activity_at=NOW, status=JobStatus.PROCESSING, failed=1
    )

    assert estimated_completion_at(ledger, NOW) == at(6 * 20)


def test_estimate_is_revised_when_the_pace_changes() -> None:
    slow = make_ledger(Lane(1, 3), started_at=at(-60), last_activity_at=NOW, status=JobStatus.PROCESSING)
    fast = make_ledger(Lane(2, 3), started_at=at(-60), last_activity_at=NOW, status=JobStatus.PROCESSING)

    assert estimated_completion_at(slow, NOW) == at(120)
    assert estimated_completion_at(fast, NOW) == at(30)


@pytest.mark.parametrize(
    ("started_at", "lane", "status"),
    [
        (None, Lane(0, 2), JobStatus.QUEUED),
        (at(-60), Lane(0, 2), JobStatus.PROCESSING),
        (at(-60), Lane(2, 2), JobStatus.PROCESSING),
        (at(-60), Lane(2, 2), JobStatus.COMPLETED),
        (at(-60), Lane(1, 2), JobStatus.CANCELLED),
    ],
    ids=["not started", "nothing settled", "nothing open", "over", "cancelled"],
)
def test_no_end_is_estimated_when_nothing_can_be_said(
    started_at: datetime | None, lane: Lane, status: JobStatus
) -> None:
    ledger = make_ledger(lane, started_at=started_at, last_activity_at=NOW, status=status)

    assert estimated_completion_at(ledger, NOW) is None


@pytest.mark.acceptance(37)
def test_progress_reaches_a_hundred_when_items_failed() -> None:
    ledger = make_ledger(Lane(2, 2), status=JobStatus.FAILED, errors={ErrorCode.REFUSED: 2})

    assert progress_of(ledger.counts).percent == 100


def test_pace_begins_with_the_generation_when_a_job_was_retried() -> None:
    ledger = make_ledger(
        Lane(2, 5), started_at=at(-86_400), retried_at=at(-40), last_activity_at=NOW, status=JobStatus.PROCESSING
    )

    assert estimated_completion_at(ledger, NOW) == at(3 * 20)
