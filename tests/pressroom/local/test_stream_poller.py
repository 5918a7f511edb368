"""The table stream's driver on a real stream."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local import stream_poller
from pressroom.local.errors import HandlerError
from pressroom.local.resources import Clients
from pressroom.local.stream_poller import StreamPoller
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodbstreams.client import DynamoDBStreamsClient

    from tests.support.emulator import Emulator
    from tests.support.resources import TableHandle

LEDGERS = ({"dynamodb": {"NewImage": {"sk": {"S": [{"prefix": "JOB#"}]}}}},)


@pytest.fixture
def streams(emulator: Emulator) -> Iterator[DynamoDBStreamsClient]:
    with Clients(emulator.endpoint_url) as clients:
        yield clients.streams


@contextmanager
def polling(
    streams: DynamoDBStreamsClient, table: TableHandle, invoke: Callable[[dict[str, Any]], Any], *, batch_size: int = 10
) -> Iterator[StreamPoller]:
    poller = StreamPoller(streams, stream_arn=table.stream_arn, filters=LEDGERS, invoke=invoke, batch_size=batch_size)
    with closing(poller):
        poller.start()
        yield poller


def put(table: TableHandle, sk: str, number: int) -> None:
    table.client.put_item(TableName=table.name, Item={"pk": {"S": "P"}, "sk": {"S": sk}, "n": {"N": str(number)}})


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [int(record["dynamodb"]["NewImage"]["n"]["N"]) for event in events for record in event["Records"]]


def test_event_is_lambdas_when_a_row_changes(streams: DynamoDBStreamsClient, table: TableHandle) -> None:
    events: list[dict[str, Any]] = []
    with polling(streams, table, events.append):
        put(table, "JOB#1", 1)
        put(table, "JOB#1", 2)
        eventually(lambda: numbers(events) == [1, 2])

    first, second = (record for event in events for record in event["Records"])
    assert (first["eventName"], second["eventName"]) == ("INSERT", "MODIFY")
    assert second["dynamodb"]["Keys"] == {"pk": {"S": "P"}, "sk": {"S": "JOB#1"}}
    assert second["dynamodb"]["OldImage"]["n"] == {"N": "1"}
    assert second["dynamodb"]["SequenceNumber"] > first["dynamodb"]["SequenceNumber"]
    assert second["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert isinstance(second["dynamodb"]["ApproximateCreationDateTime"], int | float)
    assert (second["eventSource"], second["eventSourceARN"], second["awsRegion"]) == (
        "aws:dynamodb",
        table.stream_arn,
        "us-east-1",
    )


def test_handler_hears_only_what_passes_the_filter_when_other_rows_change_too(
    streams: DynamoDBStreamsClient, table: TableHandle
) -> None:
    events: list[dict[str, Any]] = []
    with polling(streams, table, events.append):
        for number in range(6):
            put(table, "JOB#1" if number % 2 else "ITEM#1", number)
        table.client.delete_item(TableName=table.name, Key={"pk": {"S": "P"}, "sk": {"S": "JOB#1"}})
        put(table, "JOB#2", 9)
        eventually(lambda: 9 in numbers(events))

    assert numbers(events) == [1, 3, 5, 9]


def test_changes_are_handed_on_again_in_order_when_a_new_poller_starts(
    streams: DynamoDBStreamsClient, table: TableHandle
) -> None:
    for number in range(25):
        put(table, f"JOB#{number}", number)
    for _ in range(2):
        events: list[dict[str, Any]] = []
        with polling(streams, table, events.append):
            eventually(lambda events=events: len(numbers(events)) == 25)  # type: ignore[misc]

        assert numbers(events) == list(range(25))
        assert [len(event["Records"]) for event in events] == [10, 10, 5]


@pytest.mark.parametrize("failure", ["exception", "everything", "from the third"])
def test_batch_is_tried_again_from_what_failed_when_the_handler_fails(
    streams: DynamoDBStreamsClient, table: TableHandle, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_poller, "_FIRST_BACK_OFF_SECONDS", 0.02)
    events: list[dict[str, Any]] = []

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        events.append(event)
        if len(events) > 2:
            return {"batchItemFailures": []}
        if failure == "exception":
            raise HandlerError("finalizer", "ValueError", "no")
        third = event["Records"][2]["dynamodb"]["SequenceNumber"] if len(event["Records"]) > 2 else "unknown"
        return {"batchItemFailures": [{"itemIdentifier": "" if failure == "everything" else third}]}

    for number in range(4):
        put(table, f"JOB#{number}", number)
    with polling(streams, table, invoke):
        eventually(lambda: len(events) == 3)

    again = [2, 3] if failure == "from the third" else [0, 1, 2, 3]
    assert [numbers([event]) for event in events] == [[0, 1, 2, 3], again, again]


def test_later_changes_wait_when_a_batch_keeps_failing(streams: DynamoDBStreamsClient, table: TableHandle) -> None:
    events: list[dict[str, Any]] = []

    def invoke(event: dict[str, Any]) -> None:
        events.append(event)
        raise HandlerError("finalizer", "ValueError", "no")

    put(table, "JOB#1", 1)
    with polling(streams, table, invoke, batch_size=1):
        eventually(lambda: len(events) >= 2)
        put(table, "JOB#2", 2)
        eventually(lambda: len(events) >= 3)

    assert set(numbers(events)) == {1}


def test_reading_goes_on_where_it_was_when_the_iterator_has_expired(
    streams: DynamoDBStreamsClient, table: TableHandle
) -> None:
    events: list[dict[str, Any]] = []
    with polling(streams, table, events.append) as poller:
        put(table, "JOB#1", 1)
        eventually(lambda: numbers(events) == [1])
        for shard in poller._shards.values():
            shard.iterator = None
        put(table, "JOB#2", 2)
        eventually(lambda: numbers(events) == [1, 2])
