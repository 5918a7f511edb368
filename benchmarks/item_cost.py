"""AWS calls and write units of one item: claim, read, settle; and the queue's calls beside them."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.units import CountingTable, row_bytes
from pressroom.local.claude.prose import Author
from shared.generation.answers import Generation
from shared.queue.dispatch import WorkQueue
from shared.store.keys import item_key
from tests.support.workshop import ScriptedClaude, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

    from shared.generation.prompts import Prompt

__all__ = ["ItemCost", "dense", "made_up", "measure"]

_MEASURED: Final = 24
"""Items that are measured of each job, whatever its size."""
OUTPUT_BYTES: Final = 9 * 1024
_DOCUMENTS: Final = Path(__file__).parent.parent / "docs"


def made_up(position: int, size: int = OUTPUT_BYTES) -> str:
    """An article of about ``size`` bytes by the offline Claude's author: no sentence comes twice."""
    author = Author(f"Topic number {position}", seed=position)
    text: dict[str, Any] = {"title": author.title(), "introduction": author.paragraphs(80), "sections": []}
    while len(json.dumps(text)) < size - 700:
        text["sections"].append({"heading": author.heading(), "body": author.paragraphs(90)})
    text["conclusion"] = author.paragraphs(60)
    return json.dumps(text, ensure_ascii=False)


def dense(position: int, size: int = OUTPUT_BYTES) -> str:
    """As much of this project's own documents, which compress worse than an article does."""
    pages = " ".join(path.read_text("utf-8") for path in sorted(_DOCUMENTS.rglob("*.md")))
    start = position * 997 % (len(pages) - size)
    return json.dumps({"title": "Dense", "body": pages[start : start + size]}, ensure_ascii=False)


@dataclass
class _WritingClaude(ScriptedClaude):
    """Answers at once with a text of its own for every item."""

    text: Callable[[int], str] = made_up

    def generate(self, prompt: Prompt, **call: Any) -> Generation:  # noqa: ANN401  handed on
        super().generate(prompt, **call)
        text = self.text(int(call["idempotency_key"].rpartition(":")[2]))
        return Generation(text, 900, 2_300, 37_200, call["model"], "req_1")


@dataclass(frozen=True)
class ItemCost:
    """Means over the measured items of one job."""

    job_items: int
    ledger_bytes: int
    output_bytes: float
    item_row_bytes: float
    table_calls: float
    write_units: float
    read_units: float
    seconds: float
    looks: int
    """At the brake, in all: a read of half a unit, once a second of a process."""
    queue_calls: float
    by_transition: dict[str, float] = field(default_factory=dict)


def measure(
    dynamodb: DynamoDBClient, sqs: SQSClient, table: str, queue_url: str, *, items: int, text: Callable[[int], str]
) -> ItemCost:
    """Run the first items of a job of ``items`` at concurrency 4, through the queue.

    All four lanes stay leased while one is measured, so that the ledger is as large as it gets.
    """
    counting = CountingTable(dynamodb, table)
    workshop = Workshop(counting, WorkQueue(sqs, queue_url), claude=_WritingClaude(text=text))
    job = workshop.dispatch(workshop.job(items, concurrency=4))
    processor = workshop.processor()
    for lane in (1, 2, 3):
        processor.settler.claimer.acquire(workshop.message(job, lane))
    counting.calls.clear()
    counting.units.clear()
    began = time.perf_counter()
    for _ in range(_MEASURED):
        message = workshop.message(job, 0)
        counting.calls["get"] -= 1  # the benchmark's own look at the ledger
        counting.units["read"] -= 1
        processor.advance(message, delivery=None, trace_id="benchmark", seconds_left=lambda: 900.0)
    seconds = time.perf_counter() - began
    looks = counting.calls.pop("glance")
    counting.units["read"] -= looks / 2  # type: ignore[assignment]
    positions = [1 + 4 * index for index in range(_MEASURED)]
    rows = [counting._peek(item_key(job.job_id, position)) for position in positions]  # noqa: SLF001
    writes = {what: units / _MEASURED for what, units in counting.units.items() if what != "read"}
    return ItemCost(
        job_items=items,
        ledger_bytes=row_bytes(counting._peek({"pk": f"PROJECT#{job.project_id[4:]}", "sk": f"JOB#{job.job_id[4:]}"})),  # noqa: SLF001
        output_bytes=sum(len(text(position).encode()) for position in positions) / _MEASURED,
        item_row_bytes=sum(map(row_bytes, rows)) / _MEASURED,
        table_calls=sum(counting.calls.values()) / _MEASURED,
        write_units=sum(writes.values()),
        read_units=counting.units["read"] / _MEASURED,
        seconds=seconds,
        looks=looks,
        queue_calls=_queue_calls(sqs, workshop),
        by_transition=writes,
    )


def _queue_calls(sqs: SQSClient, workshop: Workshop) -> float:
    """Calls an item that comes by the queue, on a job of one lane."""
    workshop.queue.client.purge_queue(QueueUrl=workshop.queue.url)
    workshop.dispatch(workshop.job(_MEASURED))
    calls: Counter[str] = Counter()
    sqs.meta.events.register("before-call.sqs", lambda model, **_: calls.update([model.name]), "count")
    for _ in range(_MEASURED):
        workshop.consume()
    sqs.meta.events.unregister("before-call.sqs", unique_id="count")
    return sum(calls.values()) / _MEASURED
