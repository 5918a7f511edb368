"""The entry: stream records in, a partial batch response out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.finalizer import handler as entry
from functions.finalizer.settings import FinalizerSettings
from shared import environment
from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes
from shared.store.ledger_rows import ledger_row
from tests.support.lambda_context import FakeContext
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def cold_start(
    moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workshop]:
    """A function that has not run yet, with a topic whose messages arrive in the work queue's neighbour."""
    workshop = Workshop.over(moto_table, moto_work_queue, clock=clock)
    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="jobs")["TopicArn"]
    for name, value in environment.variables(FinalizerSettings(table_name=moto_table.name, topic_arn=topic)).items():
        monkeypatch.setenv(name, value)
    entry.finalizer.cache_clear()
    yield workshop
    entry.finalizer.cache_clear()


def record(ledger: Ledger, sequence_number: str) -> dict[str, Any]:
    """What a stream tells of a ledger."""
    return {
        "eventName": "MODIFY",
        "dynamodb": {"SequenceNumber": sequence_number, "NewImage": attributes(ledger_row(ledger))},
    }


def _finished(workshop: Workshop) -> Ledger:
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    return workshop.ledger(job)


def test_jobs_are_closed_and_told_when_their_ledgers_have_nothing_open(cold_start: Workshop) -> None:
    sqs, sns = boto3.client("sqs", region_name="us-east-1"), boto3.client("sns", region_name="us-east-1")
    inbox = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=entry.finalizer().topic.arn, Protocol="sqs", Endpoint=arn)  # type: ignore[attr-defined]
    jobs = [_finished(cold_start), _finished(cold_start)]
    event = {"Records": [record(job, str(number)) for number, job in enumerate(jobs)]}

    assert entry.handler(event, FakeContext()) == {"batchItemFailures": []}

    assert {cold_start.ledger(job).status for job in jobs} == {JobStatus.COMPLETED}
    told = [
        json.loads(json.loads(message["Body"])["Message"])
        for message in sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10)["Messages"]
    ]
    assert {body["id"] for body in told} == {f"{job.job_id}:1" for job in jobs}


def test_stream_comes_back_to_the_first_record_that_failed(cold_start: Workshop) -> None:
    first, last = _finished(cold_start), _finished(cold_start)
    broken = record(first, "2")
    del broken["dynamodb"]["NewImage"]["status"]
    event = {"Records": [record(first, "1"), broken, record(last, "3")]}

    assert entry.handler(event, FakeContext()) == {"batchItemFailures": [{"itemIdentifier": "2"}]}

    assert cold_start.ledger(first).status is JobStatus.COMPLETED
    assert cold_start.ledger(last).status is JobStatus.PROCESSING
