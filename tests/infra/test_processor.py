from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.stage import FUNCTIONS
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
    invoke = dev.invocations_of("processor")

    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)


def test_processor_may_send_a_lane_on_when_its_item_backs_off(dev: Assembly) -> None:
    assert dev.function("processor")["RecursiveLoop"] == "Allow"
    assert allowed(dev, "processor")["WorkQueue.Arn"] >= {"sqs:SendMessage", "sqs:ChangeMessageVisibility"}


def test_processor_writes_items_and_reads_no_lists_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "processor")

    assert granted["Table.Arn"] == {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"}
    others = {resource for resource in granted if not re.search("Logs|:secret:", resource)}
    assert others == {"Table.Arn", "WorkQueue.Arn"}


def test_only_the_processor_reads_the_key_when_deployed(dev: Assembly, prod: Assembly) -> None:
    for assembly in (dev, prod):
        name = f"pressroom/{assembly.stage}/anthropic-api-key"
        readers = {
            function: resource
            for function in FUNCTIONS
            for resource, actions in allowed(assembly, function).items()
            if any(action.startswith("secretsmanager:") for action in actions)
        }

        # The name, and the six characters that Secrets Manager puts behind it.
        arn = f"arn:AWS::Partition:secretsmanager:AWS::Region:AWS::AccountId:secret:{name}-??????"
        assert readers == {"processor": arn}
        assert allowed(assembly, "processor")[arn] == {"secretsmanager:GetSecretValue"}


def test_template_holds_the_keys_name_only_when_the_processor_reads_it(dev: Assembly) -> None:
    environ = dev.environment("processor")

    assert environ["PRESSROOM_CLAUDE_KEY_SECRET"] == "pressroom/dev/anthropic-api-key"
    assert environ["PRESSROOM_ANTHROPIC_API_KEY"] == ""
    assert not re.search(r"sk-ant|\{\{resolve:", dev.text)
