"""Lines of every function, as they stand in the log: what they are about, by names that are the same everywhere."""

from __future__ import annotations

import io
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from shared.errors import ErrorCode, item_error
from shared.log_keys import names_in_change
from shared.store.attributes import attributes
from shared.store.keys import ledger_key
from shared.store.ledger_rows import FORMAT
from tests.support.http_events import REQUEST_ID, http_event
from tests.support.lambda_context import FakeContext
from tests.support.stream_records import record_of_rows
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from tests.support.resources import QueueHandle, TableHandle

    EventOf = Callable[[Workshop, Ledger], dict[str, Any]]

NAMES = {"project", "job", "lane", "position", "generation", "attempt"}
MADE = ("edge", "eraser", "finalizer", "journal", "letters", "meter", "processor", "redriver", "services", "sweeper")
"""What handlers make once."""
LONG_AGO = "2026-01-01T00:00:00.000Z"


def written(workshop: Workshop, job: Ledger, **changes: Any) -> dict[str, Any]:
    """The job's row with ``changes``, as it stands in the table from now on."""
    row = (workshop.table.get(ledger_key(job.project_id, job.job_id)) or {}) | changes
    workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes(row))
    return row


def delivery(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    """An event of the queue."""
    message = {"messageId": "m", "receiptHandle": "r", "body": workshop.message(job).to_json()}
    return {"Records": [message | {"attributes": {"ApproximateReceiveCount": "1"}}]}


def of_a_failed_call(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    workshop.claude.errors[1].append(item_error(ErrorCode.TIMEOUT, "too slow"))
    return delivery(workshop, job)


def of_a_later_version(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    event = delivery(workshop, job)
    written(workshop, job, format=FORMAT + 1)
    return event


def of_a_letter_too_many(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    for _ in range(3):
        workshop.redriver().handle(workshop.message(job), trace_id="before")
    return delivery(workshop, job)


def of_a_broken_row(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    return {"Records": [record_of_rows(None, written(workshop, job, status="no status"), 7)]}


def of_a_minute(workshop: Workshop, job: Ledger, **changes: Any) -> dict[str, Any]:
    written(workshop, job, check_at=LONG_AGO, last_activity_at=LONG_AGO, **changes)
    return {}


def of_a_minute_with_a_mismatch(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    return of_a_minute(workshop, job, open=9)


def of_a_minute_with_a_broken_row(workshop: Workshop, job: Ledger) -> dict[str, Any]:
    return of_a_minute(workshop, job, status="no status")


def of_a_request(_: Workshop, job: Ledger) -> dict[str, Any]:
    return http_event("GET", f"/v1/projects/{job.project_id}/jobs/{job.job_id}/items/1", claims={"username": "ada"})


@pytest.fixture
def logged_by(
    moto_table: TableHandle, moto_work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, EventOf], tuple[Ledger, list[dict[str, Any]]]]:
    """A job, and the lines that a function writes which has not run yet."""
    workshop = Workshop.over(moto_table, moto_work_queue)
    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="jobs")["TopicArn"]
    for name, value in {
        "TABLE_NAME": moto_table.name,
        "QUEUE_URL": moto_work_queue.url,
        "DEAD_LETTERS_URL": moto_work_queue.dead_letters_url,
        "TOPIC_ARN": topic,
    }.items():
        monkeypatch.setenv(f"PRESSROOM_{name}", value)
    monkeypatch.delenv("PRESSROOM_PROCESSOR_FUNCTION", raising=False)  # so that the api finds no settings
    monkeypatch.setattr("functions.processor.handler.ClaudeClient.from_settings", lambda _: workshop.claude)

    def run(function: str, event_of: EventOf) -> tuple[Ledger, list[dict[str, Any]]]:
        entry, log, job = import_module(f"functions.{function}.handler"), io.StringIO(), workshop.job(2)
        made = [getattr(entry, name) for name in MADE if hasattr(getattr(entry, name, None), "cache_clear")]
        for each in made:
            each.cache_clear()
        monkeypatch.setattr(entry.logger.registered_handler, "stream", log)
        entry.handler(event_of(workshop, job), FakeContext())
        for each in made:
            each.cache_clear()
        # Nothing of it stays for what the machine is asked next.
        assert not NAMES & entry.logger.get_current_keys().keys()
        return job, [json.loads(line) for line in log.getvalue().splitlines()]

    return run


@pytest.mark.parametrize(
    ("function", "event_of", "message", "further"),
    [
        ("processor", of_a_failed_call, "the call failed", {"lane": 0, "position": 1, "generation": 1, "attempt": 1}),
        ("processor", of_a_later_version, "the job cannot be read", {"lane": 0}),
        (
            "dead_letters",
            of_a_letter_too_many,
            "an item was given up: its message died again and again",
            {"lane": 0, "position": 1, "generation": 1, "attempt": 0},
        ),
        ("dead_letters", of_a_later_version, "a dead letter's job cannot be read", {"lane": 0}),
        ("journal", of_a_broken_row, "a change could not be told", {"generation": 1}),
        ("finalizer", of_a_broken_row, "a job could not be closed", {"generation": 1}),
        (
            "sweeper",
            of_a_minute_with_a_mismatch,
            "a ledger and its items disagree; nothing was changed",
            {"generation": 1},
        ),
        ("sweeper", of_a_minute_with_a_broken_row, "a job could not be looked at", {}),
        ("api", of_a_request, "a request met a fault of ours", {"position": "1"}),
    ],
)
def test_line_tells_what_it_is_about_when_something_goes_wrong(
    logged_by: Callable[[str, EventOf], tuple[Ledger, list[dict[str, Any]]]],
    function: str,
    event_of: EventOf,
    message: str,
    further: dict[str, Any],
) -> None:
    job, lines = logged_by(function, event_of)

    line = next(each for each in lines if each["message"] == message)
    about = {"project": job.project_id, "job": job.job_id, **further}
    assert {name: line[name] for name in NAMES & line.keys()} == about
    assert line["correlation_id"] == (REQUEST_ID if function == "api" else "trace-1")
    assert line["service"] == function


def test_change_has_the_names_that_can_be_told_when_the_rest_is_unreadable() -> None:
    image = {"pk": {"S": "PROJECT#1"}, "sk": {"S": "JOB#2"}, "generation": {"N": "many"}}

    assert names_in_change({"dynamodb": {"NewImage": image}}) == {"project": "prj_1", "job": "job_2"}
    assert names_in_change({"dynamodb": {}}) == {}
