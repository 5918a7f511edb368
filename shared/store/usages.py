"""What a project has taken of its quota, a row a month: made on first use, and its condition decides.

The row knows no limit: what may be taken at most is computed before and compared with what is taken, so a changed
quota, or a changed configuration, holds from the next job on without a write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.jobs.quotas import Amount, Usage
from shared.store.expressions import Change
from shared.store.keys import project_key, usage_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.dynamodb import DynamoTable

__all__ = ["OwnQuota", "UsageStore", "book", "settle", "usage_from_row"]


def usage_from_row(period: str, row: Mapping[str, Any] | None) -> Usage:
    """The usage that ``row`` holds; none where there is no row."""
    if row is None:
        return Usage(period)
    return Usage(
        period,
        taken=Amount(row["items_taken"], row["microusd_taken"]),
        used=Amount(row["items_used"], row["microusd_used"]),
    )


def book(project_id: str, period: str, required: Amount, quota: Amount) -> Change:
    """Take ``required`` of the quota; refused where less is left of it."""
    room = quota - required
    fits = "items_taken <= :items_room AND microusd_taken <= :microusd_room"
    if min(room.items, room.microusd) >= 0:
        fits = f"attribute_not_exists(pk) OR ({fits})"
    return Change(
        key=usage_key(project_id, period),
        condition=fits,
        sets=(
            "items_taken = if_not_exists(items_taken, :zero) + :items",
            "items_used = if_not_exists(items_used, :zero)",
            "microusd_taken = if_not_exists(microusd_taken, :zero) + :microusd",
            "microusd_used = if_not_exists(microusd_used, :zero)",
        ),
        values={
            "zero": 0,
            "items": required.items,
            "microusd": required.microusd,
            "items_room": room.items,
            "microusd_room": room.microusd,
        },
    )


def settle(project_id: str, period: str, *, booked: Amount, used: Amount) -> Change:
    """Of what was ``booked``, keep what is ``used`` and give back the rest; a row that is gone is made again."""
    change = used - booked
    return Change(
        key=usage_key(project_id, period),
        sets=(
            "items_taken = if_not_exists(items_taken, :items_booked) + :items_change",
            "items_used = if_not_exists(items_used, :zero) + :items",
            "microusd_taken = if_not_exists(microusd_taken, :microusd_booked) + :microusd_change",
            "microusd_used = if_not_exists(microusd_used, :zero) + :microusd",
        ),
        values={
            "zero": 0,
            "items": used.items,
            "items_booked": booked.items,
            "items_change": change.items,
            "microusd": used.microusd,
            "microusd_booked": booked.microusd,
            "microusd_change": change.microusd,
        },
    )


@dataclass(frozen=True, slots=True)
class OwnQuota:
    """What a project may take a month; None where the default holds."""

    items: int | None = None
    microusd: int | None = None


def _own(row: Mapping[str, Any]) -> OwnQuota:
    return OwnQuota(row.get("quota_items"), row.get("quota_microusd"))


@dataclass(frozen=True)
class UsageStore:
    """Reads what is taken, and what may be."""

    table: DynamoTable

    def read(self, project_id: str, period: str) -> Usage:
        """What the project has taken in the month."""
        return usage_from_row(period, self.table.get(usage_key(project_id, period), consistent=True))

    def quota(self, project_id: str, default: Amount) -> Amount:
        """The project's own quota as far as it has one, else the default."""
        own = _own(self.table.get(project_key(project_id)) or {})
        return Amount(
            default.items if own.items is None else own.items,
            default.microusd if own.microusd is None else own.microusd,
        )

    def own_quota(self, project_id: str) -> OwnQuota | None:
        """What the project has of its own; None where there is no such project."""
        row = self.table.get(project_key(project_id), consistent=True)
        return None if row is None else _own(row)

    def set_quota(self, project_id: str, own: OwnQuota) -> None:
        """Give the project a quota of its own.

        Raises:
            RefusedError: there is no such project.
        """
        wanted = {"quota_items": own.items, "quota_microusd": own.microusd}
        change = Change(
            key=project_key(project_id),
            condition="attribute_exists(pk)",
            sets=tuple(f"{name} = :{name}" for name, value in wanted.items() if value is not None),
            removes=tuple(name for name, value in wanted.items() if value is None),
            values=wanted,
        )
        self.table.update("set_quota", change)
