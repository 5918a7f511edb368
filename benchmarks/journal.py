"""What the timeline costs: events, write units and calls an item, from the records of a real stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.units import CountingTable, row_bytes
from functions.journal.settings import STREAM_FILTERS
from functions.journal.write import Journal
from pressroom.local.event_filters import EventFilters
from pressroom.local.resources import Clients
from shared.queue.dispatch import WorkQueue
from shared.store.events import EventStore
from shared.store.items import ItemStore
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodbstreams.client import DynamoDBStreamsClient

    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["JournalCost", "measure", "stream_records"]

_BATCH = 100
"""What the mapping hands over at most."""


@dataclass(frozen=True)
class JournalCost:
    """Of a job that was written at once; ``writes`` are calls of BatchWriteItem."""

    items: int
    records: int
    events: int
    write_units: float
    writes: int
    row_bytes: float


def measure(endpoint_url: str, table: TableHandle, queue: QueueHandle, *, items: int) -> JournalCost:
    """Run a job of ``items`` to its last item, and tell of it from its stream."""
    counting = CountingTable(table.client, table.name)
    workshop = Workshop(counting, WorkQueue(queue.client, queue.url))
    job = workshop.job(items)
    for _ in range(items):
        workshop.advance(workshop.message(job))
    counting.calls.clear()
    counting.units.clear()
    journal = Journal(EventStore(counting), ItemStore(counting))
    with Clients(endpoint_url) as clients:
        filters = EventFilters(STREAM_FILTERS)
        records = [record for record in stream_records(clients.streams, table.stream_arn) if filters.match(record)]
    # The table is shared by benchmarks; this job's own records are those of its ledger.
    mine = [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] == f"JOB#{job.job_id[4:]}"]
    sizes: list[int] = []
    for start in range(0, len(mine), _BATCH):
        rows = [row for record in mine[start : start + _BATCH] for row in journal.rows(record)]
        journal.write(rows)
        sizes += map(row_bytes, rows)
    return JournalCost(
        items=items,
        records=len(mine),
        events=len(sizes),
        write_units=counting.units["put_many"],
        writes=counting.calls["put_many"],
        row_bytes=sum(sizes) / len(sizes),
    )


def stream_records(client: DynamoDBStreamsClient, arn: str) -> Iterator[dict[str, Any]]:
    """Everything that the stream holds."""
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator: str | None = client.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator is not None:
            page: Any = client.get_records(ShardIterator=iterator)
            if not page["Records"]:
                return
            yield from page["Records"]
            iterator = page.get("NextShardIterator")
