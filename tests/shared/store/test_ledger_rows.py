"""What is written is what is read, whatever it is; and a ledger stays as small as every write of it must pay for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import to_iso
from shared.errors import CorruptRowError, ErrorCode, LaterFormatError
from shared.jobs.ledger import MAX_ATTEMPTS, MAX_LANES, Ledger
from shared.jobs.statuses import CancelReason, JobStatus, PauseReason
from shared.store.attributes import Row, attributes, from_attributes
from shared.store.item_rows import NewItem, attempts_change, item_from_row, new_item_row, outcome_change
from shared.store.keys import ended_shard, watch_shard
from shared.store.ledger_rows import FORMAT, ledger_from_row, ledger_row
from shared.store.spec_rows import spec_from_row, spec_row
from tests.support.ledgers import (
    JOB_ID,
    NOW,
    at,
    make_attempt,
    make_lane,
    make_lease,
    make_ledger,
    make_outcome,
    make_spec,
    row_bytes,
)
from tests.support.strategies import inputs, ledgers, outcomes, past_attempts, specs, texts

if TYPE_CHECKING:
    from shared.jobs.items import Outcome, PastAttempt
    from shared.jobs.spec import JobSpec
    from shared.store.expressions import Change


def stored(row: Row) -> Row:
    """``row`` as DynamoDB would give it back."""
    return from_attributes(attributes(row))


def applied(row: Row, change: Change) -> Row:
    """``row`` after the unconditional SETs and REMOVEs of whole attributes that ``change`` is."""
    assert not change.condition
    sets = {name: change.values[value[1:]] for name, value in (clause.split(" = ") for clause in change.sets)}
    return {name: value for name, value in row.items() if name not in change.removes} | sets


@given(ledgers)
def test_ledger_is_the_same_when_it_was_a_row(ledger: Ledger) -> None:
    assert ledger_from_row(stored(ledger_row(ledger))) == ledger


@given(specs)
def test_spec_is_the_same_when_it_was_a_row(spec: JobSpec) -> None:
    assert spec_from_row(stored(spec_row(spec))) == spec


@given(st.integers(min_value=1, max_value=99_999), inputs, st.none() | texts)
def test_item_is_the_same_when_it_was_a_row(
    position: int, given_input: dict[str, object], custom_id: str | None
) -> None:
    item = item_from_row(stored(new_item_row(JOB_ID, NewItem(position, given_input, custom_id))))

    assert (item.position, item.input, item.custom_id) == (position, given_input, custom_id)
    assert (item.outcome, item.attempts) == (None, ())


@given(outcomes, st.none() | outcomes)
def test_outcome_is_the_same_when_it_was_a_row_whatever_stood_there(outcome: Outcome, earlier: Outcome | None) -> None:
    row = new_item_row(JOB_ID, NewItem(outcome.position, {}))
    if earlier is not None:
        row = applied(row, outcome_change(JOB_ID, earlier))

    item = item_from_row(stored(applied(row, outcome_change(JOB_ID, outcome))))

    assert item.outcome == outcome
    assert item.attempts == outcome.attempts


@given(st.lists(past_attempts, max_size=4).map(tuple))
def test_attempts_are_the_same_when_they_were_a_row(attempts: tuple[PastAttempt, ...]) -> None:
    row = applied(new_item_row(JOB_ID, NewItem(1, {})), attempts_change(JOB_ID, 1, attempts))

    item = item_from_row(stored(row))

    assert (item.attempts, item.outcome) == (attempts, None)


def test_long_output_is_stored_compressed_and_a_short_one_readably() -> None:
    long, short = "Bread. " * 2_000, '{"title":"Bread"}'

    assert outcome_change(JOB_ID, make_outcome(output=short)).values["output"] == short
    packed = outcome_change(JOB_ID, make_outcome(output=long)).values["output"]
    assert isinstance(packed, bytes)
    assert len(packed) < len(long) / 20


def test_ledger_of_a_later_format_is_refused_when_read() -> None:
    row = ledger_row(make_ledger()) | {"format": FORMAT + 1}

    with pytest.raises(LaterFormatError, match=f"format {FORMAT + 1}"):
        ledger_from_row(row)


def test_rows_of_an_earlier_release_are_read_when_this_one_takes_over() -> None:
    """What 0.1.0 wrote. A release that changes a row adds a file of its own beside it, and reads both."""
    rows = json.loads(Path(__file__).with_name("rows_of_format_1.json").read_text("utf-8"))

    ledger = ledger_from_row(rows["ledger"])
    unnumbered = {name: value for name, value in rows["ledger"].items() if name != "format"}

    assert ledger_row(ledger) | rows["ledger"] == ledger_row(ledger)
    assert ledger_from_row(unnumbered) == ledger
    assert (ledger.status, ledger.total, ledger.held, ledger.failed) == (JobStatus.PROCESSING, 6, 1, 1)
    assert ledger.lanes[0] == make_lane(1, 3, lease=make_lease(est=900))
    assert ledger.lanes[1] == make_lane(2, 3, attempts=(make_attempt(),), not_before=at(20), redrives=1)
    assert spec_from_row(rows["spec"]) == make_spec(concurrency=2, budget_microusd=9000)
    assert item_from_row(rows["item"]).outcome == make_outcome(2, code=ErrorCode.REFUSED)


@pytest.mark.parametrize(
    "broken",
    [
        {"lanes": {"1": {"next": 0, "end": 1}}},
        {"lanes": {"0": {"next": 0}}},
        {"lanes": None},
        {"status": "sleeping"},
        {"errors": {"unheard_of": 1}},
        {"created_at": "yesterday"},
        {"drive": None},
    ],
)
def test_row_is_called_corrupt_when_it_is_no_ledger(broken: Row) -> None:
    with pytest.raises(CorruptRowError, match="no ledger"):
        ledger_from_row(ledger_row(make_ledger()) | broken)


def test_row_is_called_corrupt_when_it_is_an_item() -> None:
    with pytest.raises(CorruptRowError):
        ledger_from_row(new_item_row(JOB_ID, NewItem(1, {})))


@pytest.mark.parametrize(
    ("ledger", "active", "watched"),
    [
        (make_ledger(), True, True),
        (make_ledger(status=JobStatus.INTAKE), False, True),
        (make_ledger(status=JobStatus.PAUSED), True, True),
        (make_ledger(status=JobStatus.CANCELLING), True, True),
        (make_ledger(status=JobStatus.FAILED), False, True),
        (make_ledger(status=JobStatus.FAILED, notified_generation=1), False, False),
        (make_ledger(generation=2, notified_generation=1), True, True),
    ],
)
def test_ledger_stands_among_the_watched_until_its_end_is_told_and_then_among_the_ended(
    ledger: Ledger, active: bool, watched: bool
) -> None:
    ledger = ledger.evolve(completed_at=at(30) if ledger.final else None)
    row = ledger_row(ledger)

    assert ("active" in row, row["watch"] == watch_shard(ledger.job_id)) == (active, watched)
    assert row["watch"] in {watch_shard(ledger.job_id), ended_shard(ledger.job_id)}
    assert row["check_at"] == to_iso(at(30) if not watched else ledger.check_at or at(0))


def test_index_keys_do_not_change_when_a_lane_moves() -> None:
    before = make_ledger()
    after = before.with_lane(0, make_lane(1, lease=make_lease()), status=JobStatus.PROCESSING, version=99)

    assert [ledger_row(before)[key] for key in ("active", "watch", "check_at")] == [
        ledger_row(after)[key] for key in ("active", "watch", "check_at")
    ]


def leased(lanes: int, *, full: bool) -> Ledger:
    """A ledger whose lanes are all at work; ``full`` with everything in it that a row can carry."""
    lease = make_lease("k3J9x_Qw7LmN-2pA", epoch=12, est=123_456)
    tries = tuple(make_attempt(ErrorCode.PROVIDER_ERROR) for _ in range(MAX_ATTEMPTS)) if full else ()
    lane = make_lane(311, 313, lease=lease, attempts=tries, redrives=3 if full else 0, not_before=NOW if full else None)
    more = {
        "errors": dict.fromkeys(ErrorCode, 9_999),
        "headroom_microusd": 123_456_789_012,
        "raised_microusd": 123_456_789_012,
        "est_microusd": 123_456,
        "usage_period": "2026-11",
        "booked_by": "somebody-with-a-long-name@example.com",
        "booked_microusd": 123_456_789,
        "settled_items": 9_999,
        "settled_microusd": 123_456_789,
        "halted": True,
        "completed_at": NOW,
        "deadline_at": NOW,
        "pause_reason": PauseReason.BUDGET_EXHAUSTED,
        "cancel_reason": CancelReason.DEADLINE,
    }
    return make_ledger(
        *[lane] * lanes,
        status=JobStatus.PROCESSING,
        started_at=NOW,
        retried_at=NOW,
        last_activity_at=NOW,
        input_tokens=12_345_678,
        output_tokens=12_345_678,
        cost_microusd=123_456_789,
        version=31_337,
        epoch=12,
        actor="processor",
        **(more if full else {"failed": 7, "errors": {ErrorCode.OVERLOADED: 4, ErrorCode.REFUSED: 3}}),
    )


def test_ledger_stays_under_twelve_kilobytes_when_it_is_full() -> None:
    assert row_bytes(ledger_row(leased(MAX_LANES, full=True))) < 12 * 1024


def test_ledger_fits_one_write_unit_when_four_lanes_are_at_work() -> None:
    assert row_bytes(ledger_row(leased(4, full=False))) <= 1024
