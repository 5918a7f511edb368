"""Real handlers in fresh processes of their own bundles: what each event takes of memory, CPU and log.

The table, the queues and the topic are an emulator's, Claude is the offline one, and both are other processes than the
function's. Every event is one that AWS would have sent: of a job that really stands in the table, of a message that
was received, of records that the table's stream wrote.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.journal import stream_records
from functions.finalizer.settings import STREAM_FILTERS as CLOSING
from functions.journal.settings import STREAM_FILTERS as TELLING
from pressroom.local.claude.server import OfflineClaude
from pressroom.local.event_filters import EventFilters
from pressroom.local.resources import Clients
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.projects import Project, ProjectStore
from tests.support.emulator import CREDENTIALS
from tests.support.http_events import access_claims, http_event
from tests.support.resources import fresh_queue, fresh_table
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.emulator import Emulator
    from tests.support.resources import QueueHandle, TableHandle

__all__ = ["FUNCTIONS", "Handled", "Stage", "open_stage", "run"]

FUNCTIONS: Final = ("api", "dead_letters", "finalizer", "journal", "processor", "sweeper")
_BATCH: Final = 100
"""Records that the journal gets at once, at most."""
_USER: Final = "bench"


@dataclass(frozen=True)
class Handled:
    """What the events of one process took, in their order."""

    imported_megabytes: float
    peak_megabytes: float
    """At the end of all events; a megabyte is 2**20 bytes, as Lambda counts."""
    cpu_seconds: tuple[float, ...]
    log_bytes: int
    """Written by the function, of all events."""
    answers: tuple[Any, ...]

    @property
    def warm_cpu_seconds(self) -> float:
        """Of an event on average, the first left out where there are more: it makes the clients."""
        later = self.cpu_seconds[1:] or self.cpu_seconds
        return sum(later) / len(later)


@dataclass(frozen=True)
class Stage:
    """Where the functions work: the environment of each, and what makes their events."""

    environ: Mapping[str, str]
    table: TableHandle
    queue: QueueHandle
    endpoint_url: str

    def workshop(self) -> Workshop:
        """A workshop over the stage's table and queue; its processor is for what comes before the measured event."""
        return Workshop(DynamoTable(self.table.client, self.table.name), WorkQueue(self.queue.client, self.queue.url))

    def events(self, function: str, items: int) -> list[dict[str, Any]]:
        """The events of ``function`` about a job of ``items``: one for each item, or as many as the job makes."""
        return list(getattr(self, f"_for_{function}")(items))

    def _for_processor(self, items: int) -> Iterator[dict[str, Any]]:
        workshop = self.workshop()
        workshop.dispatch(workshop.job(items, concurrency=items))
        yield from self._received(items)

    def _for_dead_letters(self, items: int) -> Iterator[dict[str, Any]]:
        yield from self._for_processor(items)

    def _received(self, messages: int) -> Iterator[dict[str, Any]]:
        while messages:
            answer = self.queue.client.receive_message(
                QueueUrl=self.queue.url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"]
            )
            for message in answer["Messages"]:
                record = {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                }
                yield {"Records": [record]}
                messages -= 1

    def _for_journal(self, items: int) -> Iterator[dict[str, Any]]:
        records = self._records(items, TELLING)
        for start in range(0, len(records), _BATCH):
            yield {"Records": records[start : start + _BATCH]}

    def _for_finalizer(self, items: int) -> Iterator[dict[str, Any]]:
        yield from ({"Records": [record]} for record in self._records(items, CLOSING))

    def _records(self, items: int, filters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        workshop = self.workshop()
        job = workshop.job(items)
        for _ in range(items):
            workshop.advance(workshop.message(job))
        wanted = EventFilters(filters)
        with Clients(self.endpoint_url) as clients:
            records = list(stream_records(clients.streams, self.table.stream_arn))
        ours = f"JOB#{job.job_id[4:]}"
        return [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] == ours and wanted.match(record)]

    def _for_sweeper(self, items: int) -> Iterator[dict[str, Any]]:
        workshop = self.workshop()
        workshop.job(items)
        yield {}

    def _for_api(self, items: int) -> Iterator[dict[str, Any]]:
        """A job is created and then looked at."""
        workshop = self.workshop()
        project = Project(workshop.project_id, "Benchmark", workshop.clock.now())
        ProjectStore(workshop.table).create(project, owner=_USER)
        body = {"kind": "outline", "items": [{"input": {"topic": f"Topic {number}"}} for number in range(items)]}
        jobs = f"/v1/projects/{project.project_id}/jobs"
        claims = access_claims(_USER)
        sent = {"content-type": "application/json", "idempotency-key": "bench"}
        yield http_event("POST", jobs, claims=claims, body=json.dumps(body), headers=sent)
        yield http_event("GET", jobs, claims=claims)


@contextmanager
def open_stage(emulator: Emulator) -> Iterator[Stage]:
    """A stage on ``emulator``, with a Claude that answers at once."""
    dynamodb, sqs, sns = emulator.client("dynamodb"), emulator.client("sqs"), emulator.client("sns")
    try:
        with fresh_table(dynamodb) as table, fresh_queue(sqs) as queue, OfflineClaude() as claude:
            topic = sns.create_topic(Name=f"{table.name}-topic")["TopicArn"]
            environ = {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": emulator.endpoint_url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "ANTHROPIC_BASE_URL": claude.base_url,
                "NO_PROXY": "127.0.0.1,localhost,::1",
                "PRESSROOM_FORBID_PAID_CALLS": "1",
                "PRESSROOM_TABLE_NAME": table.name,
                "PRESSROOM_QUEUE_URL": queue.url,
                "PRESSROOM_DEAD_LETTERS_URL": queue.url,
                "PRESSROOM_TOPIC_ARN": topic,
                "PRESSROOM_PROCESSOR_FUNCTION": "none",
                "PRESSROOM_ANTHROPIC_API_KEY": "offline",
                "PRESSROOM_ANTHROPIC_BASE_URL": claude.base_url,
                "PRESSROOM_DEFAULT_MODEL": "claude-test",
                "PRESSROOM_PRICE_TABLE_JSON": '{"claude-test": {"input": 1, "output": 1}}',
            }
            yield Stage(environ, table, queue, emulator.endpoint_url)
            sns.delete_topic(TopicArn=topic)
    finally:
        for client in (dynamodb, sqs, sns):
            client.close()


def run(module: str, path: Sequence[Path], environ: Mapping[str, str], events: Sequence[Mapping[str, Any]]) -> Handled:
    """Hand ``events`` to ``module.handler`` in a fresh interpreter that finds only ``path`` and the standard library.

    Raises:
        RuntimeError: the process failed; the message carries what it printed.
    """
    ended = subprocess.run(  # noqa: S603  our own interpreter and our own program
        [sys.executable, "-S", "-P", str(Path(__file__).with_name("alone.py")), module],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
        env={**environ, "PYTHONPATH": ":".join(map(str, path))},
    )
    if ended.returncode:
        raise RuntimeError(f"{module} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    log, _, answer = ended.stdout.rstrip("\n").rpartition("\n")
    told = json.loads(answer)
    return Handled(
        imported_megabytes=told["imported"] / 1024,
        peak_megabytes=max(told["peaks"]) / 1024,
        cpu_seconds=tuple(told["cpu"]),
        log_bytes=len(log.strip("\n").encode()) + len(ended.stderr.encode()),
        answers=tuple(told["answers"]),
    )
