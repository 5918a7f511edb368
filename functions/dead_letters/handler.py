"""The dead letters' entry: one message of the queue's dead letters."""

from __future__ import annotations

import os
import random
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from functions.dead_letters.redriver import ACTOR, Redriver
from functions.dead_letters.settings import DeadLettersSettings
from shared import environment, log_keys, snapshots
from shared.clock import SystemClock
from shared.contracts.messages import LaneMessage, LaterMessageError, MalformedMessageError
from shared.errors import QueueUnavailableError
from shared.logs import function_logger
from shared.metering import Meter
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.items import ItemStore
from shared.store.ledgers import LedgerStore
from shared.turns.claiming import Claimer
from shared.turns.dispositions import Acknowledge
from shared.turns.settling import Settler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["handler"]

_LATER_SECONDS: Final = 60.0
"""How long a letter waits that this version does not understand."""

logger = function_logger("dead_letters")


@cache
def letters() -> WorkQueue:
    """The queue that drives this function; only the visibility of its messages is set."""
    return WorkQueue.from_env(environment.read(DeadLettersSettings, os.environ).dead_letters_url)


@cache
def meter() -> Meter:
    """What counts; made at the first event."""
    return Meter("dead_letters", environment.read(DeadLettersSettings, os.environ).table_name, SystemClock())


@cache
def redriver() -> Redriver:
    """The redriver that the environment describes; made at the first event."""
    settings = environment.read(DeadLettersSettings, os.environ)
    table, clock = DynamoTable.from_env(settings.table_name), SystemClock()
    ledgers, items = LedgerStore(table), ItemStore(table)
    return Redriver(
        ledgers=ledgers,
        items=items,
        queue=WorkQueue.from_env(settings.queue_url),
        settler=Settler(Claimer(ledgers, items, clock, actor=ACTOR), clock, random.random),
        clock=clock,
        logger=logger,
        meter=meter().count,
    )


def prepare() -> None:
    """Make what every worker of this machine may inherit."""
    letters()
    redriver()


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Bring the lane of each letter on, or its item to an end.

    Args:
        event: of SQS.
        context: of Lambda.

    Returns:
        The letters to keep, as a partial batch response.
    """
    logger.set_correlation_id(context.aws_request_id)
    kept = [record["messageId"] for record in event["Records"] if not _consume(record, context)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in kept]}


def _consume(record: Mapping[str, Any], context: LambdaContext) -> bool:
    """Handle one letter; whether it may go."""
    meter().count("DeadLetters")
    try:
        message = LaneMessage.from_json(record["body"])
    except LaterMessageError as error:
        logger.warning("a letter of a later version waits for it", message_id=record["messageId"], exc_info=error)
        return _kept(record, _LATER_SECONDS)
    except MalformedMessageError as error:
        logger.warning("a message that is none of ours was dropped", message_id=record["messageId"], exc_info=error)
        return True
    with log_keys.about_message(logger, message):
        disposition = redriver().handle(message, trace_id=context.aws_request_id)
        logger.info(disposition.reason)
        return isinstance(disposition, Acknowledge) or _kept(record, disposition.seconds)


def _kept(record: Mapping[str, Any], seconds: float) -> bool:
    """Let a letter come back after ``seconds``; False, it may not go."""
    try:
        letters().keep(record["receiptHandle"], seconds=seconds)
    except QueueUnavailableError as error:
        logger.warning("the letter keeps the queue's visibility", exc_info=error)
    return False


snapshots.keep_ready(letters, redriver, environ=os.environ)
