"""A million items priced: Pressroom, Powertools' idempotency alone, Distributed Map, durable functions.

Counts and CPU time of the first two are measured in one run, on one emulator. The other two exist on AWS only: they
are the measured task without its idempotency table, inside what AWS charges for the orchestration.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import creation, handled, idempotent, imports, item_cost, journal, memory, price
from benchmarks.price import Invoked
from benchmarks.units import CountingTable
from shared.queue.dispatch import WorkQueue
from tests.support.resources import fresh_queue, fresh_table

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from benchmarks.handled import Stage
    from benchmarks.price import Shape
    from tests.support.emulator import Emulator

__all__ = ["Design", "measure"]

_GB: Final = 1024**3
_EVENTS: Final = 20
_ROOT: Final = Path(__file__).parent.parent
# As in infra, where each stands with its function.
_PROCESSOR_MB, _JOURNAL_MB, _FINALIZER_MB, _API_MB = 256, 128, 128, 512
_JOURNAL_WINDOW_SECONDS: Final = 1.0
_JOURNAL_BATCH: Final = 100
_LOOK_SECONDS: Final = 0.5
"""A status that waits for a change looks so often; a client asks for the next one as soon as there is one."""
_PAGE: Final = 100
"""Items of a page of results."""


@dataclass(frozen=True)
class Design:
    """A way to process an item, and what one takes."""

    name: str
    says: str
    functions: Mapping[str, Invoked]
    item: Counter[str]


def measure(emulator: Emulator, folder: Path, shape: Shape) -> list[Design]:
    """Measure, and make the bills of materials. ``folder`` is for bundles."""
    (folder / "runtime").mkdir()
    runtime = imports.lay_out_runtime(folder / "runtime")
    with handled.open_stage(emulator) as stage:
        took = {
            name: memory.measure(stage, name, imports.build(name, folder), runtime, items=items)
            for name, items in (
                ("api", shape.job_items),
                ("finalizer", _EVENTS),
                ("journal", _EVENTS),
                ("processor", _EVENTS),
            )
        }
        task = _idempotent(stage, shape)
    text = partial(item_cost.made_up, size=shape.output_bytes)
    dynamodb, sqs = emulator.client("dynamodb"), emulator.client("sqs")
    with fresh_table(dynamodb) as table, fresh_queue(sqs) as queue:
        item = item_cost.measure(dynamodb, sqs, table.name, queue.url, items=120, text=text)
        told = journal.measure(emulator.endpoint_url, table, queue, items=_EVENTS)
        made = creation.measure(dynamodb, sqs, table.name, queue.url, items=shape.job_items)
        created = creation.write_units(
            CountingTable(dynamodb, table.name), WorkQueue(sqs, queue.url), items=shape.job_items
        )
    alone = idempotent.measure(dynamodb, sqs, text=text)
    for client in (dynamodb, sqs):
        client.close()

    processor = Invoked(
        1,
        _PROCESSOR_MB,
        took["processor"].warm_cpu_seconds,
        item.table_calls + 1,  # the message's visibility
        shape.waiting_seconds,
        took["processor"].log_bytes / _EVENTS,
    )
    item_seconds = processor.seconds(shape)
    records = told.records / told.items
    together = min(_JOURNAL_BATCH, 1 + records * shape.lanes / item_seconds * _JOURNAL_WINDOW_SECONDS)
    a_job = 1 / shape.job_items
    watched = item_seconds / shape.lanes
    api_log = took["api"].log_bytes / len(took["api"].answers)
    create, look = took["api"].cpu_seconds  # the first with the making of its clients
    functions = {
        "processor": processor,
        "journal": Invoked(
            records / together,
            _JOURNAL_MB,
            took["journal"].warm_cpu_seconds / min(_JOURNAL_BATCH, told.records) * together,
            1,
            log_bytes=took["journal"].log_bytes,
        ),
        "finalizer": Invoked(
            a_job, _FINALIZER_MB, took["finalizer"].warm_cpu_seconds, 4, log_bytes=took["finalizer"].log_bytes
        ),
        "creation": Invoked(a_job, _API_MB, create, made.table_calls + made.queue_calls, log_bytes=api_log),
        "results": Invoked(1 / _PAGE, _API_MB, look, 3, log_bytes=api_log),
        # One client follows the job to its end: a status is always being waited for.
        "status": Invoked(watched / _LOOK_SECONDS, _API_MB, look, 0, _LOOK_SECONDS, api_log),
    }
    kept = (item.item_row_bytes + told.events / told.items * told.row_bytes) / _GB
    requests = a_job + 1 / _PAGE + watched / _LOOK_SECONDS
    pressroom = price.materials(
        shape,
        functions,
        {
            "table writes": item.write_units + told.write_units / told.items + created * a_job,
            "table reads": item.read_units + (1 + watched / _LOOK_SECONDS) + item.item_row_bytes / 4096,
            "table storage": kept,
            "table backups": kept,
            "queue, fifo": item.queue_calls + made.queue_calls * a_job,
            "api requests": requests,
            "notifications": a_job,
        },
    )
    usual = price.materials(
        shape,
        {"task": task},
        {
            "table writes": alone.write_units,
            "table reads": alone.read_units,
            "table storage": alone.row_bytes / _GB,
            "queue, standard": alone.queue_calls,
        },
    )
    bare = Invoked(1, task.memory_mb, task.cpu_seconds, 0, task.waiting_seconds, task.log_bytes)
    return [
        Design("Pressroom", "created, watched to the end, told, read once, kept a month", functions, pressroom),
        Design("Powertools idempotency", "a message an item, the answer kept a month", {"task": task}, usual),
        *(
            Design(name, says, {"task": bare}, orchestrated(shape, bare))
            for name, says, orchestrated in (
                ("Distributed Map, express children", "where results are kept is not in it", price.express),
                ("Distributed Map, standard children", "where results are kept is not in it", price.standard),
                ("Lambda durable functions", "an execution an item, kept 14 days", price.durable),
            )
        ),
    ]


def _idempotent(stage: Stage, shape: Shape) -> Invoked:
    """The task of the usual way, alone in its process; of the checkout, as it has no bundle."""
    name = "idempotency-alone"
    client = stage.table.client
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        events = idempotent.events(_EVENTS)
        path = (_ROOT, Path(sysconfig.get_path("purelib")))
        took = handled.run("benchmarks.idempotent", path, {**stage.environ, "IDEMPOTENCY_TABLE": name}, events)
    finally:
        client.delete_table(TableName=name)
    return Invoked(
        1, _PROCESSOR_MB, took.warm_cpu_seconds, 2, shape.waiting_seconds, took.log_bytes / len(took.answers)
    )
