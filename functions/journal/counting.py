"""What the dashboard shows of jobs and items, counted from the timeline: it tells what the ledgers really did.

A record that the stream delivers again is counted again; the ledgers, not these numbers, are the truth.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from shared.jobs.events import EventType
from shared.jobs.statuses import ItemStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.metering import Meter

__all__ = ["count"]

_ENTERING = frozenset(
    {
        *(EventType.JOB_CREATED, EventType.JOB_STARTED, EventType.JOB_PAUSED, EventType.JOB_RESUMED),
        *(EventType.JOB_CANCELLED, EventType.JOB_RETRIED, EventType.JOB_FINALIZED),
    }
)
"""Events after which a job has another status."""


def count(rows: Iterable[Mapping[str, Any]], meter: Meter) -> None:
    """Count the events that ``rows`` of the timeline hold, by status of jobs and code of failures."""
    statuses: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    put_back: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for row in rows:
        match EventType(row["type"]):
            case event if event in _ENTERING:
                statuses[row["to"]] += 1
            case EventType.ITEM_SETTLED if row["to"] == ItemStatus.FAILED.value:
                failed[row["detail"]] += 1
            case EventType.ITEM_SETTLED:
                plain["ItemsCompleted"] += 1
            case EventType.ITEM_PUT_BACK if "detail" in row:
                put_back[row["detail"]] += 1
            case EventType.JOB_EDITED:
                plain["JobsEdited"] += 1
            case _:
                pass
    meter.count_all(plain)
    for status, number in statuses.items():
        meter.count("JobsEntered", number, status=status)
    for code, number in failed.items():
        meter.count("ItemsFailed", number, code=code)
    for code, number in put_back.items():
        meter.count("ItemsPutBack", number, code=code)
