"""The timeline over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.api.cursors import Listing
from functions.journal.write import Journal
from shared.errors import RequestError
from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes
from shared.store.events import EventStore
from shared.store.items import ItemStore
from shared.store.ledger_rows import ledger_row
from tests.support.stream_records import records_of, story

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk


def tell(desk: FrontDesk, job: str) -> None:
    """Puts a life like the story's on the timeline of the job at this path."""
    job_id = job.rpartition("/")[2]
    ledgers = [ledger.evolve(job_id=job_id, project_id=desk.project) for ledger in story()]
    journal = Journal(EventStore(desk.store()), ItemStore(desk.store()))
    for record in records_of(ledgers):
        journal.write(journal.rows(record))


@pytest.fixture
def job(desk: FrontDesk) -> str:
    job = desk.job(1)
    tell(desk, job)
    return job


def events(desk: FrontDesk, job: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.client().get(f"{job}/events", query=query).json["items"]
    return found


@pytest.mark.acceptance(38)
def test_event_tells_when_who_what_from_and_to_when_read(desk: FrontDesk, job: str) -> None:
    found = events(desk, job, limit="100")

    assert len(found) == 24
    put_back = dict(found[4])
    assert put_back.pop("id").startswith("2026-11-22T12:00:01Z#")
    assert put_back == {
        "time": "2026-11-22T12:00:02.000Z",
        "actor": "processor",
        "type": "item.put_back",
        "generation": 1,
        "lane": 0,
        "position": 1,
        "from": "processing",
        "to": "queued",
        "attempt": 1,
        "detail": "timeout",
    }
    assert {name: found[-1][name] for name in ("position", "from", "to", "attempt", "detail")} == dict.fromkeys(
        ("position", "from", "to", "attempt", "detail")
    )


@pytest.mark.acceptance(36)
def test_events_come_oldest_first_in_pages_when_there_are_many(desk: FrontDesk, job: str) -> None:
    seen, sizes, query = list[str](), [], {"limit": "10"}
    while True:
        page = desk.client().get(f"{job}/events", query=query).json
        seen += [event["id"] for event in page["items"]]
        sizes.append(len(page["items"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert sizes == [10, 10, 4]
    assert seen == sorted(set(seen)) == [event["id"] for event in events(desk, job, limit="100")]
    assert len(events(desk, job)) == 20
    assert desk.client().get(f"{job}/events", query={"limit": "24"}).json["next_cursor"] is None


@pytest.mark.acceptance(41)
def test_cursor_is_refused_when_it_is_of_another_job_or_list(desk: FrontDesk, job: str) -> None:
    cursor = desk.client().get(f"{job}/events", query={"limit": "1"}).json["next_cursor"]
    other = desk.job(1)

    for path in (f"{other}/events", f"{job}/items"):
        assert desk.client().get(path, query={"cursor": cursor}).status == 422
    for query in ({"cursor": "x"}, {"limit": "0"}, {"limit": "101"}):
        assert desk.client().get(f"{job}/events", query=query).status == 422


@pytest.mark.parametrize("after", [5, "job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "ITEM#00001", True, ["x"]])
def test_cursor_is_refused_when_it_stands_behind_no_event(after: Any) -> None:
    listing = Listing(("events", "prj_1", "job_1"))

    with pytest.raises(RequestError):
        listing.after_event(listing.cursor(after))
    assert listing.after_event(None) is None


def test_timeline_is_empty_when_the_journal_has_not_come_yet(desk: FrontDesk) -> None:
    assert desk.client().get(f"{desk.job(1)}/events").json == {"items": [], "next_cursor": None}


def test_timeline_is_404_when_there_is_no_such_job(desk: FrontDesk, job: str) -> None:
    ledger = desk.ledger(job)
    intake = ledger.evolve(status=JobStatus.INTAKE, intake_token="t")
    for path in (f"{desk.jobs}/job_1/events", f"{desk.jobs}/job_01JDA4Y3C0D1E2F3G4H5J6K7M8/events"):
        assert desk.client().get(path).status == 404
    assert desk.client("mallory").get(f"{job}/events").status == 404
    assert desk.client(None).get(f"{job}/events").status == 401
    desk.store().client.put_item(TableName=desk.table.name, Item=attributes(ledger_row(intake)))
    assert desk.client().get(f"{job}/events").status == 404


def test_timeline_is_shown_when_the_caller_may_only_look(desk: FrontDesk, job: str) -> None:
    desk.join("victor", "viewer")

    assert desk.client("victor").get(f"{job}/events").status == 200
