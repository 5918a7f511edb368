"""The finalizer's entry: changes of ledgers with nothing open."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.finalizer.settings import FinalizerSettings
from shared import environment, log_keys, snapshots
from shared.clock import SystemClock
from shared.ending.closing import Closer
from shared.ending.topic import SnsTopic
from shared.logs import function_logger
from shared.store.attributes import from_attributes
from shared.store.dynamodb import DynamoTable
from shared.store.items import ItemStore
from shared.store.ledger_rows import ledger_from_row
from shared.store.ledgers import LedgerStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["handler"]

logger = function_logger("finalizer")


@cache
def finalizer() -> Closer:
    """What closes jobs, as the environment describes it; made at the first event."""
    settings = environment.read(FinalizerSettings, os.environ)
    table = DynamoTable.from_env(settings.table_name)
    topic = SnsTopic.from_env(settings.topic_arn)
    return Closer(LedgerStore(table), ItemStore(table), topic, SystemClock(), actor="finalizer")


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, list[dict[str, str]]]:
    """Close the jobs whose ledgers the records show.

    Args:
        event: of a DynamoDB stream, filtered by :data:`~functions.finalizer.settings.STREAM_FILTERS`.
        context: of Lambda.

    Returns:
        The first record that could not be handled, as a partial batch response: the stream comes back to it.
    """
    logger.set_correlation_id(context.aws_request_id)
    for record in event["Records"]:
        sequence_number = record["dynamodb"]["SequenceNumber"]
        try:
            image = ledger_from_row(from_attributes(record["dynamodb"]["NewImage"]))
            done = finalizer().close(image)
        except Exception:
            # The outermost edge: whatever it was, the stream must come back to exactly this record, and the log tells
            # the trace id that the correlation id is.
            logger.exception(
                "a job could not be closed",
                code="internal_error",
                sequence_number=sequence_number,
                **log_keys.names_in_change(record),
            )
            return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}
        logger.info(done, **log_keys.names_in_change(record))
    return {"batchItemFailures": []}


snapshots.keep_ready(finalizer, environ=os.environ)
