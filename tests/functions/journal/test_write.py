"""From records to rows: the same rows however often and in whatever pieces a stream is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.journal.settings import STREAM_FILTERS
from functions.journal.write import Journal
from pressroom.local.event_filters import EventFilters
from shared.errors import CorruptRowError
from shared.jobs.events import EventType
from shared.store.events import EventStore
from shared.store.ledger_rows import ledger_row
from tests.support.ledgers import JOB_ID, NOW, at, make_ledger
from tests.support.stream_records import STORY_WORK, record_of, record_of_rows, records_of, story

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.store.attributes import Row

RECORDS = records_of(story())


@dataclass
class Kept:
    """A table of timelines, and the lists of the story's second generation."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    looked_up: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    is_deleted: bool = False

    def put_many(self, rows: Sequence[Row]) -> None:
        self.rows |= {(row["pk"], row["sk"]): row for row in rows}

    def lane_positions(self, job_id: str, generation: int, lane: int) -> tuple[int, ...]:
        self.looked_up[job_id, generation, lane] += 1
        return () if self.is_deleted else STORY_WORK[lane]

    def journal(self) -> Journal:
        kept = cast("Any", self)
        return Journal(EventStore(kept), kept)

    def tell(self, records: Sequence[Mapping[str, Any]], journal: Journal | None = None) -> None:
        journal = journal or self.journal()
        for record in records:
            journal.write(journal.rows(record))

    @property
    def timeline(self) -> list[Row]:
        return [self.rows[key] for key in sorted(self.rows)]


def told(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    kept = Kept()
    kept.tell(records)
    return kept.timeline


@pytest.mark.acceptance(38)
def test_timeline_tells_the_whole_story_in_order_when_the_stream_is_read() -> None:
    lines = [(row["type"], row.get("position"), row.get("to"), row["actor"]) for row in told(RECORDS)]

    assert lines == [
        ("job.created", None, "queued", "user:ada"),
        ("job.started", None, "processing", "processor"),
        ("item.started", 1, "processing", "processor"),
        ("item.started", 2, "processing", "processor"),
        ("item.put_back", 1, "queued", "processor"),
        ("item.taken_over", 2, "processing", "processor"),
        ("item.started", 1, "processing", "processor"),
        ("item.settled", 1, "failed", "processor"),
        ("lane.redriven", 3, None, "dead_letters"),
        ("item.settled", 2, "completed", "processor"),
        ("item.started", 3, "processing", "processor"),
        ("item.settled", 3, "failed", "processor"),
        ("item.started", 4, "processing", "processor"),
        ("item.settled", 4, "completed", "processor"),
        ("job.finalized", None, "partially_failed", "finalizer"),
        ("job.notified", None, None, "finalizer"),
        ("job.retried", None, "queued", "user:ada"),
        ("job.started", None, "processing", "processor"),
        ("item.started", 1, "processing", "processor"),
        ("item.settled", 1, "completed", "processor"),
        ("item.started", 3, "processing", "processor"),
        ("item.settled", 3, "completed", "processor"),
        ("job.finalized", None, "completed", "finalizer"),
        ("job.notified", None, None, "finalizer"),
    ]


@pytest.mark.acceptance(38)
@given(
    st.lists(
        st.tuples(st.integers(0, len(RECORDS)), st.integers(0, len(RECORDS))).map(lambda ends: slice(*sorted(ends))),
        max_size=6,
    )
)
def test_rows_are_the_same_when_any_parts_of_the_stream_are_read_again(parts: list[slice]) -> None:
    kept = Kept()
    for part in [*parts, slice(None), *parts]:
        kept.tell(RECORDS[part])

    assert kept.timeline == told(RECORDS)


def test_rows_keep_the_order_of_the_writes_when_sequence_numbers_grow_longer() -> None:
    numbers = [row["sk"].partition("#")[2].split("#")[1].lstrip("0") for row in told(RECORDS)]

    assert numbers == sorted(numbers, key=int)
    assert (numbers[0], numbers[-1]) == ("98", "120")


@pytest.mark.acceptance(38)
def test_no_row_of_a_timeline_is_told_when_it_comes_by_the_stream() -> None:
    # Or every event would make another one, for ever.
    filters = EventFilters(STREAM_FILTERS)
    rows = told(RECORDS)

    assert [row for row in rows if filters.match(record_of_rows(None, row, 1))] == []
    assert [row for row in rows if filters.match(record_of_rows(row, row, 1))] == []
    assert all(filters.match(record) for record in RECORDS)


def test_list_of_positions_is_read_once_when_a_generation_has_many_events() -> None:
    kept = Kept()
    journal = kept.journal()
    kept.tell(RECORDS, journal)
    kept.tell(RECORDS, journal)

    assert kept.looked_up == {(JOB_ID, 2, 0): 1}


def test_lists_that_are_remembered_are_bounded_when_many_jobs_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.journal.write._MAX_LISTS", 2)
    kept = Kept()
    journal = kept.journal()
    for _ in range(3):
        for job_id in ("job_1", "job_2", "job_3"):
            assert journal._positions(job_id, 2, 0) == (1, 3)
            assert len(journal._lists) <= 2


def test_event_has_no_position_when_the_job_was_deleted_since() -> None:
    kept = Kept(is_deleted=True)
    kept.tell(RECORDS)

    assert kept.rows.keys() == {(row["pk"], row["sk"]) for row in told(RECORDS)}
    retried = [row for row in kept.timeline if row["generation"] == 2 and row["type"].startswith("item.")]
    assert [row.get("position") for row in retried] == [None] * 4


def test_row_is_a_copy_of_the_event_when_it_is_written() -> None:
    refused = told(RECORDS)[7]

    assert refused == {
        "pk": "JOB#01JDA4Y3C0D1E2F3G4H5J6K7M8",
        "sk": "EVENT#2026-11-22T12:00:02Z#0000000000000000000000000000000000000105",
        "type": "item.settled",
        "time": "2026-11-22T12:00:04.000Z",
        "actor": "processor",
        "generation": 1,
        "lane": 0,
        "position": 1,
        "from": "processing",
        "to": "failed",
        "attempt": 2,
        "detail": "refused",
    }


def test_event_is_deleted_with_its_ledger_when_that_has_a_time_to_live() -> None:
    old = ledger_row(make_ledger())
    new = {**old, "status": "paused", "pause_reason": "user", "version": 8, "expires": 1_800_000_000}

    (row,) = Kept().journal().rows(record_of_rows(old, new, 5))

    assert (row["type"], row["expires"]) == ("job.paused", 1_800_000_000)


# ------------------------------------------------------------------------------------------------ rows by hand

LEDGER = ledger_row(make_ledger())
BROKEN = {**LEDGER, "status": "runing"}


def test_edit_is_told_when_it_leaves_a_row_that_cannot_be_read() -> None:
    (broke,) = Kept().journal().rows(record_of_rows(LEDGER, BROKEN, 5, recorded_at=at(1)))
    (mended,) = Kept().journal().rows(record_of_rows(BROKEN, {**LEDGER, "note": "mended"}, 6))

    assert (broke["type"], broke["detail"], broke["time"]) == (
        EventType.JOB_EDITED,
        "status",
        "2026-11-22T12:00:01.000Z",
    )
    assert (mended["detail"], mended["generation"]) == ("note, status", 1)
    assert "actor" not in broke


@pytest.mark.parametrize(
    ("old", "new"),
    [(None, BROKEN), (LEDGER, {**LEDGER, "format": 2}), ({**LEDGER, "format": 2}, LEDGER)],
    ids=["new and broken", "of a later version", "from a later version"],
)
def test_record_is_refused_when_nothing_can_be_said_of_it(old: Row | None, new: Row) -> None:
    with pytest.raises(CorruptRowError):
        Kept().journal().rows(record_of_rows(old, new, 5))


def test_edit_has_no_generation_when_the_row_has_lost_it() -> None:
    lost = {name: value for name, value in LEDGER.items() if name != "generation"}
    (row,) = Kept().journal().rows(record_of_rows(LEDGER, lost, 5))

    assert row["detail"] == "generation"
    assert "generation" not in row


def test_nothing_is_told_when_the_sweeper_only_looked() -> None:
    ledger = make_ledger()

    assert Kept().journal().rows(record_of(ledger, ledger.evolve(check_at=at(120)), 5, recorded_at=NOW)) == []
