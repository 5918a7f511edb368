"""The entry: one letter in, a partial batch response out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.dead_letters import handler as entry
from functions.dead_letters.settings import DeadLettersSettings
from shared import environment
from shared.errors import QueueUnavailableError
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
    settings = DeadLettersSettings(
        table_name=moto_table.name,
        queue_url=moto_work_queue.url,
        dead_letters_url=moto_work_queue.dead_letters_url,
    )
    for name, value in environment.variables(settings).items():
        monkeypatch.setenv(name, value)
    entry.redriver.cache_clear()
    entry.letters.cache_clear()
    yield Workshop.over(moto_table, moto_work_queue)
    entry.redriver.cache_clear()
    entry.letters.cache_clear()


def deliver(queue: QueueHandle, body: str) -> dict[str, Any]:
    """The event of a letter that stands in the dead letters."""
    queue.client.send_message(
        QueueUrl=queue.dead_letters_url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId="d"
    )
    [message] = queue.client.receive_message(QueueUrl=queue.dead_letters_url)["Messages"]
    record = {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"]}
    return {"Records": [record]}


def visible(queue: QueueHandle) -> str:
    answer = queue.client.get_queue_attributes(
        QueueUrl=queue.dead_letters_url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return answer["Attributes"]["ApproximateNumberOfMessages"]


def test_letter_is_kept_when_a_later_version_wrote_it(cold_start: Workshop, moto_work_queue: QueueHandle) -> None:
    body = cold_start.message(cold_start.job(1)).to_dict() | {"priority": 1}
    event = deliver(moto_work_queue, json.dumps(body))

    kept = entry.handler(event, FakeContext())

    assert kept == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}


def test_letter_goes_when_its_message_was_sent_again(
    cold_start: Workshop, moto_work_queue: QueueHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    entry.prepare()
    job = cold_start.job(1)
    event = deliver(moto_work_queue, cold_start.message(job).to_json())

    assert entry.handler(event, FakeContext()) == {"batchItemFailures": []}

    received = cold_start.receive()
    assert received is not None
    assert received[0] == cold_start.message(job)
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in line]
    assert [line["DeadLetters"] for line in counted] == [1]


@pytest.mark.parametrize("queue_answers", [True, False])
def test_letter_is_kept_when_its_lane_is_busy(
    cold_start: Workshop, moto_work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch, queue_answers: bool
) -> None:
    job = cold_start.job(1)
    cold_start.processor().settler.claimer.acquire(cold_start.message(job))
    event = deliver(moto_work_queue, cold_start.message(job).to_json())
    kept: list[float] = []

    def keep(_queue: object, _receipt: str, *, seconds: float) -> None:
        kept.append(seconds)
        if not queue_answers:
            raise QueueUnavailableError("away")

    monkeypatch.setattr("shared.queue.dispatch.WorkQueue.keep", keep)

    answer = entry.handler(event, FakeContext())

    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert 140 < kept[0] <= 145


def test_letter_goes_when_nothing_of_ours_wrote_it(cold_start: Workshop, moto_work_queue: QueueHandle) -> None:
    assert cold_start.receive() is None

    assert entry.handler(deliver(moto_work_queue, "{}"), FakeContext()) == {"batchItemFailures": []}
    assert visible(moto_work_queue) == "0"
