"""The processor's entry: one message of the queue, or one invocation by process-next."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.processor.braking import Gate
from functions.processor.process import Delivery, Processor
from functions.processor.secret_key import KeyedClaude, SecretKey
from functions.processor.settings import ProcessorSettings
from functions.processor.writing import Writer
from shared import environment, log_keys, snapshots
from shared.clock import SystemClock
from shared.contracts.messages import LaneMessage, LaterMessageError, MalformedMessageError
from shared.generation.client import ClaudeClient, load_sdk
from shared.logs import function_logger
from shared.metering import Meter
from shared.queue.dispatch import WorkQueue
from shared.store.brake import BrakeStore
from shared.store.dynamodb import DynamoTable
from shared.store.items import ItemStore
from shared.store.lane_views import LaneViews
from shared.store.ledgers import LedgerStore
from shared.turns.claiming import Claimer
from shared.turns.dispositions import Disposition, Keep
from shared.turns.settling import Settler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from functions.processor.writing import Claude
    from shared.clock import Clock

__all__ = ["handler"]

logger = function_logger("processor")


@cache
def processor() -> Processor:
    """The processor that the environment describes; made at the first event."""
    settings = environment.read(ProcessorSettings, os.environ)
    table = DynamoTable.from_env(settings.table_name)
    hasty = DynamoTable.from_env(settings.table_name, hasty=True)
    clock = SystemClock()
    ledgers, items = LedgerStore(table), ItemStore(table)
    claimer = Claimer(ledgers, items, clock)
    return Processor(
        settler=Settler(claimer, clock, random.random),
        items=items,
        queue=WorkQueue.from_env(settings.queue_url),
        writer=Writer(claude_of(settings, clock)),
        gate=Gate(BrakeStore(table, hasty), ledgers, clock, random.random, logger),
        views=LaneViews(hasty),
        clock=clock,
        logger=logger,
        meter=Meter("processor", settings.table_name, clock),
    )


def claude_of(settings: ProcessorSettings, clock: Clock) -> Claude:
    """The Claude that the settings describe; with a secret, its key is read at the first call."""
    if not settings.claude_key_secret:
        return ClaudeClient.from_settings(settings)
    return KeyedClaude(
        read_key=SecretKey.from_env(settings.claude_key_secret).read,
        connect=lambda key: ClaudeClient.from_settings(replace(settings, anthropic_api_key=key)),
        clock=clock,
        logger=logger,
    )


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Advance a lane by one item.

    Args:
        event: of SQS with one record, or a lane message itself.
        context: of Lambda.

    Returns:
        The messages to keep, as a partial batch response; for an invocation, what became of it.
    """
    logger.set_correlation_id(context.aws_request_id)
    if "Records" not in event:
        message = LaneMessage.from_dict(event)
        with log_keys.about_message(logger, message):
            return {"disposition": _log(_advance(message, None, context)).reason}
    kept = [record["messageId"] for record in event["Records"] if not _consume(record, context)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in kept]}


def _consume(record: Mapping[str, Any], context: LambdaContext) -> bool:
    """Handle one delivery; whether it is acknowledged."""
    delivery = Delivery(
        receipt=record["receiptHandle"],
        message_id=record["messageId"],
        receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
    )
    try:
        message = LaneMessage.from_json(record["body"])
    except LaterMessageError as error:
        logger.warning("a message of a later version waits for it", message_id=delivery.message_id, exc_info=error)
        processor().postpone(delivery)
        return False
    except MalformedMessageError as error:
        # Kept, it would come back until it is a dead letter; nothing of ours wrote it, and nothing waits for it.
        logger.warning("a message that is none of ours was dropped", message_id=delivery.message_id, exc_info=error)
        return True
    with log_keys.about_message(logger, message):
        disposition = _log(_advance(message, delivery, context))
        return processor().finish(message, delivery, disposition)


def _advance(message: LaneMessage, delivery: Delivery | None, context: LambdaContext) -> Disposition:
    return processor().advance(
        message,
        delivery=delivery,
        trace_id=context.aws_request_id,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )


def _log(disposition: Disposition) -> Disposition:
    kept = disposition.seconds if isinstance(disposition, Keep) else None
    logger.info(disposition.reason, kept_seconds=kept)
    return disposition


load_sdk()
snapshots.keep_ready(processor, environ=os.environ)
