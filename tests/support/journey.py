"""Everything that a deployment is there for, once, through its HTTP API; beside it only what fails in real life.

What fails is made to by an administrator: a mapping that is switched off, a message that is received too often, rows
that are moved into the past so that nobody waits for the time to pass.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self, cast

from functions.dead_letters.redriver import MAX_REDRIVES
from shared.clock import SystemClock, to_iso
from shared.contracts.messages import LaneMessage
from shared.jobs.ids import new_ulid, ulid_of
from shared.queue.queues import WORK_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_sqs.client import SQSClient

    from tests.support.deployment import Deployment
    from tests.support.local_api import Answer
    from tests.support.trail import Access, Trail

__all__ = ["Journey"]

_WITHIN_SECONDS: Final = 240.0
"""A machine with much to do needs long; a step that is denied something ends at once, by the trail."""
_FINAL: Final = frozenset({"completed", "partially_failed", "failed", "cancelled"})


class Journey:
    """One caller's way through a deployment. Any step raises AccessMissingError when a function was denied something.

    ``scheduled`` leaves the sweeper to its schedule, which takes up to a minute; else it is invoked.
    """

    def __init__(self, deployment: Deployment, trail: Trail, caller: str, *, scheduled: bool) -> None:
        self._deployment = deployment
        self._trail = trail
        self._caller = caller
        self._scheduled = scheduled
        self._sqs = cast("SQSClient", deployment.client("sqs"))
        self._dynamodb = cast("DynamoDBClient", deployment.client("dynamodb"))
        self._lambda = cast("LambdaClient", deployment.client("lambda"))
        self._told: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (self._sqs, self._dynamodb, self._lambda):
            client.close()

    def go(self) -> None:
        """The whole way."""
        self._notices = self._deployment.subscribed(f"notices-{self._caller}")
        self._api = self._deployment.user(self._caller)
        self._project = self._api.project()
        self._members()
        self._finished()
        self._driven_by_a_client()
        self._cancelled_in_flight()
        self._received_too_often()
        self._swept()
        self._trail.check()

    def _members(self) -> None:
        project = f"/v1/projects/{self._project}"
        member = f"{project}/members/bob"
        self._ask("PUT", member, {"role": "viewer"})
        for path in ("/v1/limits", "/v1/kinds", "/v1/projects", project, f"{project}/members"):
            self._ask("GET", path)
        self._ask("DELETE", member)

    def _finished(self) -> None:
        """A job ends with a failed item, is told of, read in every way, and tried again."""
        job = self._job(["Tea", "Tea [[claude: status=529 times=1]]"], concurrency=2, max_attempts=1)
        assert self._ended(job)["status"] == "partially_failed"
        for path in ("", "/items", "/items/1", "/results", "/events"):
            self._ask("GET", job + path)
        self._ask("GET", f"/v1/projects/{self._project}/jobs")
        self._ask("GET", f"/v1/projects/{self._project}/jobs?status=active")
        self._until(lambda: bool(self._events(job)))
        self._told.clear()
        self._ask("POST", f"{job}/retry", {}, {"Idempotency-Key": f"again-{self._caller}"})
        assert self._ended(job)["generation"] == 2

    def _driven_by_a_client(self) -> None:
        """A job of more items than a transaction holds; its client drives one and cancels the rest."""
        job = self._job(["Tea"] * 120, {"Idempotency-Key": f"many-{self._caller}"}, drive="client")
        self._until(lambda: self._ask("POST", f"{job}/process-next", {"wait_seconds": 5}).status == 200)
        self._ask("POST", f"{job}/pause")
        self._ask("POST", f"{job}/resume")
        self._ask("POST", f"/v1/projects/{self._project}/jobs/cancel", {"job_ids": [job.rpartition("/")[2]]})
        assert self._ended(job)["counts"]["cancelled"] == 119

    def _cancelled_in_flight(self) -> None:
        """A call is stopped, and a dead letter of its lane waits as long as somebody works there."""
        job = self._job(["Tea [[claude: write=60]]"])
        self._until(lambda: self._view(job)["counts"]["processing"] == 1)
        self._letter(job)
        self._until(lambda: any("ChangeMessageVisibility" in each.action for each in self._done_by("dead_letters")))
        self._ask("POST", f"{job}/cancel")
        assert self._ended(job)["status"] == "cancelled"

    def _received_too_often(self) -> None:
        """Messages that nobody handled: one dies and is brought on, one is replaced just in time, one dies for good."""
        most = WORK_QUEUE.max_receive_count or 0
        with self._switched_off("processor"):
            lost = self._job(["Tea"])
            for _ in range(MAX_REDRIVES + 1):
                self._letter(lost)
            assert self._ended(lost)["error_summary"][0]["code"] == "dead_lettered"
            dead = self._job(["Tea"])
            self._receive(dead, most)
            late = self._job(["Tea [[claude: status=529 retry_after=1 times=1]]"])
            self._receive(late, most - 1)
        assert self._ended(dead)["status"] == "completed"
        assert self._ended(late)["status"] == "completed"

    def _swept(self) -> None:
        """A message is lost, an intake cut short, an end not told of, a project deleted: the sweeper sees to all."""
        closed = self._closed_project()
        long_ago = to_iso(SystemClock().now() - timedelta(minutes=10))
        lost = self._job(["Tea"], drive="client")
        cut = self._job(["Tea"] * 30, {"Idempotency-Key": f"cut-{self._caller}"}, drive="client")
        with self._switched_off("finalizer"):
            untold = self._job(["Tea"], drive="client")
            self._until(lambda: self._ask("POST", f"{untold}/process-next", {"wait_seconds": 5}).status == 200)
            self._rewrite(untold, last_activity_at=long_ago, check_at=long_ago)
            self._rewrite(
                lost, drive="queue", cursor=1, created_at=long_ago, last_activity_at=long_ago, check_at=long_ago
            )
            self._rewrite(
                cut, status="intake", intake_token="gone", intake_key=f"cut-{self._caller}", check_at=long_ago
            )
            if not self._scheduled:
                self._lambda.invoke(FunctionName=self._deployment.function("sweeper"))
            assert self._ended(untold)["status"] == "completed"
        assert self._ended(lost)["status"] == "completed"
        self._until(lambda: self._api.ask("GET", cut).status == 404)
        self._until(lambda: not self._row(closed))

    def _closed_project(self) -> dict[str, Any]:
        """The key of the ledger of a job that has ended, in a project that is deleted."""
        project = self._ask("POST", "/v1/projects", {"name": "Closing"}).body["id"]
        job = self._job(["Tea"], project=project, drive="client")
        self._ask("POST", f"{job}/cancel")
        self._ended(job)
        self._ask("DELETE", f"/v1/projects/{project}")
        return self._key(job)

    @property
    def _outputs(self) -> dict[str, str]:
        return dict(self._deployment.outputs)

    def _ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        answer = self._api.ask(method, path, body, headers=headers)
        self._trail.check()
        assert answer.status < 400, answer
        return answer

    def _job(
        self, topics: list[str], headers: dict[str, str] | None = None, project: str | None = None, **options: Any
    ) -> str:
        """The path of a new job."""
        body = {
            "name": "Spring",
            "kind": "outline",
            "items": [{"input": {"topic": f"{topic} ({number})"}} for number, topic in enumerate(topics, 1)],
            "options": options,
        }
        jobs = f"/v1/projects/{project or self._project}/jobs"
        return f"{jobs}/{self._ask('POST', jobs, body, headers).body['id']}"

    def _view(self, job: str) -> dict[str, Any]:
        view: dict[str, Any] = self._ask("GET", job).body
        return view

    def _events(self, job: str) -> list[Any]:
        events: list[Any] = self._ask("GET", f"{job}/events").body["items"]
        return events

    def _ended(self, job: str) -> dict[str, Any]:
        """The job's view when it has ended and its end was told through topic and queue."""
        self._until(lambda: self._view(job)["status"] in _FINAL)
        self._until(lambda: self._was_told(job.rpartition("/")[2]))
        return self._view(job)

    def _was_told(self, job_id: str) -> bool:
        answer = self._sqs.receive_message(QueueUrl=self._notices, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            body = json.loads(message["Body"])
            self._told[body["job_id"]] = body
            self._sqs.delete_message(QueueUrl=self._notices, ReceiptHandle=message["ReceiptHandle"])
        return job_id in self._told

    def _until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _WITHIN_SECONDS
        while not condition():
            self._trail.check()
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.2)

    @contextmanager
    def _switched_off(self, function: str) -> Iterator[None]:
        """The function's mapping hands nothing on."""
        found = self._lambda.list_event_source_mappings(FunctionName=self._deployment.function(function))
        (mapping,) = found["EventSourceMappings"]
        self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def _receive(self, job: str, times: int) -> None:
        """Receives the job's only message so often without handling it."""
        received = 0
        while received < times:
            answer = self._sqs.receive_message(
                QueueUrl=self._outputs["WorkQueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
            )
            ids = [json.loads(message["Body"])["job"] for message in answer.get("Messages", [])]
            assert ids, "the message is not there"
            received += ids.count(job.rpartition("/")[2])

    def _letter(self, job: str) -> None:
        """Puts a message of the job among the dead letters."""
        job_id = job.rpartition("/")[2]
        letter = LaneMessage(project=self._project, job=job_id, lane=0, epoch=0, timeout_seconds=120)
        self._sqs.send_message(
            QueueUrl=self._outputs["DeadLettersQueueUrl"],
            MessageBody=letter.to_json(),
            MessageGroupId=f"{job_id}:0",
            MessageDeduplicationId=new_ulid(SystemClock().now()),
        )

    def _done_by(self, function: str) -> set[Access]:
        return {access for access in self._trail.used() if access.function == function}

    def _rewrite(self, job: str, **sets: Any) -> None:
        """Edits a ledger by hand: time passes by moving the job into the past."""
        self._dynamodb.update_item(
            TableName=self._outputs["TableName"],
            Key=self._key(job),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in sets),
            ExpressionAttributeNames={f"#{name}": name for name in sets},
            ExpressionAttributeValues={
                f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value}
                for name, value in sets.items()
            },
        )

    def _key(self, job: str) -> dict[str, Any]:
        """The key of the job's ledger."""
        project, job_id = job.split("/")[-3], job.rsplit("/", maxsplit=1)[-1]
        return {"pk": {"S": f"PROJECT#{ulid_of(project)}"}, "sk": {"S": f"JOB#{ulid_of(job_id)}"}}

    def _row(self, key: dict[str, Any]) -> bool:
        """Whether the row still stands."""
        self._trail.check()
        answer = self._dynamodb.get_item(TableName=self._outputs["TableName"], Key=key, ConsistentRead=True)
        return "Item" in answer
