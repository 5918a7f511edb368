from __future__ import annotations

from typing import TYPE_CHECKING

from shared.queue.queues import DEAD_LETTERS
from tests.infra.templates import allowed

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_letters_come_one_at_a_time_and_may_be_kept_when_mapped(dev: Assembly) -> None:
    mapping = dev.mapping_of("dead_letters")

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["DeadLettersQueue", "Arn"]}
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_letter_is_not_handled_twice_at_once_when_the_function_takes_long(dev: Assembly) -> None:
    queue = dev.one("AWS::SQS::Queue", QueueName="pressroom-dev-dead-letters.fifo")

    assert dev.function("dead_letters")["Timeout"] < queue["VisibilityTimeout"] == DEAD_LETTERS.visibility_seconds
    assert "RedrivePolicy" not in queue  # nothing gives a dead letter up


def test_dead_letters_are_sent_on_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "dead_letters")

    assert dev.function("dead_letters")["RecursiveLoop"] == "Allow"
    assert granted["Table.Arn"] == {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}
    assert granted["WorkQueue.Arn"] == {"sqs:SendMessage"}
    assert granted["DeadLettersQueue.Arn"] == {
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    }
    assert {resource for resource in granted if "Logs" not in resource} == {
        "DeadLettersQueue.Arn",
        "Table.Arn",
        "WorkQueue.Arn",
    }
