"""The entry: stream records in, rows and a partial batch response out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.journal import handler as entry
from functions.journal.settings import JournalSettings
from shared import environment
from shared.errors import StoreUnavailableError
from shared.store.dynamodb import DynamoTable
from shared.store.events import EventStore
from tests.support.lambda_context import FakeContext
from tests.support.ledgers import JOB_ID
from tests.support.stream_records import STORY_WORK, records_of, story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.resources import TableHandle

RECORDS = records_of(story())


@pytest.fixture
def events(moto_table: TableHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventStore]:
    """A function that has not run yet, over a table with the lists of a retried job."""
    for name, value in environment.variables(JournalSettings(table_name=moto_table.name)).items():
        monkeypatch.setenv(name, value)
    for lane, positions in enumerate(STORY_WORK):
        item: dict[str, Any] = {
            "pk": {"S": f"JOB#{JOB_ID[4:]}"},
            "sk": {"S": f"WORK#2#{lane:02d}"},
            "positions": {"L": [{"N": str(position)} for position in positions]},
        }
        moto_table.client.put_item(TableName=moto_table.name, Item=item)
    entry.journal.cache_clear()
    entry.meter.cache_clear()
    yield EventStore(DynamoTable(moto_table.client, moto_table.name))
    entry.journal.cache_clear()


def call(records: list[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    return entry.handler({"Records": records}, FakeContext())


def types(events: EventStore) -> list[str]:
    return [entry.event.type.value for entry in events.page(JOB_ID, limit=100)]


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    errors = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    return [(error["levelname"], error["code"], error["sequence_number"]) for error in errors]


@pytest.mark.acceptance(38)
def test_timeline_is_whole_when_records_came_twice_and_in_pieces(events: EventStore) -> None:
    for start in (0, 0, 5, 10):
        assert call(RECORDS[start:]) == {"batchItemFailures": []}
    assert call(RECORDS[:7] + RECORDS[:7]) == {"batchItemFailures": []}

    timeline = events.page(JOB_ID, limit=100)
    assert len(timeline) == 24
    assert [each.event.position for each in timeline if each.event.generation == 2 and each.event.lane == 0] == [
        1,
        1,
        3,
        3,
    ]
    assert timeline[-1].event.type == "job.notified"


def test_stream_comes_back_to_the_first_record_that_cannot_be_told(
    events: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    broken = {"dynamodb": {**RECORDS[2]["dynamodb"], "NewImage": {"sk": {"S": "JOB#1"}, "format": {"N": "9"}}}}

    assert call([*RECORDS[:2], broken, *RECORDS[3:]]) == {"batchItemFailures": [{"itemIdentifier": "100"}]}

    assert types(events) == ["job.created", "job.started", "item.started"]
    assert logged(caplog) == [("ERROR", "corrupt_row", "100")]


def test_stream_comes_back_to_a_record_that_is_no_record(events: EventStore, caplog: pytest.LogCaptureFixture) -> None:
    assert call([{"dynamodb": {"SequenceNumber": "7"}}]) == {"batchItemFailures": [{"itemIdentifier": "7"}]}

    assert types(events) == []
    assert logged(caplog) == [("ERROR", "internal_error", "7")]


def test_stream_comes_back_to_everything_when_nothing_can_be_written(
    events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_store: EventStore, _rows: object) -> None:
        raise StoreUnavailableError("throttled")

    with monkeypatch.context() as patch:
        patch.setattr(EventStore, "write", refuse)
        assert call(RECORDS) == {"batchItemFailures": [{"itemIdentifier": "98"}]}
    assert types(events) == []
    assert call(RECORDS) == {"batchItemFailures": []}
    assert len(types(events)) == 24


def test_nothing_is_written_when_the_records_tell_nothing(events: EventStore) -> None:
    assert call([]) == {"batchItemFailures": []}
    assert types(events) == []
