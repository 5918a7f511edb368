"""The timeline's rows: written again without effect, read in order, in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import StoreUnavailableError
from shared.jobs.events import Event, EventType
from shared.jobs.ids import JOB, new_id
from shared.store.events import Entry, EventStore, event_place, event_row, is_event_place
from shared.store.keys import JOB_PREFIX
from tests.support.ledgers import NOW, at

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf

STARTED = Event(
    type=EventType.ITEM_STARTED,
    time=at(0.25),
    actor="processor",
    generation=2,
    lane=3,
    position=17,
    before="queued",
    after="processing",
    attempt=2,
    detail="a word",
)
BARE = Event(type=EventType.JOB_EDITED, time=NOW, actor=None, generation=None)


@pytest.fixture
def job_id() -> str:
    return new_id(JOB, NOW)


def entry(number: int, event: Event = STARTED, *, seconds: float = 0, second: int = 0) -> Entry:
    return Entry(event_place(at(seconds), str(number), second), event)


def write(shelf: Shelf, job_id: str, *entries: Entry) -> EventStore:
    store = EventStore(shelf.table)
    store.write([event_row(job_id, each) for each in entries])
    return store


def test_event_is_read_as_it_was_written_when_it_is_full_or_bare(shelf: Shelf, job_id: str) -> None:
    entries = (entry(1), entry(2, BARE))

    assert write(shelf, job_id, *entries).page(job_id, limit=9) == entries


def test_places_sort_as_text_when_numbers_and_seconds_grow() -> None:
    places = [
        event_place(at(0), "9", 0),
        event_place(at(0), "10", 0),
        event_place(at(0.9), "10", 1),
        event_place(at(0), "11", 0),
        event_place(at(1), "3", 0),
    ]

    assert places == sorted(places)
    assert all(map(is_event_place, places))
    assert places[2] == f"2026-11-22T12:00:00Z#{'10':0>40}#1"
    longest = "9" * 40
    assert event_place(at(0), longest, 0).endswith(longest)


@pytest.mark.parametrize("text", ["", "x", "2026-11-22T12:00:00Z", f"{event_place(NOW, '1', 0)}#x", "ITEM#00001"])
def test_text_is_no_place_when_it_has_another_shape(text: str) -> None:
    assert not is_event_place(text)


@pytest.mark.acceptance(36)
def test_pages_hold_every_event_once_in_order_when_read_one_after_the_other(shelf: Shelf, job_id: str) -> None:
    entries = [entry(number, seconds=number // 10) for number in range(60)]
    store = write(shelf, job_id, *reversed(entries))

    seen: list[Entry] = []
    while page := store.page(job_id, after=seen[-1].place if seen else None, limit=25):
        seen += page

    assert seen == entries
    assert store.page(job_id, limit=3, newest_first=True) == tuple(reversed(entries[-3:]))
    assert store.page(job_id, after=entries[5].place, limit=2, newest_first=True) == (entries[4], entries[3])


def test_rows_do_not_change_when_they_are_written_again(shelf: Shelf, job_id: str) -> None:
    entries = [entry(number) for number in range(30)]
    store = write(shelf, job_id, *entries)
    write(shelf, job_id, *entries[10:], *entries[:20])

    assert store.page(job_id, limit=100) == tuple(entries)


def test_timeline_is_apart_from_other_rows_when_a_job_has_them(shelf: Shelf, job_id: str) -> None:
    row = event_row(job_id, entry(1))
    for sk in ("ITEM#00001", "SPEC", "WORK#2#00"):
        shelf.put({"pk": row["pk"], "sk": sk})
    store = write(shelf, job_id, entry(1))

    assert store.page(job_id, limit=9) == (entry(1),)
    assert not row["sk"].startswith(JOB_PREFIX)  # what the stream's filter looks for
    assert store.page(new_id(JOB, NOW), limit=9) == ()


def test_row_goes_with_its_job_when_that_has_a_time_to_live(job_id: str) -> None:
    assert event_row(job_id, entry(1), expires=5)["expires"] == 5
    assert "expires" not in event_row(job_id, entry(1))


# ------------------------------------------------------------------------------------------------ batches


def _leaving(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, times: int) -> list[int]:
    """DynamoDB leaves all but one row of a batch unwritten, so many times; the sizes of the batches."""
    real, sizes = shelf.table.client.batch_write_item, list[int]()

    def leave(*, RequestItems: dict[str, Any]) -> Any:  # noqa: N803  boto3's name
        ((name, requests),) = RequestItems.items()
        sizes.append(len(requests))
        if len(sizes) > times:
            return real(RequestItems=RequestItems)
        real(RequestItems={name: requests[:1]})
        return {"UnprocessedItems": {name: requests[1:]}}

    monkeypatch.setattr(shelf.table.client, "batch_write_item", leave)
    return sizes


def test_rows_that_were_left_are_written_when_tried_again(
    shelf: Shelf, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = _leaving(shelf, monkeypatch, times=2)
    entries = [entry(number) for number in range(27)]

    assert write(shelf, job_id, *entries).page(job_id, limit=99) == tuple(entries)
    assert sizes == [25, 24, 23, 2]


def test_write_gives_up_when_rows_are_left_again_and_again(
    shelf: Shelf, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leaving(shelf, monkeypatch, times=99)

    with pytest.raises(StoreUnavailableError):
        write(shelf, job_id, *[entry(number) for number in range(20)])
