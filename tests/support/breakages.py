"""What can be wrong with a deployment, each once: broken by hand, and mended again."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, cast

from tests.support.trail import granted, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient

    from tests.support.deployment import Deployment

__all__ = ["BREAKAGES"]


@contextmanager
def _key_is_no_key(deployment: Deployment) -> Iterator[None]:
    name = _secret(deployment)
    with closing(cast("SecretsManagerClient", deployment.client("secretsmanager"))) as secrets:
        key = secrets.get_secret_value(SecretId=name)["SecretString"]
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"key": key}))
        try:
            yield
        finally:
            secrets.put_secret_value(SecretId=name, SecretString=key)


@contextmanager
def _key_is_gone(deployment: Deployment) -> Iterator[None]:
    name = _secret(deployment)
    with closing(cast("SecretsManagerClient", deployment.client("secretsmanager"))) as secrets:
        key = secrets.get_secret_value(SecretId=name)["SecretString"]
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        try:
            yield
        finally:
            secrets.create_secret(Name=name, SecretString=key)


@contextmanager
def _grant_is_gone(deployment: Deployment) -> Iterator[None]:
    grant = min(each for each in granted(deployment, ["journal"]) if each.action == "dynamodb:BatchWriteItem")
    with without(deployment, grant):
        yield


@contextmanager
def _redrive_is_gone(deployment: Deployment) -> Iterator[None]:
    url = deployment.outputs["WorkQueueUrl"]
    with closing(cast("SQSClient", deployment.client("sqs"))) as sqs:
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
        try:
            yield
        finally:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)


@contextmanager
def _mapping_is_off(deployment: Deployment, function: str) -> Iterator[None]:
    with closing(cast("LambdaClient", deployment.client("lambda"))) as client:
        found = client.list_event_source_mappings(FunctionName=deployment.function(function))
        uuid = found["EventSourceMappings"][0]["UUID"]
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        try:
            yield
        finally:
            client.update_event_source_mapping(UUID=uuid, Enabled=True)


@contextmanager
def _queue_is_not_read(deployment: Deployment) -> Iterator[None]:
    with _mapping_is_off(deployment, "processor"):
        yield


@contextmanager
def _stream_is_not_read(deployment: Deployment) -> Iterator[None]:
    with _mapping_is_off(deployment, "journal"):
        yield


@contextmanager
def _rule_is_off(deployment: Deployment) -> Iterator[None]:
    with closing(cast("EventBridgeClient", deployment.client("events"))) as events:
        (rule,) = [each["Name"] for each in events.list_rules()["Rules"] if each.get("ScheduleExpression")]
        events.disable_rule(Name=rule)
        try:
            yield
        finally:
            events.enable_rule(Name=rule)


def _secret(deployment: Deployment) -> str:
    with closing(cast("LambdaClient", deployment.client("lambda"))) as client:
        found = client.get_function_configuration(FunctionName=deployment.function("processor"))
    return found["Environment"]["Variables"]["PRESSROOM_CLAUDE_KEY_SECRET"]


BREAKAGES: Final[Mapping[str, tuple[Callable[[Deployment], AbstractContextManager[None]], str, str, str]]] = {
    "the key is no key": (_key_is_no_key, "key", "holds no key", "aws secretsmanager put-secret-value"),
    "the key is gone": (_key_is_gone, "key", "there is no secret", "aws secretsmanager create-secret"),
    "a grant is gone": (_grant_is_gone, "permissions", "dynamodb:BatchWriteItem", "detect-stack-drift"),
    "nothing dies": (_redrive_is_gone, "queue", "gives nothing up", "aws sqs set-queue-attributes"),
    "the queue is not read": (_queue_is_not_read, "queue", "is disabled", "aws lambda update-event-source-mapping"),
    "the stream is not read": (_stream_is_not_read, "stream", "is disabled", "aws lambda update-event-source-mapping"),
    "nothing sweeps": (_rule_is_off, "schedule", "is disabled", "aws events enable-rule"),
}
"""How to break it, the check that must find it, what it must say, and the command that it must name."""
