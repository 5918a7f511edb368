"""The entry: real events in, a partial batch response out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from functions.processor import handler as entry
from functions.processor.settings import ProcessorSettings
from shared import environment
from shared.errors import SettingsError
from shared.store.attributes import attributes
from shared.store.keys import ledger_key
from shared.store.ledger_rows import FORMAT
from tests.support.lambda_context import FakeContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.workshop import Workshop


@pytest.fixture
def cold_start(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A function that has not run yet; its Claude is the workshop's."""
    settings = ProcessorSettings(table_name=workshop.table.name, queue_url=workshop.queue.url)
    for name, value in environment.variables(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("functions.processor.handler.ClaudeClient.from_settings", lambda _: workshop.claude)
    entry.processor.cache_clear()
    yield workshop
    entry.processor.cache_clear()


def sqs_event(workshop: Workshop) -> dict[str, Any]:
    """What Lambda makes of one message."""
    answer = workshop.queue.client.receive_message(QueueUrl=workshop.queue.url, MessageSystemAttributeNames=["All"])
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in answer["Messages"]
        ]
    }


def test_message_is_acknowledged_when_its_item_is_settled(cold_start: Workshop) -> None:
    job = cold_start.dispatch(cold_start.job(1))
    assert entry.handler(sqs_event(cold_start), FakeContext()) == {"batchItemFailures": []}
    assert cold_start.ledger(job).completed == 1


def test_message_is_reported_as_kept_when_the_lane_is_busy(cold_start: Workshop) -> None:
    job = cold_start.dispatch(cold_start.job(1))
    entry.processor().settler.claimer.acquire(cold_start.message(job))
    event = sqs_event(cold_start)
    kept = entry.handler(event, FakeContext())
    assert kept == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}


def test_item_is_settled_when_the_invocation_is_direct(cold_start: Workshop) -> None:
    job = cold_start.job(1)
    event = cold_start.message(job, index=0).to_dict()
    assert entry.handler(event, FakeContext()) == {"disposition": "item 1 completed"}
    assert cold_start.ledger(job).completed == 1


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"project": 1}'])
def test_message_is_dropped_when_it_is_none_of_ours(cold_start: Workshop, body: str) -> None:
    record = {"messageId": "m1", "receiptHandle": "r", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}
    assert entry.handler({"Records": [record]}, FakeContext()) == {"batchItemFailures": []}
    assert cold_start.claude.calls == []


def test_message_is_kept_when_a_later_version_wrote_it(cold_start: Workshop) -> None:
    body = cold_start.message(cold_start.job(1)).to_dict() | {"priority": 1}
    cold_start.queue.client.send_message(
        QueueUrl=cold_start.queue.url, MessageBody=json.dumps(body), MessageGroupId="g", MessageDeduplicationId="d"
    )
    event = sqs_event(cold_start)

    kept = entry.handler(event, FakeContext())

    assert kept == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert cold_start.claude.calls == []


def test_job_is_not_touched_when_a_later_version_wrote_it(cold_start: Workshop) -> None:
    job = cold_start.dispatch(cold_start.job(1))
    key = ledger_key(job.project_id, job.job_id)
    row = (cold_start.table.get(key) or {}) | {"format": FORMAT + 1}
    cold_start.table.client.put_item(TableName=cold_start.table.name, Item=attributes(row))
    event = sqs_event(cold_start)

    kept = entry.handler(event, FakeContext())

    assert kept == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert cold_start.table.get(key) == row
    assert cold_start.claude.calls == []


@pytest.mark.acceptance(22)
def test_work_goes_on_when_every_step_is_a_cold_start(cold_start: Workshop) -> None:
    job = cold_start.dispatch(cold_start.job(3))
    for _ in range(3):
        entry.processor.cache_clear()
        event = sqs_event(cold_start)
        assert entry.handler(event, FakeContext()) == {"batchItemFailures": []}
        # Lambda deletes what was acknowledged; the group's next message is visible only then.
        receipt = event["Records"][0]["receiptHandle"]
        cold_start.queue.client.delete_message(QueueUrl=cold_start.queue.url, ReceiptHandle=receipt)
    assert cold_start.ledger(job).completed == 3


def test_start_fails_with_the_variables_name_when_a_setting_is_missing(
    cold_start: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = cold_start.message(cold_start.job(1)).to_dict()
    monkeypatch.delenv("PRESSROOM_TABLE_NAME")
    assert "PRESSROOM_TABLE_NAME" not in os.environ
    with pytest.raises(SettingsError, match="PRESSROOM_TABLE_NAME"):
        entry.handler(message, FakeContext())
