from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.queue.queues import DEAD_LETTERS, WORK_QUEUE

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def _as_attributes(properties: dict[str, Any]) -> dict[str, str]:
    """The template's properties as ``CreateQueue`` spells them."""
    shown = {key: value for key, value in properties.items() if key not in {"QueueName", "Tags"}}
    return {
        key: value if isinstance(value, str) else json.dumps(value).strip('"')
        for key, value in shown.items()
        if key != "RedrivePolicy"
    }


def _queue(assembly: Assembly, name: str) -> dict[str, Any]:
    return assembly.one("AWS::SQS::Queue", QueueName=f"pressroom-{assembly.stage}-{name}")


def test_queues_equal_their_definitions_when_synthesized(dev: Assembly) -> None:
    assert _as_attributes(_queue(dev, "work.fifo")) == WORK_QUEUE.attributes()
    assert _as_attributes(_queue(dev, "dead-letters.fifo")) == DEAD_LETTERS.attributes()


def test_message_goes_to_the_dead_letters_when_received_too_often(dev: Assembly) -> None:
    assert _queue(dev, "work.fifo")["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLettersQueue", "Arn"]},
        "maxReceiveCount": WORK_QUEUE.max_receive_count,
    }


def test_dead_letters_keep_as_long_as_sqs_can_when_synthesized(dev: Assembly) -> None:
    # A message keeps its first time when it moves, so the dead letters must not keep for less than the work queue.
    retentions = {each["Properties"]["MessageRetentionPeriod"] for each in dev.all("AWS::SQS::Queue").values()}

    assert retentions == {14 * 24 * 3600}


def test_stream_failures_are_not_fifo_when_synthesized(dev: Assembly) -> None:
    # A stream's failure destination must not be.
    assert "FifoQueue" not in _queue(dev, "stream-failures")


def test_every_queue_refuses_plain_http_when_synthesized(dev: Assembly) -> None:
    policies = [each["Properties"] for each in dev.all("AWS::SQS::QueuePolicy").values()]
    refusing = {
        policy["Queues"][0]["Ref"]
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert refusing == dev.all("AWS::SQS::Queue").keys()
