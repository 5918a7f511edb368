"""How far a job is, and when it will end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.jobs.ledger import Counts, Ledger

__all__ = ["Progress", "estimated_completion_at", "progress_of"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Finished items of all; ``percent`` is whole and 100 only when all are finished."""

    done: int
    total: int
    percent: int


def progress_of(counts: Counts) -> Progress:
    """The progress that ``counts`` make. Failed and cancelled items are finished too."""
    return Progress(counts.done, counts.total, counts.done * 100 // counts.total)


def estimated_completion_at(ledger: Ledger, now: datetime) -> datetime | None:
    """When the job will end at the pace so far, or None where nothing can be said.

    The pace is the settled items of this generation over the time since it began: what lay between it and the
    generation before is nobody's work. Pauses count as time, and the pace is revised with every settled item.
    """
    settled = sum(lane.next for lane in ledger.lanes)
    began_at = ledger.retried_at or ledger.started_at
    if ledger.final or began_at is None or settled == 0 or not ledger.open:
        return None
    elapsed = (ledger.last_activity_at or now) - began_at
    estimate: datetime = now + timedelta(seconds=elapsed.total_seconds() / settled * ledger.open)
    return estimate
