"""One table and queue, in which a process dies and everybody else goes on: people, workers, sweeper, stream.

The survivors are the real parts, in this process, on a clock that is moved. Time passes at once: the clock goes on by
:data:`PATIENCE_SECONDS`, longer than any lease, back-off or visibility of these jobs, and every message that somebody
had taken comes back, as it does when its visibility ends.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from functions.api.settings import ApiSettings
from functions.dead_letters.settings import DeadLettersSettings
from functions.finalizer.settings import FinalizerSettings
from functions.journal.settings import JournalSettings
from functions.journal.write import Journal
from functions.processor.process import Delivery
from functions.processor.settings import ProcessorSettings
from functions.sweeper.settings import SweeperSettings
from shared import environment
from shared.clock import to_iso
from shared.contracts.messages import LaneMessage
from shared.ending.topic import SnsTopic
from shared.jobs.items import idempotency_key
from shared.jobs.quotas import Amount, booked_in, month_of, used_in
from shared.jobs.statuses import JobStatus, PauseReason
from shared.jobs.transitions import final_status
from shared.store.events import EventStore
from shared.store.keys import JOB_PREFIX, ledger_key, project_key, project_partition
from shared.store.ledger_rows import ledger_from_row
from shared.store.loads import LoadStore
from shared.store.usages import UsageStore
from shared.turns.claiming import Held
from shared.turns.dispositions import Acknowledge
from tests.support.clock import ManualClock
from tests.support.front_desk import FrontDesk, body_of
from tests.support.http_events import HttpAnswer, access_claims, http_event
from tests.support.invariants import History, Snapshot, check
from tests.support.killing.victim import Run, one_shard
from tests.support.resources import fresh_table
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _typeshed import DataclassInstance
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from shared.jobs.ledger import Ledger
    from shared.store.item_rows import ItemRow
    from tests.support.killing.theatre import Theatre
    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["PATIENCE_SECONDS", "PLENTY_USD", "Invocation", "Stage", "staged"]

PATIENCE_SECONDS: Final = 700.0
PLENTY_USD: Final = 5.0
"""A budget that every job here can be done with."""
_ROUNDS: Final = 25
_LATER: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """An event of a handler, and what becomes of it.

    Attributes:
        function: the folder of the function.
        event: the event.
        milliseconds_left: what the context says.
        acknowledged: what whoever sent the event does when it was answered (``None``: nothing).
        repeated: what he does when it was not (``None``: nothing, and the event is lost).
        invokes: what becomes of an event that the handler sends to another function (``None``: it is lost).
    """

    function: str
    event: Mapping[str, Any]
    milliseconds_left: int = 600_000
    acknowledged: Callable[[Mapping[str, Any]], object] | None = None
    repeated: Callable[[], object] | None = None
    invokes: Callable[[Mapping[str, Any]], object] | None = None


@dataclass
class Stage:
    """The world of one run."""

    theatre: Theatre
    table: TableHandle
    queue: QueueHandle
    clock: ManualClock = field(default_factory=ManualClock)
    taken: list[tuple[str, str]] = field(default_factory=list)
    """Queue and receipt of every message that somebody has taken and not deleted."""
    closed: Counter[str] = field(default_factory=Counter)
    """Lanes that the sweeper closed for a dead holder, by job: what they had reserved stays spent."""
    to_delete: list[Ledger] = field(default_factory=list)
    """Jobs that have ended and are about to be deleted: what they used stays counted when they are gone."""
    retention_days: int = 0
    """The deployment's setting."""

    def __post_init__(self) -> None:
        self.desk = FrontDesk(self.table, self.queue, self.clock)
        self.workshop = Workshop.over(
            self.table,
            self.queue,
            clock=self.clock,
            claude=self.theatre.claude,
            topic=SnsTopic(self.theatre.sns, self.theatre.topic_arn),
        )
        self.workshop.project_id = self.desk.project
        self.desk.workshop = self.workshop

    # ------------------------------------------------------------------------------------------ what people do

    def create(self, topics: int | Sequence[str] = 2, **options: Any) -> Ledger:
        """A new job, as the api makes it. A topic may tell the offline Claude what to do."""
        self.clock.advance(0.001)  # jobs sort as they were created
        path = self.desk.job(*self._body(topics), **self._options(options))
        return self.desk.ledger(path)

    def _body(self, topics: int | Sequence[str]) -> tuple[int | list[dict[str, Any]]]:
        return (topics,) if isinstance(topics, int) else ([{"topic": topic} for topic in topics],)

    def _options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"options": dict(options)} if options else {}

    def estimated_usd(self) -> float:
        """The most that an item without directives can cost."""
        answer = self.desk.client().post(self.desk.jobs, body_of(1), query={"dry_run": "true"})
        cost: float = answer.json["estimate"]["cost_usd"]
        return cost

    def ask(self, action: str, job: Ledger | None = None, body: object = None, key: str | None = None) -> HttpAnswer:
        """POST to a job's route, by its owner, in this process."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.desk.client().post(self._path(action, job), body, headers=headers)
        assert answer.status < 300, answer.text
        return answer

    def _path(self, action: str, job: Ledger | None) -> str:
        return f"{self.desk.jobs}/{action}".rstrip("/") if job is None else f"{self.desk.jobs}/{job.job_id}/{action}"

    # ------------------------------------------------------------------------------------------ events of handlers

    def request(
        self,
        action: str = "",
        job: Ledger | None = None,
        body: object = None,
        *,
        key: str | None = None,
        again: bool = True,
        path: str | None = None,
        method: str = "POST",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Invocation:
        """A request of the api. Who gets no answer asks ``again``, or never comes back."""
        sent = {"content-type": "application/json", **headers} | ({} if key is None else {"Idempotency-Key": key})
        event = http_event(
            method,
            path or self._path(action, job),
            claims=access_claims("alice"),
            body=json.dumps({} if body is None else body),
            headers=sent,
        )
        return Invocation(
            function="api",
            event=event,
            milliseconds_left=29_000,
            acknowledged=_accepted,
            repeated=partial(self._ask_again, event) if again else None,
        )

    def _ask_again(self, event: Mapping[str, Any]) -> None:
        """As a client does: at once, and once more later where it is told to."""
        if self.desk.client().send(event).status in _LATER:
            self.pass_time()
            assert self.desk.client().send(event).status < 300

    def creation(
        self, topics: int | Sequence[str], *, key: str | None = None, again: bool = True, **options: Any
    ) -> Invocation:
        """A request for a new job."""
        body = body_of(*self._body(topics), **self._options(options))
        return self.request("", None, body, key=key, again=again)

    def delivery(self, *, dead_letters: bool = False) -> Invocation:
        """The next message of the work queue, or of its dead letters, as Lambda hands it over."""
        url = self.queue.dead_letters_url if dead_letters else self.queue.url
        message = self._take(url)
        assert message is not None, "the queue is empty"
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": dict(message["Attributes"]),
            "eventSource": "aws:sqs",
        }

        def acknowledged(answer: Mapping[str, Any]) -> None:
            if not answer["batchItemFailures"]:
                self._delete(url, message)

        return Invocation(
            function="dead_letters" if dead_letters else "processor",
            event={"Records": [record]},
            acknowledged=acknowledged,
        )

    def invocation(self, message: LaneMessage) -> Invocation:
        """The processor, asked by process-next: asynchronously, and never again."""
        return Invocation(function="processor", event=message.to_dict())

    def ledger_record(self, job: Ledger) -> Invocation:
        """The stream's word that the job's ledger is as it is now, to the finalizer; it comes until it is taken."""
        image = self.table.client.get_item(
            TableName=self.table.name, Key=_attributes(ledger_key(job.project_id, job.job_id)), ConsistentRead=True
        )["Item"]
        seen = self.workshop.ledger(job)
        return Invocation(
            function="finalizer",
            event={"Records": [{"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}]},
            acknowledged=_whole,
            repeated=lambda: self.workshop.finalizer().close(seen),
        )

    def journal_records(self, records: Sequence[Mapping[str, Any]]) -> Invocation:
        """Records of ledgers' changes, to the journal; they come until they are taken."""
        journal = Journal(EventStore(self.workshop.table), self.workshop.items)
        return Invocation(
            function="journal",
            event={"Records": list(records)},
            acknowledged=_whole,
            repeated=lambda: journal.write([row for record in records for row in journal.rows(record)]),
        )

    def minute(self) -> Invocation:
        """The sweeper's schedule. The next one comes in any case."""
        return Invocation(function="sweeper", event={})

    def run_of(self, invocation: Invocation, **how: Any) -> Run:
        """``invocation`` as a process of its own, now; ``how`` it dies or waits is the run's to say."""
        return Run(
            handler=f"functions.{invocation.function}.handler",
            environ=self._environ(invocation.function),
            now=to_iso(self.clock.now()),
            event=invocation.event,
            milliseconds_left=invocation.milliseconds_left,
            **how,
        )

    def process_next(self, job: Ledger, *, arrives: bool) -> Invocation:
        """A client's request for one item; what it starts may never run."""

        def advance(event: Mapping[str, Any]) -> None:
            self.workshop.advance(LaneMessage.from_dict(event))

        request = self.request("process-next", job, {"wait_seconds": 1}, again=False)
        return replace(request, invokes=advance if arrives else None)

    def die(self, invocation: Invocation, *, at: str) -> None:
        """A process is killed before its call ``at``; its message comes back at once."""
        self.theatre.executioner.carry_out(self.run_of(invocation, dies_at=at))
        self.come_back()

    def _environ(self, function: str) -> dict[str, str]:
        table, queue, topic = self.table.name, self.queue.url, self.theatre.topic_arn
        settings: Mapping[str, DataclassInstance] = {
            "api": ApiSettings(table_name=table, queue_url=queue, processor_function="processor", **self.desk.settings),
            "dead_letters": DeadLettersSettings(
                table_name=table, queue_url=queue, dead_letters_url=self.queue.dead_letters_url
            ),
            "finalizer": FinalizerSettings(table_name=table, topic_arn=topic),
            "journal": JournalSettings(table_name=table),
            "processor": ProcessorSettings(
                table_name=table, queue_url=queue, anthropic_base_url=self.theatre.offline_claude.base_url
            ),
            "sweeper": SweeperSettings(
                table_name=table, queue_url=queue, topic_arn=topic, retention_days=self.retention_days
            ),
        }
        return environment.variables(settings[function])

    # ------------------------------------------------------------------------------------------ the queue

    def _take(self, url: str) -> MessageTypeDef | None:
        messages = self.theatre.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        for message in messages:
            self.taken.append((url, message["ReceiptHandle"]))
            return message
        return None

    def _delete(self, url: str, message: MessageTypeDef) -> None:
        self.theatre.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.taken.remove((url, message["ReceiptHandle"]))

    def cancel_all(self) -> None:
        """Their owners cancel all jobs that can be cancelled."""
        for job in self.ledgers():
            if job.status is not JobStatus.INTAKE and not job.final:
                self.ask("cancel", job)

    def only(self) -> Ledger:
        """The job, where there is one."""
        (job,) = self.ledgers()
        return job

    def hold(self, job: Ledger, lane: int = 0) -> None:
        """A worker has claimed the lane and is not heard of again."""
        held = self.workshop.processor().settler.claimer.acquire(self.workshop.message(job, lane))
        assert isinstance(held, Held), held

    def ended_with_a_failure(self, **options: Any) -> Ledger:
        """A job whose first item was lost with its worker, and may go well at the next try."""
        self.hold(self.create(2, max_attempts=1, **options))
        self.pass_time()
        self.finish()
        job = self.only()
        assert (job.status, job.notified_generation) == (JobStatus.PARTIALLY_FAILED, 1), job
        return job

    def consume_stale(self) -> bool:
        """One message of an earlier epoch goes; False, and it stays, where the next one is of the present epoch."""
        message = self._take(self.queue.url)
        assert message is not None, "the queue is empty"
        if LaneMessage.from_json(message["Body"]).epoch == self.only().epoch:
            self.come_back()
            return False
        self._delete(self.queue.url, message)
        return True

    def lose_messages(self) -> None:
        """All messages are gone, whoever had them."""
        for url in (self.queue.url, self.queue.dead_letters_url):
            while (message := self._take(url)) is not None:
                self._delete(url, message)

    def consume(self) -> bool:
        """One invocation of the processor with the next message, and whether there was one."""
        message = self._take(self.queue.url)
        if message is None:
            return False
        delivery = Delivery(
            message["ReceiptHandle"], message["MessageId"], int(message["Attributes"]["ApproximateReceiveCount"])
        )
        lane_message = LaneMessage.from_json(message["Body"])
        processor = self.workshop.processor()
        disposition = processor.advance(
            lane_message, delivery=delivery, trace_id="survivor", seconds_left=lambda: self.workshop.seconds_left
        )
        if processor.finish(lane_message, delivery, disposition):
            self._delete(self.queue.url, message)
        return True

    def consume_all(self) -> None:
        """All messages that can be received, one after the other, each once."""
        while self.consume():
            pass

    def bury(self, message: LaneMessage) -> None:
        """The queue has given ``message`` up."""
        self.theatre.sqs.send_message(
            QueueUrl=self.queue.dead_letters_url,
            MessageBody=message.to_json(),
            MessageGroupId=f"{message.job}:{message.lane}",
            MessageDeduplicationId=uuid.uuid4().hex,
        )

    def handle_letters(self) -> None:
        """The dead letters' function, with every letter that can be received."""
        while (message := self._take(self.queue.dead_letters_url)) is not None:
            disposition = self.workshop.redriver().handle(LaneMessage.from_json(message["Body"]), trace_id="survivor")
            if isinstance(disposition, Acknowledge):
                self._delete(self.queue.dead_letters_url, message)

    # ------------------------------------------------------------------------------------------ what goes on

    def pass_time(self, seconds: float = PATIENCE_SECONDS) -> None:
        """The clock goes on, and what was taken comes back."""
        self.clock.advance(seconds)
        self.come_back()

    def come_back(self) -> None:
        """Every message that somebody has taken and not deleted can be received again."""
        for url, receipt in self.taken:
            self.theatre.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
        self.taken.clear()

    def finish(self) -> None:
        """Everything that the queue asks for is done, the jobs with nothing open end, and their end is told."""
        self.consume_all()
        self._tell_the_finalizer()

    def sweep(self) -> None:
        """One run of the sweeper."""
        with self.counting_closed():
            self.workshop.sweep()

    @contextmanager
    def counting_closed(self) -> Iterator[None]:
        """Whatever the sweeper does in here to leases is a close: no other repair of its touches one."""
        before = {job.job_id: job.held for job in self.ledgers()}
        yield
        for job in self.ledgers():
            self.closed[job.job_id] += before.get(job.job_id, job.held) - job.held

    def ledgers(self) -> list[Ledger]:
        """Every job, those in intake too, oldest first."""
        rows = self.workshop.table.query(project_partition(self.desk.project), prefix=JOB_PREFIX, consistent=True)
        return [ledger_from_row(row) for row in rows]

    def live_on(self) -> None:
        """Nobody dies any more: everybody does what they must, until every job has ended and its end was told."""
        for _ in range(_ROUNDS):
            jobs = self.ledgers()
            if all(job.final and job.notified_generation == job.generation for job in jobs):
                return
            self.pass_time()
            self.sweep()
            for job in jobs:
                if job.status is JobStatus.PAUSED and job.open:
                    self._resume(job)
            self.consume_all()
            self.handle_letters()
            self._tell_the_finalizer()
        raise AssertionError(f"jobs did not end: {self.ledgers()}")

    def _resume(self, job: Ledger) -> None:
        short = job.pause_reason is PauseReason.BUDGET_EXHAUSTED
        self.ask("resume", job, {"budget_usd": PLENTY_USD} if short else None)

    def _tell_the_finalizer(self) -> None:
        for job in self.ledgers():
            if not job.open and not job.final and job.status is not JobStatus.INTAKE:
                self.workshop.finalizer().close(job)

    # ------------------------------------------------------------------------------------------ what must be so

    def snapshot(self, job: Ledger, rows: Sequence[ItemRow] | None = None) -> Snapshot:
        """The job as every reader may see it now; ``rows`` are its items where they were read."""
        items = self.workshop.all_items(job) if rows is None else rows
        outcomes = {row.position: row.outcome for row in items if row.outcome is not None}
        lists: list[list[int]] = [[] for _ in job.lanes]
        for position, place in sorted(self.workshop.items.work(job).items(), key=lambda entry: entry[1].index):
            lists[place.lane].append(position)
        return Snapshot(job, outcomes, tuple(map(tuple, lists)))

    def check_now(self) -> set[str]:
        """The protocol's invariants hold for every job that can be seen; the keys of all outcomes that stand."""
        recorded, jobs = set[str](), self.ledgers()
        self._check_load(jobs)
        for job in jobs:
            now = self.snapshot(job)
            if job.status is not JobStatus.INTAKE:
                check(now, History(max_attempts=5))
            recorded |= {
                idempotency_key(job.job_id, outcome.generation, position) for position, outcome in now.outcomes.items()
            }
        return recorded

    def called(self) -> Counter[str]:
        """How often Claude was asked, by the key of item and generation."""
        return Counter(call.key for call in self.theatre.offline_claude.calls)

    def check_end(self, *, spared: int) -> None:
        """Every job has ended as it must: exact ledger, calls within bounds, told under one id, nothing left behind.

        Args:
            spared: calls that ended in an error of the account: no attempts.
        """
        told, calls, jobs = {note["id"] for note in self.theatre.told()}, self.called(), self.ledgers()
        self._check_load(jobs)
        for job in jobs:
            self._check_end_of(job, calls, spared)
            # The final status is what the counts say, and was told of under one id for each generation.
            assert final_status(replace(job, status=JobStatus.PROCESSING)) is job.status, job
            expected = {f"{job.job_id}:{generation}" for generation in range(1, job.generation + 1)}
            assert {note for note in told if note.startswith(job.job_id)} == expected, told
        self.pass_time()
        self.consume_all()
        self.handle_letters()
        assert self.called() == calls, "Claude was asked after the end"
        assert not self.taken, "a message outlived its job"

    def _check_load(self, jobs: Sequence[Ledger]) -> None:
        """What the owner and the project have taken up is what the jobs take up, at every moment."""
        load = LoadStore(self.workshop.table).read("alice", self.desk.project)
        assert load.unfinished == sum(not job.final for job in jobs), (load, jobs)
        project = self.workshop.table.get(project_key(self.desk.project), consistent=True) or {"deleted_at": None}
        usage = UsageStore(self.workshop.table).read(self.desk.project, month_of(self.workshop.clock.now()))
        reserved, used = Amount(), Amount()
        here = {job.job_id for job in jobs}
        for job in (*jobs, *(job for job in self.to_delete if job.job_id not in here)):
            reserved += Amount() if job.final else booked_in(job)
            used += Amount(job.settled_items, job.settled_microusd) + (used_in(job) if job.final else Amount())
        if "deleted_at" in project and not jobs and not usage.used.items:
            used = Amount()  # what a deleted project has used is erased with it
        assert (usage.reserved, usage.used) == (reserved, used), (usage, jobs)

    def _check_end_of(self, job: Ledger, calls: Counter[str], spared: int) -> None:
        rows = self.workshop.all_items(job)
        spec = self.workshop.items.require_spec(job.job_id)
        lost = sum(attempt.possible_duplicate_spend for row in rows for attempt in row.attempts)
        budget = spec.options.budget_microusd
        check(
            self.snapshot(job, rows),
            History(
                max_attempts=spec.options.max_attempts,
                budget_microusd=None if budget is None else budget + job.raised_microusd,
                lost_microusd=(lost + self.closed[job.job_id]) * job.est_microusd,
            ),
        )
        for row in rows:
            for generation in range(1, job.generation + 1):
                tries = sum(attempt.generation == generation for attempt in row.attempts)
                made = calls[idempotency_key(job.job_id, generation, row.position)]
                # A lane that was cancelled under a call tells of no attempt.
                assert made <= tries + spared + (row.outcome is None), (row.position, generation, made, tries)

    def outcome(self) -> str:
        """How the jobs ended, in words: ``completed: 2 completed``."""
        return "; ".join(map(_told, self.ledgers())) or "no job"


def _told(job: Ledger) -> str:
    counts = {"completed": job.counts.completed, "failed": job.counts.failed, "cancelled": job.counts.cancelled}
    return f"{job.status}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _accepted(answer: Mapping[str, Any]) -> None:
    assert answer["statusCode"] < 300, answer


def _whole(answer: Mapping[str, Any]) -> None:
    assert answer == {"batchItemFailures": []}, answer


def _attributes(key: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"S": value} for name, value in key.items()}


@contextmanager
def staged(theatre: Theatre) -> Iterator[Stage]:
    """A stage with an empty table and an empty queue, both gone at the end."""
    theatre.offline_claude.clear()
    with (
        fresh_table(theatre.dynamodb) as table,
        theatre.borrowed_queue() as queue,
        patch.object(secrets, "randbits", one_shard(secrets.randbits)),
    ):
        yield Stage(theatre, table, queue)
