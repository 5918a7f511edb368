from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import CorruptRowError, ErrorCode
from shared.jobs.ids import JOB, new_id
from shared.jobs.items import WorkPlace
from shared.jobs.ledger import Lane
from shared.store.attributes import attributes, from_attributes
from shared.store.item_rows import ItemRow, NewItem, new_item_row, outcome_change
from shared.store.items import ItemStore
from shared.store.keys import job_partition, work_key
from shared.store.spec_rows import spec_row
from tests.support.ledgers import NOW, make_ledger, make_outcome, make_spec

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf


@pytest.fixture
def job_id(shelf: Shelf) -> str:
    """A job of twelve items, the second completed, the third failed, with its spec."""
    job_id = new_id(JOB, NOW)
    shelf.put(spec_row(make_spec(job_id=job_id)))
    for position in range(1, 13):
        shelf.put(new_item_row(job_id, NewItem(position, {"topic": f"T{position}"})))
    for outcome in (make_outcome(2), make_outcome(3, code=ErrorCode.REFUSED)):
        shelf.table.update("outcome", outcome_change(job_id, outcome))
    return job_id


def test_item_is_read_with_its_output_and_with_the_spec_in_one_call(shelf: Shelf, job_id: str) -> None:
    store = ItemStore(shelf.table)

    item, spec = store.read_with_spec(job_id, 2)

    assert item == store.read(job_id, 2) == ItemRow(2, {"topic": "T2"}, outcome=make_outcome(2))
    assert spec == store.spec(job_id) == store.require_spec(job_id) == make_spec(job_id=job_id)


def test_nothing_is_read_when_there_is_nothing(shelf: Shelf) -> None:
    store, job_id = ItemStore(shelf.table), new_id(JOB, NOW)

    assert store.read(job_id, 1) is None
    assert store.read_with_spec(job_id, 1) == (None, None)
    assert store.spec(job_id) is None
    assert store.lane_positions(job_id, 2, 0) == ()
    with pytest.raises(CorruptRowError):
        store.require_spec(job_id)


@pytest.mark.parametrize("page", [1, 5, 100])
def test_items_come_in_order_behind_a_position(shelf: Shelf, job_id: str, page: int) -> None:
    store = ItemStore(shelf.table)

    assert [row.position for row in store.after(job_id, 0, page=page, outputs=False)] == list(range(1, 13))
    assert [row.position for row in store.after(job_id, 9, page=page, outputs=True)] == [10, 11, 12]


def test_items_come_without_outputs_when_nobody_asks_for_them(shelf: Shelf, job_id: str) -> None:
    store = ItemStore(shelf.table)

    _, completed, failed, *_ = store.after(job_id, 0, page=100, outputs=False)

    assert completed.outcome == make_outcome(2, output=None)
    assert failed.outcome == make_outcome(3, code=ErrorCode.REFUSED)


def test_work_is_told_by_its_lists_when_the_generation_is_a_later_one(shelf: Shelf, job_id: str) -> None:
    ledger = make_ledger(Lane(0, 2), Lane(0, 0), *[Lane(0, 0)] * 9, Lane(0, 1), job_id=job_id, generation=2)
    for generation, lane, positions in ((2, 0, [2, 9]), (2, 11, [4]), (20, 0, [1])):
        shelf.put({**work_key(job_id, generation, lane), "positions": positions})
    store = ItemStore(shelf.table)

    assert store.work(ledger) == {2: WorkPlace(0, 0), 9: WorkPlace(0, 1), 4: WorkPlace(11, 0)}
    assert store.work(ledger.evolve(generation=1)) == {}
    assert store.lane_positions(job_id, 2, 0) == (2, 9)
    assert store.lane_positions(job_id, 2, 1) == ()


def test_rows_of_a_job_share_a_partition_that_no_other_row_is_in(shelf: Shelf, job_id: str) -> None:
    rows = [row["sk"] for row in shelf.table.query(job_partition(job_id), projection=("sk",))]

    assert rows == [*(f"ITEM#{position:05d}" for position in range(1, 13)), "SPEC"]


def test_numbers_stay_whole_and_bytes_stay_bytes_on_the_way_through() -> None:
    row = {"n": 10**20, "negative": -5, "b": b"\x00\xff", "list": [1, "a", None, True], "map": {"x": {"y": 0}}}

    assert from_attributes(attributes(row)) == row


@pytest.mark.parametrize("page", [1, 500])
def test_failures_are_told_by_position_and_code_page_by_page(shelf: Shelf, job_id: str, page: int) -> None:
    shelf.table.update("outcome", outcome_change(job_id, make_outcome(11, code=ErrorCode.TIMEOUT)))

    assert list(ItemStore(shelf.table).failures(job_id, page=page)) == [(3, ErrorCode.REFUSED), (11, ErrorCode.TIMEOUT)]


def test_a_path_into_a_map_brings_nothing_else_of_it(shelf: Shelf, job_id: str) -> None:
    rows = shelf.table.query(
        job_partition(job_id), prefix="ITEM#", projection=("sk", "error.code"), where=("status", "failed")
    )

    assert list(rows) == [{"sk": "ITEM#00003", "error": {"code": "refused"}}]


def test_mark_of_a_generation_is_found_on_whichever_lane_has_work(shelf: Shelf, job_id: str) -> None:
    store, ledger = ItemStore(shelf.table), make_ledger(job_id=job_id)
    shelf.put({**work_key(job_id, 2, 1), "positions": [3], "mark": "mine"})
    shelf.put({**work_key(job_id, 3, 0), "positions": [3]})

    assert [store.work_mark(ledger, generation) for generation in (2, 3, 4)] == ["mine", None, None]
