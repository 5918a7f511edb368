"""The entry: a schedule's event in, a summary out, and what alarms look at in the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.sweeper import handler as entry
from functions.sweeper.settings import SweeperSettings
from shared import environment
from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes
from shared.store.erasures import ErasureStore
from shared.store.keys import ledger_key
from tests.support.lambda_context import FakeContext
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def cold_start(
    moto_table: TableHandle, moto_work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workshop]:
    """A function that has not run yet."""
    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="jobs")["TopicArn"]
    settings = SweeperSettings(table_name=moto_table.name, queue_url=moto_work_queue.url, topic_arn=topic)
    for name, value in environment.variables(settings).items():
        monkeypatch.setenv(name, value)
    entry.sweeper.cache_clear()
    entry.eraser.cache_clear()
    entry.meter.cache_clear()
    yield Workshop.over(moto_table, moto_work_queue)
    entry.sweeper.cache_clear()
    entry.eraser.cache_clear()


def age(workshop: Workshop, job: Any, **changes: Any) -> None:
    """Time passes by moving the job into the past."""
    row = workshop.table.get(ledger_key(job.project_id, job.job_id))
    assert row is not None
    long_ago = "2026-01-01T00:00:00.000Z"
    times = {"created_at": long_ago, "check_at": long_ago, "last_activity_at": long_ago}
    workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes(row | times | changes))


def metrics(text: str) -> dict[str, Any]:
    """What CloudWatch counts from the log."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        document = json.loads(line)
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "Pressroom"
            found |= {metric["Name"]: document[metric["Name"]] for metric in directive["Metrics"]}
    return found


def test_summary_tells_what_was_done_when_a_run_is_over(
    cold_start: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    job = cold_start.job(1)
    cold_start.advance(cold_start.message(job))
    age(cold_start, cold_start.ledger(job))

    summary = entry.handler({}, FakeContext())

    assert summary == {
        "looked": 1,
        "failed": 0,
        "mismatched": 0,
        "repaired": {"Finalize": 1},
        "is_whole": True,
        "erased": {},
    }
    assert cold_start.ledger(job).status is JobStatus.COMPLETED
    assert metrics(capsys.readouterr().out) == {"JobsLookedAt": 1, "Repairs": 1}


def test_alarms_have_their_numbers_when_rows_are_wrong(
    cold_start: Workshop, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    age(cold_start, cold_start.dispatch(cold_start.job(2)), open=9)
    age(cold_start, cold_start.job(2), status="no status at all")

    assert entry.handler({}, FakeContext())["failed"] == 1

    assert metrics(capsys.readouterr().out) == {"JobsLookedAt": 2, "LedgerMismatch": 1, "LooksFailed": 1, "Repairs": 1}
    told = {getattr(record, "code", None) for record in caplog.records if record.levelname == "ERROR"}
    assert told == {"ledger_mismatch", "internal_error"}


def test_run_is_cut_short_when_its_time_is_over(
    cold_start: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    age(cold_start, cold_start.job(1))
    monkeypatch.setattr(FakeContext, "get_remaining_time_in_millis", lambda _: 24_000)

    assert entry.handler({}, FakeContext())["is_whole"] is False

    assert metrics(capsys.readouterr().out) == {"JobsLookedAt": 0, "SweepsCutShort": 1}


def test_what_is_deleted_is_erased_when_there_is_too_much_to_look_at(
    cold_start: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = cold_start.job(1)
    cold_start.advance(cold_start.message(deleted))
    cold_start.finalizer().close(cold_start.ledger(deleted))
    told = cold_start.ledger(deleted)
    ErasureStore(cold_start.table).delete_job(told, now=told.created_at, actor="user:test")
    age(cold_start, cold_start.job(1))
    monkeypatch.setattr(FakeContext, "get_remaining_time_in_millis", lambda _: 34_000)

    summary = entry.handler({}, FakeContext())

    assert (summary["looked"], summary["is_whole"], summary["erased"]) == (0, False, {"jobs": 1, "rows": 2})


def test_what_is_deleted_is_erased_when_the_run_has_looked_at_all_jobs(
    cold_start: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    job = cold_start.job(2)
    for _ in range(2):
        cold_start.advance(cold_start.message(job))
    ledger = cold_start.ledger(job)
    cold_start.finalizer().close(ledger)
    told = cold_start.ledger(job)
    ErasureStore(cold_start.table).delete_job(told, now=told.created_at, actor="user:test")

    summary = entry.handler({}, FakeContext())

    assert summary["erased"] == {"jobs": 1, "rows": 3}  # the spec and two items
    assert metrics(capsys.readouterr().out) == {"JobsLookedAt": 0, "RowsErased": 3}
