"""A table, a queue, a Claude that a test scripts, and processors over them: the engine without HTTP."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from functions.dead_letters.redriver import Redriver
from functions.processor.braking import Gate
from functions.processor.process import Delivery, Processor
from functions.processor.writing import Writer
from functions.sweeper.sweep import Sweeper, Swept
from shared.clock import Clock, SystemClock
from shared.contracts.messages import LaneMessage
from shared.ending.closing import Closer
from shared.errors import CallCancelledError
from shared.generation.answers import Generation
from shared.generation.transport import never
from shared.jobs.ids import JOB, PROJECT, new_id
from shared.jobs.items import effective_status, find_in_work
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.spec import JobOptions, JobSpec
from shared.metering import Meter
from shared.queue.dispatch import WorkQueue, message_for
from shared.store.brake import BrakeStore
from shared.store.dynamodb import DynamoTable
from shared.store.intake import IntakeStore, NewJob, Replay
from shared.store.item_rows import ItemRow, NewItem
from shared.store.items import ItemStore
from shared.store.lane_views import LaneViews
from shared.store.ledgers import LedgerStore
from shared.store.watch import WatchList
from shared.turns.claiming import Claimer
from shared.turns.settling import Settler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.errors import ItemError
    from shared.generation.prompts import Prompt
    from shared.jobs.statuses import ItemStatus
    from shared.turns.dispositions import Disposition
    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["FakeTopic", "ScriptedClaude", "Workshop"]

OUTPUT = json.dumps({"title": "A title", "sections": []})
STOPPED = {"input_tokens": 100, "output_tokens": 50, "cost_microusd": 800}
USAGE = {"input_tokens": 100, "output_tokens": 200, "cost_microusd": 3_300}


@dataclass
class ScriptedClaude:
    """Answers at once; errors are scripted by position and used up in order. Counts every call."""

    errors: dict[int, list[ItemError]] = field(default_factory=lambda: defaultdict(list))
    during: Callable[[str], None] = lambda _: None
    calls: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def generate(
        self,
        prompt: Prompt,
        *,
        model: str,
        idempotency_key: str,
        timeout_seconds: float,
        cancelled: Callable[[], bool] = never,
    ) -> Generation:
        """One call; whether it is still wanted is asked once, after ``during``."""
        assert prompt.user
        with self._lock:
            self.calls.append(idempotency_key)
            self.prompts.append(prompt)
            self.timeouts.append(timeout_seconds)
            scripted = self.errors[int(idempotency_key.rpartition(":")[2])]
            error = scripted.pop(0) if scripted else None
        self.during(idempotency_key)
        if cancelled():
            raise CallCancelledError(**STOPPED)
        if error is not None:
            raise error
        return Generation(output=OUTPUT, model=model, claude_request_id="req_1", **USAGE)


@dataclass
class FakeTopic:
    """Keeps what was published."""

    published: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        """Keep it."""
        self.published.append((json.loads(body), dict(attributes)))


@dataclass
class Workshop:
    """One test's engine. ``project_id`` is the project of every job made here."""

    table: DynamoTable
    queue: WorkQueue
    clock: Clock = field(default_factory=SystemClock)
    claude: ScriptedClaude = field(default_factory=ScriptedClaude)
    topic: FakeTopic = field(default_factory=FakeTopic)
    random: Callable[[], float] = lambda: 0.5
    seconds_left: float = 900.0
    metrics: Counter[str] = field(default_factory=Counter)
    metered: list[str] = field(default_factory=list)
    """The processor's metrics, a line each."""

    def __post_init__(self) -> None:
        self.project_id = new_id(PROJECT, self.clock.now())
        self.ledgers = LedgerStore(self.table)
        self.items = ItemStore(self.table)
        self.brakes = BrakeStore(self.table, self.table)

    @classmethod
    def over(cls, table: TableHandle, queue: QueueHandle, **parts: Any) -> Workshop:
        """A workshop over a test's table and queue."""
        clock = parts.get("clock") or SystemClock()
        return cls(DynamoTable(table.client, table.name, clock=clock), WorkQueue(queue.client, queue.url), **parts)

    def job(
        self,
        items: int = 3,
        *,
        budget_microusd: int | None = None,
        est_microusd: int = 0,
        topic: Callable[[int], str] = "Topic {}".format,
        **options: Any,
    ) -> Ledger:
        """A job of ``items`` outlines, all its rows written."""
        now = self.clock.now()
        job_id = new_id(JOB, now)
        chosen = JobOptions(budget_microusd=budget_microusd, **options)
        ledger = Ledger(
            project_id=self.project_id,
            job_id=job_id,
            name="A job",
            kind="outline",
            drive=chosen.drive,
            total=items,
            queued=items,
            open=items,
            lanes=first_generation_lanes(items, chosen.concurrency),
            created_at=now,
            est_microusd=est_microusd,
            headroom_microusd=budget_microusd,
            deadline_at=now + timedelta(minutes=chosen.deadline_minutes) if "deadline_minutes" in options else None,
            check_at=now + timedelta(seconds=60),
            actor="user:test",
        )
        spec = JobSpec(
            project_id=self.project_id,
            job_id=job_id,
            kind="outline",
            model="claude-test",
            options=chosen,
            created_by="test",
            created_at=now,
        )
        rows = [NewItem(position, {"topic": topic(position)}) for position in range(1, items + 1)]
        made = IntakeStore(self.table).create(NewJob(ledger, spec, rows), now=now)
        assert not isinstance(made, Replay)
        return made

    def processor(self) -> Processor:
        """A processor, as a cold start makes one."""
        claimer = Claimer(self.ledgers, self.items, self.clock)
        logger = Logger(service="test", level="CRITICAL")
        return Processor(
            settler=Settler(claimer, self.clock, self.random),
            items=self.items,
            queue=self.queue,
            writer=Writer(self.claude),
            gate=Gate(self.brakes, self.ledgers, self.clock, self.random, logger),
            views=LaneViews(self.table),
            clock=self.clock,
            logger=logger,
            meter=Meter("processor", self.table.name, self.clock, self.metered.append),
        )

    def finalizer(self) -> Closer:
        """What the finalizer closes jobs with."""
        return Closer(self.ledgers, self.items, self.topic, self.clock, actor="finalizer")

    def sweeper(self, **parts: Any) -> Sweeper:
        """A sweeper, as a cold start makes one."""
        made: dict[str, Any] = {
            "watch": WatchList(self.table),
            "ledgers": self.ledgers,
            "items": self.items,
            "intake": IntakeStore(self.table),
            "queue": self.queue,
            "closer": Closer(self.ledgers, self.items, self.topic, self.clock, actor="sweeper"),
            "clock": self.clock,
            "logger": Logger(service="test", level="CRITICAL"),
            "meter": self.count,
        }
        return Sweeper(**(made | parts))

    def sweep(self, **parts: Any) -> Swept:
        """One run of a fresh sweeper."""
        return self.sweeper(**parts).sweep(lambda: self.seconds_left)

    def redriver(self) -> Redriver:
        """What the dead letters' function handles letters with, as a cold start makes it."""
        claimer = Claimer(self.ledgers, self.items, self.clock, actor="dead_letters")
        return Redriver(
            ledgers=self.ledgers,
            items=self.items,
            queue=self.queue,
            settler=Settler(claimer, self.clock, self.random),
            clock=self.clock,
            logger=Logger(service="test", level="CRITICAL"),
            meter=self.count,
        )

    def count(self, name: str, count: int) -> None:
        """Count a metric."""
        self.metrics[name] += count

    def message(self, ledger: Ledger, lane: int = 0, *, index: int | None = None) -> LaneMessage:
        """The message that advances ``lane`` of the job as it is now."""
        return message_for(self.ledger(ledger), lane, timeout_seconds=120, index=index)

    def advance(self, message: LaneMessage, *, delivery: Delivery | None = None) -> Disposition:
        """One invocation of a fresh processor."""
        return self.processor().advance(
            message, delivery=delivery, trace_id="trace-1", seconds_left=lambda: self.seconds_left
        )

    def ledger(self, ledger: Ledger) -> Ledger:
        """The ledger as it stands."""
        found = self.ledgers.read(ledger.project_id, ledger.job_id)
        assert found is not None
        return found

    def item(self, ledger: Ledger, position: int) -> ItemRow:
        """An item's row."""
        found = self.items.read(ledger.job_id, position)
        assert found is not None
        return found

    def all_items(self, ledger: Ledger) -> list[ItemRow]:
        """Every item's row, in order."""
        return list(self.items.after(ledger.job_id, 0, page=1000, outputs=True))

    def statuses(self, ledger: Ledger) -> list[ItemStatus]:
        """What every item is, by the rule of reading."""
        seen = self.ledger(ledger)
        work = self.items.work(seen)
        return [
            effective_status(
                seen, find_in_work(seen, item.position, work), None if item.outcome is None else item.outcome.status
            )
            for item in self.all_items(seen)
        ]

    def dispatch(self, ledger: Ledger) -> Ledger:
        """Fill the queue."""
        return self.queue.dispatch(
            ledger,
            timeout_seconds=120,
            move_cursor=lambda seen, cursor: self.ledgers.dispatched(seen, cursor=cursor, actor="api"),
        )

    def receive(self, *, wait_seconds: int = 0) -> tuple[LaneMessage, Delivery] | None:
        """One delivery of the queue, or None."""
        answer = self.queue.client.receive_message(
            QueueUrl=self.queue.url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            count = int(message["Attributes"]["ApproximateReceiveCount"])
            delivery = Delivery(message["ReceiptHandle"], message["MessageId"], count)
            return LaneMessage.from_json(message["Body"]), delivery
        return None

    def consume(self, *, wait_seconds: int = 0) -> Disposition | None:
        """Handle one delivery as Lambda would, or None if there is none."""
        received = self.receive(wait_seconds=wait_seconds)
        if received is None:
            return None
        message, delivery = received
        processor = self.processor()
        disposition = processor.advance(
            message, delivery=delivery, trace_id="trace-1", seconds_left=lambda: self.seconds_left
        )
        if processor.finish(message, delivery, disposition):
            self.queue.client.delete_message(QueueUrl=self.queue.url, ReceiptHandle=delivery.receipt)
        return disposition
