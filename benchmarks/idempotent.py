"""The usual way without Pressroom: one message an item, and Powertools' idempotency around the call of Claude.

The same item, the same client of Claude, the same bytes of output, on the same emulator. It keeps a result once for
every key; it has no jobs, no order, no budget, no attempts that are counted, no status, no way to stop.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

from benchmarks.alone import Context
from benchmarks.units import row_bytes
from shared.generation.client import ClaudeClient
from shared.generation.kinds import KINDS
from shared.generation.pricing import parse_price_table
from shared.store.attributes import from_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

__all__ = ["IdempotentCost", "events", "handler", "measure", "messages"]

_MEASURED: Final = 24
_BATCH: Final = 10
"""Messages that one call sends."""
_KIND: Final = "outline"

_CONFIG: Final = IdempotencyConfig(event_key_jmespath="id", expires_after_seconds=30 * 24 * 3600)

logger = Logger(service="idempotent")


@dataclass(frozen=True)
class IdempotentCost:
    """Means over the measured items."""

    write_units: float
    read_units: float
    table_calls: float
    queue_calls: float
    row_bytes: float


def processing(client: DynamoDBClient, table: str, write: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:  # noqa: ANN401  the decorator's
    """``write`` for one item, once for every ``id`` of an item."""
    layer = DynamoDBPersistenceLayer(table_name=table, key_attr="pk", boto3_client=client)
    return idempotent_function(write, data_keyword_argument="item", persistence_store=layer, config=_CONFIG)


@cache
def _processor() -> Any:  # noqa: ANN401  the decorator's
    claude = ClaudeClient(
        api_key=os.environ["PRESSROOM_ANTHROPIC_API_KEY"],
        base_url=os.environ["PRESSROOM_ANTHROPIC_BASE_URL"],
        prices=parse_price_table(os.environ["PRESSROOM_PRICE_TABLE_JSON"]),
    )

    def write(item: dict[str, Any]) -> dict[str, Any]:
        kind = KINDS[_KIND]
        made = claude.generate(
            kind.prompt(kind.validate(item["input"])),
            model=os.environ["PRESSROOM_DEFAULT_MODEL"],
            idempotency_key=item["id"],
            timeout_seconds=120,
        )
        return {"output": made.output, "input_tokens": made.input_tokens, "output_tokens": made.output_tokens}

    client = boto3.client("dynamodb")
    return processing(client, os.environ["IDEMPOTENCY_TABLE"], write)


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process one message of a standard queue."""
    logger.set_correlation_id(context.aws_request_id)
    _CONFIG.register_lambda_context(context)
    for record in event["Records"]:
        item = json.loads(record["body"])
        _processor()(item=item)
        logger.info("written", item=item["id"])
    return {"batchItemFailures": []}


def messages(items: int) -> list[dict[str, Any]]:
    """The bodies of so many items, each the first line of an outline."""
    return [{"id": f"job-1:1:{number}", "input": {"topic": f"Topic {number}"}} for number in range(1, items + 1)]


def events(items: int) -> list[dict[str, Any]]:
    """The same as Lambda hands them over: one message an event."""
    return [{"Records": [{"messageId": body["id"], "body": json.dumps(body)}]} for body in messages(items)]


def measure(dynamodb: DynamoDBClient, sqs: SQSClient, *, text: Callable[[int], str]) -> IdempotentCost:
    """Run items through a table and a queue of their own, and count as :class:`~benchmarks.units.CountingTable` does.

    Args:
        dynamodb: reaches the emulator.
        sqs: likewise.
        text: the output of the item at a position.
    """
    name = "idempotency"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    counting = _CountingClient(dynamodb, name)
    bodies = messages(_MEASURED)
    outputs = {item["id"]: text(number) for number, item in enumerate(bodies, 1)}

    def write(item: dict[str, Any]) -> dict[str, Any]:
        return {"output": outputs[item["id"]], "input_tokens": 900, "output_tokens": 2_300}

    _CONFIG.register_lambda_context(cast("LambdaContext", Context(0)))
    process = processing(cast("DynamoDBClient", counting), name, write)
    calls: Counter[str] = Counter()
    sqs.meta.events.register("before-call.sqs", lambda model, **_: calls.update([model.name]), "idempotent")
    try:
        for start in range(0, _MEASURED, _BATCH):
            batch: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(number), "MessageBody": json.dumps(body)}
                for number, body in enumerate(bodies[start : start + _BATCH])
            ]
            sqs.send_message_batch(QueueUrl=url, Entries=batch)
        for _ in range(_MEASURED):
            (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
            process(item=json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    finally:
        sqs.meta.events.unregister("before-call.sqs", unique_id="idempotent")
        sqs.delete_queue(QueueUrl=url)
        dynamodb.delete_table(TableName=name)
    return IdempotentCost(
        write_units=counting.units["write"] / _MEASURED,
        read_units=counting.units["read"] / _MEASURED,
        table_calls=counting.calls / _MEASURED,
        queue_calls=sum(calls.values()) / _MEASURED,
        row_bytes=counting.last_bytes / _MEASURED,
    )


class _CountingClient:
    """What the persistence layer asks of a client, counted by the rows themselves."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self.exceptions = client.exceptions
        self.units: Counter[str] = Counter()
        self.calls = 0
        self.last_bytes = 0
        """Of the rows as the last write of each left them."""
        self._client = client
        self._table = table

    def put_item(self, **request: Any) -> Any:  # noqa: ANN401  the client's
        return self._written(self._client.put_item, {"pk": request["Item"]["pk"]}, request)

    def update_item(self, **request: Any) -> Any:  # noqa: ANN401  the client's
        return self._written(self._client.update_item, request["Key"], request)

    def get_item(self, **request: Any) -> Any:  # noqa: ANN401  the client's
        self.calls += 1
        self.units["read"] += max(1, ceil(self._bytes(request["Key"]) / 4096))
        return self._client.get_item(**request)

    def _written(self, call: Callable[..., Any], key: Mapping[str, Any], request: Mapping[str, Any]) -> Any:  # noqa: ANN401
        before = self._bytes(key)
        answer = call(**request)
        after = self._bytes(key)
        self.calls += 1
        self.units["write"] += max(1, ceil(max(before, after) / 1024))
        self.last_bytes += after - before
        return answer

    def _bytes(self, key: Mapping[str, Any]) -> int:
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return row_bytes(from_attributes(found.get("Item", {})))
