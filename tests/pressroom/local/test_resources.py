"""What the runtime makes, and what it finds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from pressroom.local.errors import ServicesError
from pressroom.local.resources import Clients, ensure
from shared.queue.queues import WORK_QUEUE
from shared.store.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulator import Emulator


@pytest.fixture
def clients(emulator: Emulator) -> Iterator[Clients]:
    with Clients(emulator.endpoint_url) as clients:
        yield clients


@pytest.fixture
def stage() -> str:
    return uuid.uuid4().hex[:8]


def test_resources_follow_the_shared_definitions_when_nothing_is_there(clients: Clients, stage: str) -> None:
    resources = ensure(clients, stage=stage)

    table = clients.dynamodb.describe_table(TableName=resources.table_name)["Table"]
    assert resources.table_name == f"pressroom-{stage}"
    assert table["LatestStreamArn"] == resources.stream_arn
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {index.name for index in TABLE.indexes}
    time_to_live = clients.dynamodb.describe_time_to_live(TableName=resources.table_name)
    assert time_to_live["TimeToLiveDescription"]["AttributeName"] == TABLE.ttl_attribute
    queue = clients.sqs.get_queue_attributes(QueueUrl=resources.queue_url, AttributeNames=["All"])["Attributes"]
    assert queue["VisibilityTimeout"] == str(WORK_QUEUE.visibility_seconds)
    assert f"pressroom-{stage}-dead-letters.fifo" in queue["RedrivePolicy"]
    assert resources.queue_url.endswith(f"pressroom-{stage}-work.fifo")


def test_resources_are_the_same_and_keep_what_they_hold_when_they_are_there(clients: Clients, stage: str) -> None:
    first = ensure(clients, stage=stage)
    key = {"pk": {"S": "P"}, "sk": {"S": "S"}}
    clients.dynamodb.put_item(TableName=first.table_name, Item=key)
    clients.sqs.set_queue_attributes(QueueUrl=first.queue_url, Attributes={"VisibilityTimeout": "77"})

    second = ensure(clients, stage=stage)

    assert second == first
    assert clients.dynamodb.get_item(TableName=first.table_name, Key=key)["Item"] == key
    kept = clients.sqs.get_queue_attributes(QueueUrl=first.queue_url, AttributeNames=["VisibilityTimeout"])
    assert kept["Attributes"]["VisibilityTimeout"] == "77"


def test_services_are_refused_when_a_table_of_that_name_has_no_stream(clients: Clients, stage: str) -> None:
    clients.dynamodb.create_table(
        TableName=f"pressroom-{stage}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    with pytest.raises(ServicesError, match="no stream"):
        ensure(clients, stage=stage)


def test_services_are_refused_when_nothing_answers() -> None:
    with Clients("http://127.0.0.1:9") as clients, pytest.raises(ServicesError, match="cannot be used"):
        ensure(clients, stage="local")
