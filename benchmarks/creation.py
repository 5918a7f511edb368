"""AWS calls of creating a job: rows, seal, messages, cursor. Through the api's own creator."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger

from functions.api.invoker import LambdaInvoker
from functions.api.services import Services
from functions.api.settings import ApiSettings
from shared.clock import SystemClock
from shared.jobs.ids import PROJECT, new_id
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.projects import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

    from benchmarks.units import CountingTable

__all__ = ["CreationCost", "measure", "services_over", "write_units"]

QUIET: Final = Logger(service="benchmark", level="CRITICAL")


@dataclass(frozen=True)
class CreationCost:
    """Calls by operation of one creation."""

    items: int
    table_calls: int
    queue_calls: int
    by_operation: dict[str, int]


def services_over(table: DynamoTable, queue: WorkQueue) -> Services:
    """The api's services; nothing is invoked."""
    settings = ApiSettings(table_name=table.name, queue_url=queue.url, processor_function="none")

    def no_lambda() -> Any:  # noqa: ANN401  it is never called
        raise AssertionError("a benchmark of creation invokes nothing")

    invoker = LambdaInvoker(no_lambda, "none")
    return Services.over(settings, QUIET, table=table, queue=lambda: queue, invoker=invoker, clock=SystemClock())


def measure(dynamodb: DynamoDBClient, sqs: SQSClient, table: str, queue_url: str, *, items: int) -> CreationCost:
    """Create a job of ``items`` outlines with an idempotency key, as the api does."""
    create = _creation(services_over(DynamoTable(dynamodb, table), WorkQueue(sqs, queue_url)), items)
    calls: Counter[str] = Counter()
    for client in (dynamodb, sqs):
        client.meta.events.register("before-call", lambda model, **_: calls.update([model.name]), "count")
    create()
    for client in (dynamodb, sqs):
        client.meta.events.unregister("before-call", unique_id="count")
    queue_calls = calls["SendMessageBatch"]
    return CreationCost(items, sum(calls.values()) - queue_calls, queue_calls, dict(sorted(calls.items())))


def write_units(table: CountingTable, queue: WorkQueue, *, items: int) -> float:
    """Write units of the same creation; ``table`` looks at every row again, so calls cannot be counted beside it."""
    create = _creation(services_over(table, queue), items)
    table.units.clear()
    create()
    return sum(units for what, units in table.units.items() if what != "read")


def _creation(services: Services, items: int) -> Callable[[], object]:
    """What creates a job in a new project."""
    body = {"kind": "outline", "items": [{"input": {"topic": f"Topic {number}"}} for number in range(items)]}
    project = new_id(PROJECT, services.clock.now())
    services.projects.create(Project(project, "Benchmark", services.clock.now()), owner="bench")
    submission = services.submissions.read(project, body)
    return lambda: services.creator.create(project, "bench", submission, key=f"bench-{items}", body=body)
