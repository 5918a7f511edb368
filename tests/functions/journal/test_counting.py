"""What is counted of a job's timeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.journal.counting import count
from functions.journal.write import Journal
from shared.metering import Meter
from tests.support.stream_records import STORY_WORK, records_of, story

if TYPE_CHECKING:
    from tests.support.clock import ManualClock


class Lists:
    """The lists of work of the story's second generation."""

    def lane_positions(self, _job: str, _generation: int, lane: int) -> tuple[int, ...]:
        return STORY_WORK[lane]


def test_jobs_and_items_are_counted_by_status_and_code_when_a_job_lived(clock: ManualClock) -> None:
    lines: list[str] = []
    events: Any = None
    journal = Journal(events, Lists())  # type: ignore[arg-type]  # nothing else is read
    rows = [row for record in records_of(story()) for row in journal.rows(record)]

    count(rows, Meter("journal", "t", clock, lines.append))

    told: dict[tuple[str, str | None], float] = {}
    for line in map(json.loads, lines):
        [directive] = line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]:
            told[metric["Name"], line.get("status") or line.get("code")] = line[metric["Name"]]
    assert told == {
        ("ItemsCompleted", None): 4,
        ("ItemsFailed", "refused"): 2,
        ("ItemsPutBack", "timeout"): 1,
        ("JobsEntered", "queued"): 2,
        ("JobsEntered", "processing"): 2,
        ("JobsEntered", "partially_failed"): 1,
        ("JobsEntered", "completed"): 1,
    }
