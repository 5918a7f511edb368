from __future__ import annotations

from typing import TYPE_CHECKING

from shared.queue.queues import (
    FUNCTION_TIMEOUT_SECONDS,
    LEASE_MARGIN_SECONDS,
    MAX_ITEM_TIMEOUT_SECONDS,
    WORK_QUEUE,
)
from tests.infra.templates import allowed

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_times_fit_each_other_when_synthesized(dev: Assembly) -> None:
    lease = MAX_ITEM_TIMEOUT_SECONDS + LEASE_MARGIN_SECONDS
    function = dev.function("processor")["Timeout"]
    visibility = dev.one("AWS::SQS::Queue", QueueName="pressroom-dev-work.fifo")["VisibilityTimeout"]

    # A worker that dies is noticed, one that lives is never taken for dead, and AWS takes the mapping at all.
    assert MAX_ITEM_TIMEOUT_SECONDS < lease < function < visibility
    assert (function, visibility) == (FUNCTION_TIMEOUT_SECONDS, WORK_QUEUE.visibility_seconds)
    assert function <= 900


def test_queue_drives_one_item_an_invocation_when_synthesized(dev: Assembly, prod: Assembly) -> None:
    mapping = dev.mapping_of("processor")

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["WorkQueue", "Arn"]}
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "MaximumBatchingWindowInSeconds" not in mapping  # FIFO has none
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 20}
    assert prod.mapping_of("processor")["ScalingConfig"] == {"MaximumConcurrency": 100}


def test_invocation_is_never_repeated_when_process_next_asks(dev: Assembly) -> None:
    invoke = dev.one("AWS::Lambda::EventInvokeConfig")

    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)


def test_processor_may_send_a_lane_on_when_its_item_backs_off(dev: Assembly) -> None:
    assert dev.function("processor")["RecursiveLoop"] == "Allow"
    assert allowed(dev, "processor")["WorkQueue.Arn"] >= {"sqs:SendMessage", "sqs:ChangeMessageVisibility"}


def test_processor_writes_items_and_reads_no_lists_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "processor")

    assert granted["Table.Arn"] == {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}
    assert {resource for resource in granted if "Logs" not in resource} == {"Table.Arn", "WorkQueue.Arn"}


def test_template_names_the_secret_when_the_processor_needs_the_key(dev: Assembly, prod: Assembly) -> None:
    for assembly in (dev, prod):
        name = f"pressroom/{assembly.stage}/anthropic-api-key"

        assert (
            assembly.environment("processor")["PRESSROOM_ANTHROPIC_API_KEY"]
            == f"{{{{resolve:secretsmanager:{name}:SecretString:::}}}}"
        )
        assert "sk-ant" not in assembly.text
