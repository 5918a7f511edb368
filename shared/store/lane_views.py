"""A lane at a glance: what a worker looks at while Claude writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.jobs.statuses import JobStatus
from shared.store.keys import ledger_key

if TYPE_CHECKING:
    from shared.store.dynamodb import DynamoTable

__all__ = ["LaneView", "LaneViews"]


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane as it stood a moment ago. ``version`` tells whether that was before or after a write of one's own."""

    status: JobStatus
    version: int
    token: str | None


@dataclass(frozen=True)
class LaneViews:
    """Reads of half a unit for each 4 KB of ledger. Give it a hasty table: somebody is waiting meanwhile."""

    table: DynamoTable

    def of(self, project_id: str, job_id: str, lane: int) -> LaneView | None:
        """The lane, or None where there is no such job.

        Raises:
            StoreUnavailableError: there was no answer at once.
        """
        lease = f"lanes.{lane}.lease.token"
        row = self.table.glance(ledger_key(project_id, job_id), ("status", "version", lease))
        if row is None:
            return None
        held = row.get("lanes", {}).get(str(lane), {}).get("lease", {})
        return LaneView(JobStatus(row["status"]), row["version"], held.get("token"))
