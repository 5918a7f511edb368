"""The sweeper's eraser over a test's table, and what is left in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from functions.sweeper.erase import Eraser
from shared.store.attributes import from_attributes
from shared.store.erasures import ErasureStore
from shared.store.ledgers import LedgerStore
from shared.store.watch import WatchList

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable

__all__ = ["erase", "places", "rows_of"]


def erase(table: DynamoTable, *, retention_days: int = 0, go_on: Callable[[], bool] = lambda: True) -> Counter[str]:
    """One run, as a cold start makes it."""
    logger = Logger(service="test", level="CRITICAL")
    eraser = Eraser(ErasureStore(table), LedgerStore(table), WatchList(table), table.clock, logger, retention_days)
    return eraser.erase(go_on)


def rows_of(table: DynamoTable) -> list[Row]:
    """Every row there is."""
    pages: Any = table.client.get_paginator("scan").paginate(TableName=table.name, ConsistentRead=True)
    return [from_attributes(item) for page in pages for item in page["Items"]]


def places(table: DynamoTable) -> list[str]:
    """The keys of every row there is."""
    return sorted(f"{row['pk']} {row['sk']}" for row in rows_of(table))
