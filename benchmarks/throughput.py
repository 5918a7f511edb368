"""Items a second through the whole local runtime, beside what the emulator alone can do in the same run."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3

from benchmarks.cpu import cpu_seconds
from benchmarks.creation import services_over
from benchmarks.item_cost import made_up
from benchmarks.units import CountingTable
from pressroom.client import NewItem, NewJob, PressroomClient
from pressroom.local.claude.server import OfflineClaude
from pressroom.local.runtime import LocalRuntime
from shared.queue.dispatch import WorkQueue
from shared.store.table import create_table_request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

__all__ = ["Throughput", "measure"]

ITEMS: Final = 1_000
FEW_ITEMS: Final = 50
CONCURRENCY: Final = 16
_THREADS: Final = 4
_CEILING_ITEMS: Final = 400


@dataclass(frozen=True)
class StatusCost:
    """What one status reads of a finished job: ledger and spec at first, the ledger alone from then on."""

    items: int
    first: float
    later: float
    membership: float


@dataclass(frozen=True)
class Throughput:
    """Items a second, and the part of an item's time that the emulator does not explain."""

    items: int
    end_to_end: float
    emulator_ceiling: float
    start_seconds: float
    statuses: tuple[StatusCost, ...]
    cpu_milliseconds: dict[str, float]
    """CPU time an item by process; empty where the machine has no /proc."""

    @property
    def ours(self) -> float:
        """1 minus the emulator's time an item over the whole time an item."""
        return 1 - self.end_to_end / self.emulator_ceiling


def _ceiling(client: DynamoDBClient, table: str) -> float:
    """Items a second of three bare calls: a conditional update, a read of two rows, a transaction of two."""
    client.create_table(**create_table_request(table))
    body = made_up(1, 4096)

    def run(lane: int) -> None:
        ledger = {"pk": {"S": f"P{lane}"}, "sk": {"S": "JOB"}}
        client.put_item(TableName=table, Item={**ledger, "n": {"N": "0"}})
        for number in range(_CEILING_ITEMS // _THREADS):
            item = {"pk": {"S": f"J{lane}"}, "sk": {"S": f"ITEM#{number}"}}
            add = {"UpdateExpression": "SET n = n + :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
            client.update_item(TableName=table, Key=ledger, **add, ReturnValues="ALL_NEW")  # type: ignore[arg-type]
            client.batch_get_item(RequestItems={table: {"Keys": [ledger, item], "ConsistentRead": True}})
            update = {"TableName": table, "Key": ledger, **add}
            put = {"TableName": table, "Item": {**item, "output": {"S": body}}}
            client.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])  # type: ignore[typeddict-item]

    threads = [threading.Thread(target=run, args=(lane,)) for lane in range(_THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = _CEILING_ITEMS / (time.perf_counter() - began)
    client.delete_table(TableName=table)
    return rate


def measure() -> Throughput:
    """Start a runtime with a Claude that answers at once; run one job of 50 and one of :data:`ITEMS` outlines."""
    with OfflineClaude(latency_seconds=0) as claude:
        environ = {**os.environ, "ANTHROPIC_API_KEY": "offline", "ANTHROPIC_BASE_URL": claude.base_url}
        environ.pop("AWS_ENDPOINT_URL", None)
        began = time.perf_counter()
        with LocalRuntime(environ=environ) as runtime:
            started = time.perf_counter() - began
            client = boto3.client(
                "dynamodb",
                endpoint_url=runtime.aws_endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106  the emulator's
            )
            table = CountingTable(client, runtime.resources.table_name)
            ceiling = _ceiling(client, "ceiling")
            few, _ = _end_to_end(runtime, table, FEW_ITEMS)
            before = cpu_seconds()
            many, rate = _end_to_end(runtime, table, ITEMS)
            spent = {name: (total - before.get(name, 0)) * 1000 / ITEMS for name, total in cpu_seconds().items()}
    return Throughput(ITEMS, rate, ceiling, started, (few, many), spent)


def _end_to_end(runtime: LocalRuntime, table: CountingTable, count: int) -> tuple[StatusCost, float]:
    """A job of ``count`` items from its creation to its end: what its status reads then, and items a second."""
    with PressroomClient(runtime.base_url, runtime.token("bench")) as client:
        project = client.create_project("Benchmark")
        items = tuple(NewItem(input={"topic": f"Topic number {number}"}) for number in range(count))
        job = NewJob(kind="outline", items=items, options={"concurrency": CONCURRENCY})
        began = time.perf_counter()
        created = client.create_job(project.id, job)
        last = created.job
        for seen in client.watch(project.id, created.job.id):
            last = seen
        rate = count / (time.perf_counter() - began)
    if last.counts.completed != count:
        raise RuntimeError(f"the job ended {last.status}: {last.counts}")
    return _status_cost(table, project.id, last.id, count), rate


def _status_cost(table: CountingTable, project_id: str, job_id: str, items: int) -> StatusCost:
    services = services_over(table, WorkQueue(boto3.client("sqs", region_name="us-east-1"), "none"))
    read: list[float] = []
    for _ in range(2):
        table.units.clear()
        ledger, _ = services.jobs.changed(project_id, job_id, None, wait_seconds=0, seconds_left=29)
        services.jobs.specs.of(ledger.job_id)
        read.append(table.units["read"])
    table.units.clear()
    services.projects.role_of(project_id, "bench")
    return StatusCost(items, read[0], read[1], table.units["read"])
