"""The sweeper's entry: once a minute."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.sweeper.erase import Eraser
from functions.sweeper.settings import SECONDS_FOR_ERASING, SECONDS_FOR_THE_LAST, SweeperSettings
from functions.sweeper.sweep import ACTOR, Sweeper
from shared import environment, snapshots
from shared.clock import SystemClock
from shared.ending.closing import Closer
from shared.ending.topic import SnsTopic
from shared.logs import function_logger
from shared.metering import Meter
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from shared.store.erasures import ErasureStore
from shared.store.intake import IntakeStore
from shared.store.items import ItemStore
from shared.store.ledgers import LedgerStore
from shared.store.watch import WatchList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["handler"]

logger = function_logger("sweeper")


@cache
def meter() -> Meter:
    """What counts; made at the first event."""
    return Meter("sweeper", environment.read(SweeperSettings, os.environ).table_name, SystemClock())


@cache
def sweeper() -> Sweeper:
    """The sweeper that the environment describes; made at the first event."""
    settings = environment.read(SweeperSettings, os.environ)
    table, clock = DynamoTable.from_env(settings.table_name), SystemClock()
    ledgers, items = LedgerStore(table), ItemStore(table)
    return Sweeper(
        watch=WatchList(table),
        ledgers=ledgers,
        items=items,
        intake=IntakeStore(table),
        queue=WorkQueue.from_env(settings.queue_url),
        closer=Closer(ledgers, items, SnsTopic.from_env(settings.topic_arn), clock, actor=ACTOR),
        clock=clock,
        logger=logger,
        meter=meter().count,
        jobs_a_run=settings.jobs_a_run,
    )


@cache
def eraser() -> Eraser:
    """The eraser that the environment describes; made at the first event."""
    settings = environment.read(SweeperSettings, os.environ)
    table = DynamoTable.from_env(settings.table_name)
    return Eraser(
        erasures=ErasureStore(table),
        ledgers=LedgerStore(table),
        watch=WatchList(table),
        clock=SystemClock(),
        logger=logger,
        retention_days=settings.retention_days,
    )


def handler(_event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look at every job that is due; then erase what is deleted or too old.

    Args:
        _event: of a schedule; it says nothing.
        context: of Lambda.

    Returns:
        What was done, for whoever invokes it by hand.
    """
    logger.set_correlation_id(context.aws_request_id)

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000

    swept = sweeper().sweep(lambda: seconds_left() - SECONDS_FOR_ERASING)
    erased = eraser().erase(lambda: seconds_left() > SECONDS_FOR_THE_LAST)
    summary = {
        "looked": swept.looked,
        "failed": swept.failed,
        "mismatched": swept.mismatched,
        "repaired": dict(swept.repaired),
        "is_whole": swept.is_whole,
        "erased": dict(erased),
    }
    logger.info("swept", summary=summary)
    counts = {
        "LooksFailed": swept.failed,
        "Repairs": swept.repaired.total(),
        "SweepsCutShort": int(not swept.is_whole),
        "RowsErased": erased["rows"],
        "ErasuresFailed": erased["failed"],
        "ErasuresCutShort": erased["cut_short"],
    }
    # JobsLookedAt at every run, so that silence can be told from peace.
    meter().count_all({"JobsLookedAt": swept.looked, **{name: value for name, value in counts.items() if value}})
    return summary


snapshots.keep_ready(sweeper, environ=os.environ)
