"""The whole service over a faulty AWS: api, processor, finalizer, journal, sweeper and dead letters, and what drives
them in AWS. The functions' clients go through the proxy; their drivers, and a test's own eyes, do not.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from functions.api.edge import Edge
from functions.api.invoker import LambdaInvoker
from functions.api.routes import ROUTES
from functions.api.services import Services
from functions.api.settings import ApiSettings
from functions.journal.write import Journal
from functions.processor.process import Delivery
from shared import patience
from shared.contracts.messages import LaneMessage
from shared.ending.topic import SnsTopic
from shared.errors import PressroomError
from shared.jobs.ids import PROJECT, new_id
from shared.jobs.statuses import JobStatus, PauseReason
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.events import EventStore
from shared.store.items import ItemStore
from shared.store.job_lists import JobLists
from shared.store.ledgers import LedgerStore
from shared.store.projects import Project, ProjectStore
from shared.turns.dispositions import Acknowledge, Disposition
from tests.support.clock import ManualClock
from tests.support.emulator import CREDENTIALS, REGION
from tests.support.erasing import erase, rows_of
from tests.support.front_desk import OutlineClaude, body_of
from tests.support.http_events import ApiClient, HttpAnswer
from tests.support.invariants import History, Snapshot, check
from tests.support.named_writes import RecordingTable
from tests.support.workshop import FakeTopic, Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

    from shared.generation.answers import Generation
    from shared.generation.prompts import Prompt
    from shared.jobs.ledger import Ledger
    from shared.store.attributes import Row
    from shared.store.events import Entry
    from tests.support.faulty_aws import FaultyAws
    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["PLENTY_USD", "AwsClients", "Plant"]

PLENTY_USD: Final = 5
"""More than all items of a job cost: whoever resumes a job whose budget is used up gives it as much."""

_ROUNDS = 60
CONNECT_SECONDS = 30.0
"""A machine that stands still for a moment is no fault of AWS."""
_PATIENCE_SECONDS = 700.0
"""Longer than any lease, back-off or visibility."""
_ASKS = 20
"""So often a caller repeats a request that got a 503."""


@dataclass(frozen=True)
class AwsClients:
    """The functions' clients of AWS, as the functions make them, of one endpoint."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    sns: SNSClient
    invocations: LambdaClient
    secrets: SecretsManagerClient

    @classmethod
    def of(cls, url: str, *, read_seconds: float) -> Self:
        """The clients, but for their patience: ``read_seconds`` for an answer, and long for a connection."""
        waits = Config(read_timeout=read_seconds, connect_timeout=CONNECT_SECONDS)
        session = boto3.Session(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], None, REGION)
        return cls(
            session.client("dynamodb", endpoint_url=url, config=patience.STORE.merge(waits)),
            session.client("sqs", endpoint_url=url, config=patience.QUEUE.merge(waits)),
            session.client("sns", endpoint_url=url, config=patience.TOPIC.merge(waits)),
            session.client("lambda", endpoint_url=url, config=patience.INVOKE.merge(waits)),
            session.client("secretsmanager", endpoint_url=url, config=patience.SECRET.merge(waits)),
        )

    def close(self) -> None:
        """Close them."""
        for client in (self.dynamodb, self.sqs, self.sns, self.invocations, self.secrets):
            client.close()


@dataclass
class _Telltale(OutlineClaude):
    """A Claude that looks, before it writes, whether what it is asked for was written before."""

    plant: Plant | None = None

    def generate(self, prompt: Prompt, **call: Any) -> Generation:
        assert self.plant is not None
        job_id, generation, position = call["idempotency_key"].split(":")
        row = self.plant.eyes.read(job_id, int(position))
        if row is not None and row.outcome is not None and row.outcome.generation == int(generation):
            self.plant.asked_again.append(call["idempotency_key"])
        return super().generate(prompt, **call)


@dataclass
class Plant:
    """One test's service. ``alice`` owns ``project``."""

    aws: FaultyAws
    clients: AwsClients
    table: TableHandle
    queue: QueueHandle
    topic_arn: str
    clock: ManualClock = field(default_factory=ManualClock)
    asked_again: list[str] = field(default_factory=list)
    """Calls to Claude for what was recorded already."""
    is_patient: bool = False
    """Whether callers repeat what got no answer."""
    record: Mapping[str, Any] | None = None
    """What the stream has for the journal."""
    mislaid: list[Row] = field(default_factory=list)
    """Rows that somebody took away, and has to put back."""
    troubles: Counter[str] = field(default_factory=Counter)
    """Runs that ended in a typed error, by name: their driver, or the caller, tries again."""

    def __post_init__(self) -> None:
        self.aws.reset()
        self.aws.on_invoke = self._invoked
        self.claude = _Telltale(plant=self)
        self.logger = Logger(service="test", level="CRITICAL")
        store = RecordingTable(self.clients.dynamodb, self.table.name, clock=self.clock)
        self.written = store.written
        self.engine = Workshop(
            store,
            WorkQueue(self.clients.sqs, self.queue.url),
            clock=self.clock,
            claude=self.claude,
            topic=cast("FakeTopic", SnsTopic(self.clients.sns, self.topic_arn)),
        )
        self.letters = WorkQueue(self.clients.sqs, self.queue.dead_letters_url)
        self.direct = DynamoTable(self.table.client, self.table.name, clock=self.clock)
        self.eyes = ItemStore(self.direct)
        self.project = new_id(PROJECT, self.clock.now())
        self.engine.project_id = self.project
        ProjectStore(self.direct).create(Project(self.project, "Blog", self.clock.now()), owner="alice")

    # ------------------------------------------------------------------------------------------------- the api

    def services(self) -> Services:
        """What a cold start of the api makes."""
        settings = ApiSettings(table_name=self.table.name, queue_url=self.queue.url, processor_function="processor")
        return Services.over(
            settings,
            self.logger,
            table=self.engine.table,
            queue=lambda: self.engine.queue,
            invoker=LambdaInvoker(lambda: self.clients.invocations, "processor"),
            clock=self.clock,
        )

    def _respond(self, event: Any, context: Any) -> dict[str, Any]:
        services = self.services()
        return Edge(ROUTES, lambda: services, self.logger, lambda *_: None).respond(event, context)

    def once(self, method: str, path: str, body: object = None, **parts: Any) -> HttpAnswer:
        """One request, never answered by a fault of ours; repeated only where callers are patient."""
        if self.is_patient:
            return self.ask(method, path, body, **parts)
        return self._answer(method, path, body, **parts)

    def _answer(self, method: str, path: str, body: object = None, **parts: Any) -> HttpAnswer:
        answer = ApiClient(self._respond).call(method, path, body, **parts)
        assert answer.status != 500, answer.text
        if answer.status == 503:
            self.troubles["api"] += 1
            assert answer.json["retryable"], answer.text
        return answer

    def ask(self, method: str, path: str, body: object = None, **parts: Any) -> HttpAnswer:
        """A request as the client makes it: asked again while the answer says so."""
        for _ in range(_ASKS):
            answer = self._answer(method, path, body, **parts)
            if answer.status < 400 or not answer.json["retryable"]:
                return answer
            self.clock.sleep(float(answer.headers.get("retry-after", "1")))
        raise AssertionError(f"{method} {path} was not answered: {answer.text}")

    @property
    def jobs(self) -> str:
        """The path of the project's jobs."""
        return f"/v1/projects/{self.project}/jobs"

    def create(self, items: int = 2, *, key: str = "key-1", **options: Any) -> HttpAnswer:
        """Ask for a new job."""
        body = body_of(items, options={"concurrency": 1, **options})
        return self.ask("POST", self.jobs, body, headers={"Idempotency-Key": key})

    @property
    def path_of_project(self) -> str:
        """The project's path."""
        return f"/v1/projects/{self.project}"

    def path(self, job: Ledger) -> str:
        """The job's path."""
        return f"{self.jobs}/{job.job_id}"

    def _invoked(self, payload: Mapping[str, Any]) -> None:
        """The processor, started by Invoke: as fast as it can be, before the answer that it was taken."""
        self._advance(LaneMessage.from_dict(payload))

    def _advance(self, message: LaneMessage) -> Disposition:
        return self.engine.processor().advance(message, delivery=None, trace_id="trace", seconds_left=lambda: 600.0)

    def advance(self, job: Ledger) -> Disposition:
        """One invocation of the processor, without the queue: the message stays where it is."""
        return self._advance(self.engine.message(job))

    # ------------------------------------------------------------------------------- the functions, and their drivers

    def consume(self) -> Disposition | None:
        """One invocation of the processor with the next message, if there is one, as Lambda makes it."""
        return self.process(*received) if (received := self.receive(self.queue.url)) else None

    def process(self, message: LaneMessage, delivery: Delivery) -> Disposition:
        """One invocation of the processor. Whatever AWS does, it ends by itself."""
        processor = self.engine.processor()
        disposition = processor.advance(message, delivery=delivery, trace_id="trace", seconds_left=lambda: 600.0)
        if processor.finish(message, delivery, disposition):
            self.queue.client.delete_message(QueueUrl=self.queue.url, ReceiptHandle=delivery.receipt)
        return disposition

    def redrive(self, message: LaneMessage, delivery: Delivery) -> Disposition:
        """One invocation of the dead letters' function."""
        disposition = self.engine.redriver().handle(message, trace_id="trace")
        url, client = self.queue.dead_letters_url, self.queue.client
        if isinstance(disposition, Acknowledge):
            client.delete_message(QueueUrl=url, ReceiptHandle=delivery.receipt)
        else:
            # The emulator's clock stands still for us: the letter comes back with the next round.
            client.change_message_visibility(QueueUrl=url, ReceiptHandle=delivery.receipt, VisibilityTimeout=0)
        return disposition

    def receive(self, url: str) -> tuple[LaneMessage, Delivery] | None:
        """What Lambda's poller would hand over next."""
        answer = self.queue.client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            count = int(message["Attributes"]["ApproximateReceiveCount"])
            delivery = Delivery(message["ReceiptHandle"], message["MessageId"], count)
            return LaneMessage.from_json(message["Body"]), delivery
        return None

    def bury(self, job: Ledger, lane: int = 0) -> None:
        """A message of the lane dies."""
        message = self.engine.message(job, lane)
        number = self.clock.now().isoformat()
        self.queue.client.send_message(
            QueueUrl=self.queue.dead_letters_url,
            MessageBody=message.to_json(),
            MessageGroupId=f"{job.job_id}:{lane}",
            MessageDeduplicationId=f"{job.job_id}:{number}",
        )

    def close(self, job: Ledger) -> str | None:
        """One invocation of the finalizer with the image that the stream would carry; None where it has to repeat."""
        return cast("str | None", self._tried("finalizer", lambda: self.engine.finalizer().close(job)))

    def sweep(self) -> Any:
        """One run of the sweeper."""
        return self._tried("sweeper", self.engine.sweep)

    def erase(self, *, retention_days: int = 0) -> dict[str, int]:
        """One run of the eraser: what was done. It fails at nothing: what is left over, the next run does."""
        return dict(erase(self.engine.table, retention_days=retention_days))

    def tell(self, record: Mapping[str, Any]) -> int | None:
        """One invocation of the journal; the number of events, None where the stream has to repeat it."""

        def run() -> int:
            journal = Journal(EventStore(self.engine.table), self.engine.items)
            rows = journal.rows(record)
            journal.write(rows)
            return len(rows)

        return cast("int | None", self._tried("journal", run))

    def _tried(self, name: str, run: Any) -> Any:
        try:
            return run()
        except PressroomError:
            self.troubles[name] += 1
            return None

    # -------------------------------------------------------------------------------------------- what a test sees

    def ledger(self, job: Ledger | str) -> Ledger:
        """The ledger as it stands."""
        job_id = job.rpartition("/")[2] if isinstance(job, str) else job.job_id
        found = LedgerStore(self.direct).read(self.project, job_id)
        assert found is not None
        return found

    def rows(self) -> list[Row]:
        """All rows."""
        return rows_of(self.direct)

    def rows_left(self) -> list[str]:
        """The keys of all rows that belong to a job."""
        keys = [f"{row['pk']}/{row['sk']}" for row in self.rows()]
        return [key for key in keys if "JOB#" in key or "IDEMPOTENCY#" in key or "DELETED#" in key]

    def only_job(self) -> Ledger:
        """The project's job, where there is but one."""
        (job,) = JobLists(self.direct).all(self.project, after=None, page=10)
        return job

    def snapshot(self, job: Ledger) -> Snapshot:
        """The job as it stands."""
        ledger = self.ledger(job)
        rows = self.eyes.after(ledger.job_id, 0, page=200, outputs=True)
        outcomes = {row.position: row.outcome for row in rows if row.outcome is not None}
        lists: list[list[int]] = [[] for _ in ledger.lanes]
        for position, place in sorted(self.eyes.work(ledger).items(), key=lambda entry: entry[1].index):
            lists[place.lane].append(position)
        return Snapshot(ledger, outcomes, tuple(map(tuple, lists)))

    def statuses(self, job: Ledger) -> Counter[str]:
        """What the job's items are, by the rule of reading."""
        seen = Workshop(self.direct, self.engine.queue, clock=self.clock)
        return Counter(status.value for status in seen.statuses(job))

    def timeline(self, job: Ledger) -> tuple[Entry, ...]:
        """The events that were told of the job."""
        return EventStore(self.direct).page(job.job_id, limit=100)

    def waiting(self) -> int:
        """How many messages wait in the queue for somebody to receive them."""
        answer = self.queue.client.get_queue_attributes(
            QueueUrl=self.queue.url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def notifications(self) -> list[str]:
        """Ids of what reached the topic since the proxy was reset last."""
        return [
            json.loads(seen.request.body["Message"])["id"]
            for seen in self.aws.seen
            if seen.request.operation == "sns.Publish" and seen.applied
        ]

    # -------------------------------------------------------------------------------- the way to the end

    def drive(self, job: Ledger) -> Ledger:
        """Everybody does what they must while time passes, until the job has ended and is told of."""
        for _ in range(_ROUNDS):
            self.round(job)
            ledger = self.ledger(job)
            if ledger.final and ledger.notified_generation == ledger.generation:
                return ledger
            self.clock.advance(_PATIENCE_SECONDS)
        raise AssertionError(f"the job did not end: {self.ledger(job)}")

    def round(self, job: Ledger) -> None:
        """One round of everybody: a person, the queue's drivers, the stream, the schedule."""
        ledger = self.ledger(job)
        if ledger.status is JobStatus.PAUSED:
            is_short = ledger.pause_reason is PauseReason.BUDGET_EXHAUSTED
            self.once("POST", f"{self.path(job)}/resume", {"budget_usd": PLENTY_USD} if is_short else None)
        while received := self.receive(self.queue.url):
            self.process(*received)
        for letter in list(iter(lambda: self.receive(self.queue.dead_letters_url), None)):
            self.redrive(*letter)
        ledger = self.ledger(job)
        if not ledger.open and not ledger.final:
            self.close(ledger)
        self.sweep()

    def verify(self, job: Ledger, *, calls_an_item: int = 1, budget_microusd: int | None = None) -> None:
        """What must be so of a job that has ended, whatever happened on the way."""
        snapshot = self.snapshot(job)
        lost = sum(
            attempt.possible_duplicate_spend for outcome in snapshot.outcomes.values() for attempt in outcome.attempts
        )
        check(snapshot, History(5, budget_microusd, lost * snapshot.ledger.est_microusd))
        assert self.asked_again == []
        calls = Counter(self.claude.calls)
        assert max(calls.values(), default=0) <= calls_an_item + lost, calls
