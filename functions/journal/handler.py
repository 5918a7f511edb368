"""The journal's entry: every change of a ledger."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from functions.journal.counting import count
from functions.journal.settings import JournalSettings
from functions.journal.write import Journal
from shared import environment, log_keys, snapshots
from shared.clock import SystemClock
from shared.errors import CorruptRowError
from shared.logs import function_logger
from shared.metering import Meter
from shared.store.dynamodb import DynamoTable
from shared.store.events import EventStore
from shared.store.items import ItemStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from shared.store.attributes import Row

__all__ = ["handler"]

logger = function_logger("journal")

Response = dict[str, list[dict[str, str]]]
_DONE: Final[Response] = {"batchItemFailures": []}


@cache
def journal() -> Journal:
    """The journal that the environment describes; made at the first event."""
    settings = environment.read(JournalSettings, os.environ)
    table = DynamoTable.from_env(settings.table_name)
    return Journal(EventStore(table), ItemStore(table))


@cache
def meter() -> Meter:
    """What counts; made at the first event."""
    return Meter("journal", environment.read(JournalSettings, os.environ).table_name, SystemClock())


def handler(event: Mapping[str, Any], context: LambdaContext) -> Response:
    """Write what the records tell, in batches.

    Args:
        event: of a DynamoDB stream, filtered by :data:`~functions.journal.settings.STREAM_FILTERS`.
        context: of Lambda.

    Returns:
        The first record that could not be handled, as a partial batch response: the stream comes back to it.
    """
    logger.set_correlation_id(context.aws_request_id)
    records = event["Records"]
    rows: list[Row] = []
    response = _DONE
    for record in records:
        try:
            rows += journal().rows(record)
        except Exception as error:  # noqa: BLE001  it is logged below, with its traceback
            # The outermost edge: whatever it was, the stream must come back to exactly this record, and the log tells
            # the trace id that the correlation id is. What stands before it is written.
            response = _failed_from(record, error, "a change could not be told")
            break
    try:
        journal().write(rows)
    except Exception as error:  # noqa: BLE001  the same edge
        return _failed_from(records[0], error, "events could not be written")
    count(rows, meter())
    logger.info("written", records=len(records), events=len(rows))
    return response


def _failed_from(record: Mapping[str, Any], error: Exception, message: str) -> Response:
    sequence_number = record["dynamodb"]["SequenceNumber"]
    code = "corrupt_row" if isinstance(error, CorruptRowError) else "internal_error"
    logger.error(
        message, exc_info=error, code=code, sequence_number=sequence_number, **log_keys.names_in_change(record)
    )
    return {"batchItemFailures": [{"itemIdentifier": sequence_number}]}


snapshots.keep_ready(journal, environ=os.environ)
