"""The table, queues, topic and user pool of a stage, made from the definitions that infra uses.

What is there already is used as it is, with all it holds; nothing is ever deleted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pressroom.local.children import CREDENTIALS
from pressroom.local.errors import ServicesError
from pressroom.local.streams_client import Account, streams_client
from pressroom.local.user_pool import ensure_user_pool
from pressroom.local.worker import REGION
from shared.queue.queues import DEAD_LETTERS, WORK_QUEUE
from shared.store.table import TABLE, create_table_request

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

    from shared.queue.queues import Queue

__all__ = ["Clients", "Resources", "ensure"]

_CONNECTIONS: Final = 80
_ACTIVE_SECONDS: Final = 30.0
_ACTIVE_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Resources:
    """What the handlers work on."""

    table_name: str
    stream_arn: str
    queue_url: str
    queue_arn: str
    dead_letters_url: str
    topic_arn: str
    user_pool_id: str
    user_pool_client_id: str
    dead_letters_arn: str

    @property
    def issuer(self) -> str:
        """What the user pool's tokens name as their issuer."""
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.user_pool_id}"


class Clients:
    """Clients of the AWS endpoint, safe to share between threads. A context manager that closes them."""

    def __init__(self, endpoint_url: str) -> None:
        account: Account = {
            "region_name": REGION,
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        session = boto3.Session(**account)
        config = Config(
            max_pool_connections=_CONNECTIONS,
            retries={"total_max_attempts": 2, "mode": "standard"},
            connect_timeout=5,
            read_timeout=30,
            proxies={},
        )
        self.endpoint_url = endpoint_url

        def make(service: str) -> object:
            return session.client(service, endpoint_url=endpoint_url, config=config)

        self.dynamodb = cast("DynamoDBClient", make("dynamodb"))
        self.streams = streams_client(endpoint_url, config, account)
        self.sqs = cast("SQSClient", make("sqs"))
        self.sns = cast("SNSClient", make("sns"))
        self.cognito = cast("CognitoIdentityProviderClient", make("cognito-idp"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in (self.dynamodb, self.streams, self.sqs, self.sns, self.cognito):
            client.close()


def ensure(clients: Clients, *, stage: str) -> Resources:
    """Makes what is missing, and waits until the table is active.

    Raises:
        ServicesError: the endpoint does not answer, or holds a table without a stream.
    """
    name = f"pressroom-{stage}"
    try:
        stream_arn = _table(clients.dynamodb, name)
        dead_letters_url = _queue(clients.sqs, f"{name}-dead-letters.fifo", DEAD_LETTERS, None)
        dead_letters_arn = _queue_arn(clients.sqs, dead_letters_url)
        queue_url = _queue(clients.sqs, f"{name}-work.fifo", WORK_QUEUE, dead_letters_arn)
        topic_arn = clients.sns.create_topic(Name=f"{name}-notifications")["TopicArn"]
        pool = ensure_user_pool(clients.cognito, name)
        return Resources(
            table_name=name,
            stream_arn=stream_arn,
            queue_url=queue_url,
            queue_arn=_queue_arn(clients.sqs, queue_url),
            dead_letters_url=dead_letters_url,
            topic_arn=topic_arn,
            user_pool_id=pool.pool_id,
            user_pool_client_id=pool.client_id,
            dead_letters_arn=dead_letters_arn,
        )
    except (BotoCoreError, ClientError) as error:
        raise ServicesError(f"the AWS endpoint {clients.endpoint_url} cannot be used: {error}") from error


def _table(client: DynamoDBClient, name: str) -> str:
    """Makes the table if it is missing; gives the ARN of its stream."""
    try:
        client.create_table(**create_table_request(name))
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TABLE.ttl_attribute},
        )
    except client.exceptions.ResourceInUseException:
        pass  # it is there
    end = time.monotonic() + _ACTIVE_SECONDS
    while True:
        table = client.describe_table(TableName=name)["Table"]
        if table.get("TableStatus") == "ACTIVE":
            break
        if time.monotonic() > end:
            raise ServicesError(f"the table {name} did not become active within {_ACTIVE_SECONDS:g} s")
        time.sleep(_ACTIVE_POLL_SECONDS)
    stream_arn = table.get("LatestStreamArn")
    if not stream_arn or not table.get("StreamSpecification", {}).get("StreamEnabled"):
        raise ServicesError(f"the table {name} is there but has no stream: it is not ours")
    return stream_arn


def _queue(client: SQSClient, name: str, queue: Queue, dead_letter_arn: str | None) -> str:
    """The queue's URL. It is looked up first: creating with other attributes than it has is an error."""
    try:
        return client.get_queue_url(QueueName=name)["QueueUrl"]
    except client.exceptions.QueueDoesNotExist:
        return client.create_queue(QueueName=name, Attributes=queue.attributes(dead_letter_arn))["QueueUrl"]  # type: ignore[arg-type]


def _queue_arn(client: SQSClient, url: str) -> str:
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
