"""Messages for a lane that has lost its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.contracts.messages import LaneMessage
from shared.queue.dispatch import WorkQueue

if TYPE_CHECKING:
    from tests.support.resources import QueueHandle

MESSAGE = LaneMessage(project="prj_1", job="job_1", lane=2, epoch=3, timeout_seconds=120)


def received(queue: QueueHandle, *, acknowledge: bool = True) -> list[tuple[str, str]]:
    """Groups and bodies of what can be received now."""
    found = []
    while messages := queue.client.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        found += [(message["Attributes"]["MessageGroupId"], message["Body"]) for message in messages]
        for message in messages if acknowledge else ():
            queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_messages_pass_by_the_lanes_own_group_when_a_dead_worker_locks_it(work_queue: QueueHandle) -> None:
    queue = WorkQueue(work_queue.client, work_queue.url)
    queue.replace(MESSAGE, nonce="dead")
    assert len(received(work_queue, acknowledge=False)) == 1

    queue.replace(MESSAGE, nonce="waits behind it")
    assert received(work_queue) == []
    queue.send_again(MESSAGE, count=3, ulid="01A")
    queue.send_again(MESSAGE, count=99, ulid="01B")

    found = received(work_queue)
    assert [group for group, _ in found] == ["job_1:2:01A"] * 3 + ["job_1:2:01B"] * 10
    assert {body for _, body in found} == {MESSAGE.to_json()}


def test_repeat_is_swallowed_when_the_answer_of_a_send_was_lost(work_queue: QueueHandle) -> None:
    queue = WorkQueue(work_queue.client, work_queue.url)
    for _ in range(2):
        queue.send_again(MESSAGE, count=2, ulid="01A")

    assert len(received(work_queue)) == 2
