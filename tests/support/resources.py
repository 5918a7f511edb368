"""A table and queues of a test's own, made from the definitions that infra uses."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from shared.queue.queues import DEAD_LETTERS, WORK_QUEUE
from shared.store.table import create_table_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

__all__ = ["QueueHandle", "TableHandle", "fresh_queue", "fresh_table", "make_queue"]


@dataclass(frozen=True, slots=True)
class TableHandle:
    """An empty table, a client that reaches it, and the ARN of its stream."""

    name: str
    client: DynamoDBClient
    stream_arn: str


@dataclass(frozen=True, slots=True)
class QueueHandle:
    """An empty work queue with its dead letters, and a client that reaches them."""

    url: str
    arn: str
    dead_letters_url: str
    client: SQSClient


@contextmanager
def fresh_table(client: DynamoDBClient) -> Iterator[TableHandle]:
    """A table that nobody else uses; removed at the end."""
    name = f"pressroom-{uuid.uuid4().hex[:12]}"
    made = client.create_table(**create_table_request(name))["TableDescription"]
    try:
        yield TableHandle(name=name, client=client, stream_arn=made["LatestStreamArn"])
    finally:
        client.delete_table(TableName=name)


@contextmanager
def fresh_queue(client: SQSClient) -> Iterator[QueueHandle]:
    """A FIFO work queue and its dead letters that nobody else uses; removed at the end."""
    queue = make_queue(client)
    try:
        yield queue
    finally:
        client.delete_queue(QueueUrl=queue.url)
        client.delete_queue(QueueUrl=queue.dead_letters_url)


def make_queue(client: SQSClient) -> QueueHandle:
    """A FIFO work queue and its dead letters that nobody else uses."""
    name = f"pressroom-{uuid.uuid4().hex[:12]}"
    dead = client.create_queue(QueueName=f"{name}-dead.fifo", Attributes=_typed(DEAD_LETTERS.attributes()))["QueueUrl"]
    dead_arn = _arn(client, dead)
    work = client.create_queue(QueueName=f"{name}.fifo", Attributes=_typed(WORK_QUEUE.attributes(dead_arn)))["QueueUrl"]
    return QueueHandle(url=work, arn=_arn(client, work), dead_letters_url=dead, client=client)


def _arn(client: SQSClient, url: str) -> str:
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _typed(attributes: dict[str, str]) -> dict[QueueAttributeNameType, str]:
    return cast("dict[QueueAttributeNameType, str]", attributes)
