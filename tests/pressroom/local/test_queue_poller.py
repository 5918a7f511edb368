"""The queue's driver on a real FIFO queue."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local import queue_poller
from pressroom.local.errors import WorkerDiedError
from pressroom.local.queue_poller import QueuePoller
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.resources import QueueHandle


@contextmanager
def polling(
    queue: QueueHandle, invoke: Callable[[dict[str, Any]], Any], *, concurrency: int = 8
) -> Iterator[QueuePoller]:
    poller = QueuePoller(queue.client, queue_url=queue.url, queue_arn=queue.arn, invoke=invoke, concurrency=concurrency)
    with closing(poller):
        poller.start()
        yield poller


def send(queue: QueueHandle, group: str, body: str) -> None:
    queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=f"{group}-{body}",
        MessageAttributes={"colour": {"DataType": "String", "StringValue": "green"}},
    )


def waiting(queue: QueueHandle) -> int:
    """How many messages are left, in flight or not."""
    attributes = queue.client.get_queue_attributes(
        QueueUrl=queue.url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(int(value) for value in attributes.values())


def test_event_is_lambdas_and_the_message_is_deleted_when_the_handler_is_done(work_queue: QueueHandle) -> None:
    events: list[dict[str, Any]] = []
    send(work_queue, "job:0", '{"lane": 0}')

    with polling(work_queue, events.append):
        eventually(lambda: waiting(work_queue) == 0)

    (record,) = events[0]["Records"]
    assert json.loads(record["body"]) == {"lane": 0}
    assert record["attributes"]["MessageGroupId"] == "job:0"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageDeduplicationId"] == 'job:0-{"lane": 0}'
    assert record["messageAttributes"] == {
        "colour": {"stringValue": "green", "stringListValues": [], "binaryListValues": [], "dataType": "String"}
    }
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == (
        "aws:sqs",
        work_queue.arn,
        "us-east-1",
    )
    assert record.keys() == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }


@pytest.mark.acceptance(13)
def test_groups_run_side_by_side_and_each_in_order_when_there_are_many_messages(work_queue: QueueHandle) -> None:
    lock = threading.Lock()
    seen: dict[str, list[int]] = defaultdict(list)
    at_work: set[str] = set()
    most = [0]

    def invoke(event: dict[str, Any]) -> None:
        (record,) = event["Records"]
        group = record["attributes"]["MessageGroupId"]
        with lock:
            assert group not in at_work
            at_work.add(group)
            most[0] = max(most[0], len(at_work))
        time.sleep(0.02)
        with lock:
            at_work.discard(group)
            seen[group].append(int(record["body"]))

    groups = [f"job:{lane}" for lane in range(6)]
    for number in range(4):
        for group in groups:
            send(work_queue, group, str(number))

    with polling(work_queue, invoke, concurrency=4):
        eventually(lambda: waiting(work_queue) == 0)

    assert seen == {group: [0, 1, 2, 3] for group in groups}
    assert most[0] == 4


@pytest.mark.parametrize("identifier", [None, "", "its own"])
def test_message_stays_when_the_handler_asks_for_it(work_queue: QueueHandle, identifier: str | None) -> None:
    events: list[dict[str, Any]] = []

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        events.append(event)
        (record,) = event["Records"]
        work_queue.client.change_message_visibility(
            QueueUrl=work_queue.url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=1
        )
        kept = record["messageId"] if identifier == "its own" else identifier
        return {"batchItemFailures": [{"itemIdentifier": kept}] if len(events) == 1 else []}

    send(work_queue, "job:0", "1")
    with polling(work_queue, invoke):
        eventually(lambda: waiting(work_queue) == 0)

    assert [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in events] == ["1", "2"]


def test_message_comes_back_when_its_worker_died(work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_poller, "_VISIBILITY_SECONDS", 1)
    events: list[dict[str, Any]] = []

    def invoke(event: dict[str, Any]) -> None:
        events.append(event)
        if len(events) == 1:
            raise WorkerDiedError("processor")

    send(work_queue, "job:0", "1")
    with polling(work_queue, invoke):
        eventually(lambda: waiting(work_queue) == 0)

    assert len(events) == 2


def test_message_is_taken_up_soon_when_the_queue_was_idle(work_queue: QueueHandle) -> None:
    taken = threading.Event()
    with polling(work_queue, lambda _: taken.set()):
        time.sleep(0.3)
        send(work_queue, "job:0", "1")

        assert taken.wait(0.5)


def test_message_in_hand_is_finished_and_no_other_begun_when_the_poller_closes(work_queue: QueueHandle) -> None:
    begun, finish = threading.Event(), threading.Event()
    done: list[str] = []

    def invoke(event: dict[str, Any]) -> None:
        begun.set()
        finish.wait(5)
        done.append(event["Records"][0]["body"])

    for number in range(3):
        send(work_queue, "job:0", str(number))
    with polling(work_queue, invoke) as poller:
        assert begun.wait(5)
        poller.stop()
        finish.set()

    assert done == ["0"]
    assert waiting(work_queue) == 2


def test_poller_goes_on_when_the_queue_did_not_answer_for_a_while(
    work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue_poller, "_TROUBLE_SECONDS", 0.05)
    taken = threading.Event()
    attempts: list[str] = []
    with polling(work_queue, lambda _: taken.set()) as poller:
        poller._client.meta.events.register(
            "provide-client-params.sqs.ReceiveMessage",
            lambda params, **_: attempts.append(params["ReceiveRequestAttemptId"]),
        )
        queue_url, poller._queue_url = poller._queue_url, f"{work_queue.url}-gone"
        eventually(lambda: "does not answer" in caplog.text)
        poller._queue_url = queue_url
        send(work_queue, "job:0", "1")

        assert taken.wait(5)

    unanswered = attempts.count(attempts[0])
    assert unanswered > 1  # one attempt to SQS until it answers: what it hid it then hands over
    assert len(set(attempts)) == len(attempts) - unanswered + 1
