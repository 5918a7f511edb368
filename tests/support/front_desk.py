"""The api over a test's table and queue, with a processor at hand: whole requests without HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from functions.api.edge import Edge
from functions.api.routes import ROUTES
from functions.api.services import Services
from functions.api.settings import ApiSettings
from shared.generation.answers import Generation
from shared.jobs.ids import PROJECT, new_id
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.intake import IntakeStore
from shared.store.items import ItemStore
from shared.store.ledgers import LedgerStore
from shared.store.projects import Project, Role
from tests.support.clock import ManualClock
from tests.support.http_events import ApiClient
from tests.support.workshop import ScriptedClaude, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.generation.prompts import Prompt
    from shared.jobs.ledger import Ledger
    from tests.support.http_events import HttpAnswer
    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["OUTLINE", "FakeInvoker", "FrontDesk", "OutlineClaude", "body_of"]

OUTLINE = {
    "title": "Green tea, brewed well",
    "summary": "Why water and time decide.",
    "sections": [
        {"heading": "Water", "key_points": ["Not boiling."], "word_count": 300},
        {"heading": "Time", "key_points": ["Two minutes."], "word_count": 300},
    ],
    "keywords": ["green tea"],
}


class OutlineClaude(ScriptedClaude):
    """A scripted Claude whose answers fit the kind ``outline``."""

    def generate(self, prompt: Prompt, **call: Any) -> Generation:
        made = super().generate(prompt, **call)
        return Generation(
            output=json.dumps(OUTLINE),
            model=made.model,
            claude_request_id=made.claude_request_id,
            input_tokens=made.input_tokens,
            output_tokens=made.output_tokens,
            cost_microusd=made.cost_microusd,
        )


@dataclass
class FakeInvoker:
    """Keeps what it was asked to start; ``run`` is what then happens, by default nothing."""

    run: Callable[[LaneMessage], object] = lambda _: None
    asked: list[LaneMessage] = field(default_factory=list)

    def invoke(self, message: LaneMessage) -> None:
        self.asked.append(message)
        self.run(message)


def body_of(items: int | Sequence[dict[str, Any]] = 3, **changes: Any) -> dict[str, Any]:
    """A good body of a new job; ``items`` are inputs, or how many different ones."""
    inputs = [{"topic": f"Topic {number}"} for number in range(1, items + 1)] if isinstance(items, int) else items
    return {"kind": "outline", "items": [{"input": dict(values)} for values in inputs], **changes}


@dataclass
class FrontDesk:
    """One test's api. ``alice`` owns ``project``."""

    table: TableHandle
    work_queue: QueueHandle
    clock: Clock = field(default_factory=ManualClock)
    invoker: FakeInvoker = field(default_factory=FakeInvoker)
    settings: dict[str, Any] = field(default_factory=dict)
    dynamodb: Any = None
    sqs: Any = None

    def __post_init__(self) -> None:
        self.dynamodb = self.dynamodb or self.table.client
        self.sqs = self.sqs or self.work_queue.client
        self.logger = Logger(service="test", level="CRITICAL")
        self.workshop = Workshop.over(self.table, self.work_queue, clock=self.clock, claude=OutlineClaude())
        self.ledgers, self.items = LedgerStore(self.store()), ItemStore(self.store())
        self.project = new_id(PROJECT, self.clock.now())
        self.services().projects.create(Project(self.project, "Blog", self.clock.now()), owner="alice")
        self.workshop.project_id = self.project

    def store(self) -> DynamoTable:
        return DynamoTable(self.dynamodb, self.table.name, clock=self.clock)

    def services(self) -> Services:
        """What a cold start makes."""
        settings = ApiSettings(
            table_name=self.table.name,
            queue_url=self.work_queue.url,
            processor_function="processor",
            **self.settings,
        )
        return Services.over(
            settings,
            self.logger,
            table=self.store(),
            queue=lambda: WorkQueue(self.sqs, self.work_queue.url),
            invoker=self.invoker,
            clock=self.clock,
        )

    def respond(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer one event in a process that has just started: nothing is remembered from the last."""
        services = self.services()
        return Edge(ROUTES, lambda: services, self.logger, self.workshop.count).respond(event, context)

    def client(self, user: str | None = "alice", **parts: Any) -> ApiClient:
        """Somebody who calls."""
        return ApiClient(self.respond, user=user, **parts)

    def join(self, user: str, role: str) -> None:
        """Make ``user`` a member."""
        self.services().projects.put_member(self.project, user, Role(role), now=self.clock.now())

    @property
    def jobs(self) -> str:
        """The path of the project's jobs."""
        return f"/v1/projects/{self.project}/jobs"

    def create(
        self, items: int | Sequence[dict[str, Any]] = 3, *, key: str | None = None, **changes: Any
    ) -> HttpAnswer:
        """Ask for a new job."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client().post(self.jobs, body_of(items, **changes), headers=headers)

    def job(self, items: int | Sequence[dict[str, Any]] = 3, **changes: Any) -> str:
        """The path of a new job."""
        answer = self.create(items, **changes)
        assert answer.status == 202, answer.text
        return answer.headers["location"]

    def ledger(self, job: str) -> Ledger:
        """The ledger of the job at this path."""
        found = self.ledgers.read(self.project, job.rpartition("/")[2])
        assert found is not None
        return found

    def settle(self, job: str, lane: int = 0, items: int = 1) -> None:
        """Process the next items of a lane."""
        for _ in range(items):
            self.workshop.advance(self.workshop.message(self.ledger(job), lane))

    def finish(self, job: str) -> None:
        """Process all that is left, and close the job."""
        for number, lane in enumerate(self.ledger(job).lanes):
            self.settle(job, number, lane.end - lane.next)
        ledger = self.ledger(job)
        if not ledger.open and not ledger.final:
            self.workshop.finalizer().close(ledger)

    def messages(self) -> list[dict[str, Any]]:
        """Everything in the queue, without waiting."""
        found: list[dict[str, Any]] = []
        while answer := self.work_queue.client.receive_message(
            QueueUrl=self.work_queue.url, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages"):
            for message in answer:
                self.work_queue.client.delete_message(
                    QueueUrl=self.work_queue.url, ReceiptHandle=message["ReceiptHandle"]
                )
                found.append(json.loads(message["Body"]))
        return found

    def intake(self) -> IntakeStore:
        """The store of new jobs."""
        return IntakeStore(self.store())
