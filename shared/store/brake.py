"""The row of the shared brake. Its rules stand in :mod:`shared.jobs.brake`; here each is one conditional write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.clock import from_iso, to_iso
from shared.jobs.brake import RELEASE_SECONDS, Brake
from shared.store.expressions import Change
from shared.store.keys import BRAKE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from shared.jobs.brake import Start
    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable, RefusedError

__all__ = ["BrakeStore", "refused_brake"]

_KEPT_SECONDS: Final = 24 * 3600 + RELEASE_SECONDS
"""A day after its last refusal the row is deleted: until then the next one need not find the rate anew."""


def refused_brake(refused: RefusedError) -> Brake | None:
    """The brake that refused a write, or None where there is none."""
    return None if refused.row is None else _brake(refused.row)


@dataclass(frozen=True)
class BrakeStore:
    """Reads with ``hasty``, a table that gives up soon: nobody waits for a brake that does not answer.

    Writes raise :class:`~shared.store.dynamodb.RefusedError` with the row where the brake has moved on.
    """

    table: DynamoTable
    hasty: DynamoTable

    def read(self) -> Brake | None:
        """The brake as it stood a moment ago, or None where nobody was ever refused.

        Raises:
            StoreUnavailableError: there was no answer at once.
        """
        row = self.hasty.glance(BRAKE_KEY)
        return None if row is None else _brake(row)

    def take(self, brake: Brake, start: Start) -> Brake:
        """Take a start, as :func:`shared.jobs.brake.take` does; ``brake`` is what was seen last.

        Where the timetable runs ahead the write adds to it, whatever it is by then, so that it is refused to nobody.
        """
        ahead = brake.next_us >= start.floor_us
        change = Change(
            BRAKE_KEY,
            condition="version = :version AND next BETWEEN :floor AND :horizon"
            if ahead
            else "version = :version AND next < :floor",
            sets=("next = next + :step" if ahead else "next = :after", "started = started + :one"),
            values={
                "version": start.version,
                "floor": start.floor_us,
                "horizon": start.horizon_us,
                "step": start.step_us,
                "after": start.floor_us + start.step_us,
                "one": 1,
            },
        )
        return _brake(self.table.update("take a start", change))

    def replace(self, seen: Brake | None, new: Brake) -> Brake:
        """Heed a refusal: of all who met one under ``seen``, the first."""
        row = _row(new)
        removed = tuple(name for name, value in row.items() if value is None)
        change = Change(
            BRAKE_KEY,
            condition="attribute_not_exists(pk)" if seen is None else "version = :seen",
            sets=tuple(f"{name} = :{name}" for name in row if name not in removed),
            removes=removed,
            values={**row, **({} if seen is None else {"seen": seen.version})},
        )
        return _brake(self.table.update("brake", change))

    def block(self, brake: Brake, until: datetime) -> Brake:
        """Let nobody ask before ``until``."""
        change = Change(
            BRAKE_KEY,
            condition="version = :version AND blocked_until < :until",
            sets=("blocked_until = :until",),
            values={"version": brake.version, "until": to_iso(until)},
        )
        return _brake(self.table.update("block", change))


def _row(brake: Brake) -> Row:
    return {
        "version": brake.version,
        "blocked_until": to_iso(brake.blocked_until),
        "rate": brake.rate_milli,
        "refused": brake.refused_milli,
        "next": brake.next_us,
        "started": brake.started,
        "expires": int(brake.blocked_until.timestamp() + _KEPT_SECONDS),
    }


def _brake(row: Mapping[str, Any]) -> Brake:
    return Brake(
        version=row["version"],
        blocked_until=from_iso(row["blocked_until"]),
        rate_milli=row.get("rate"),
        refused_milli=row.get("refused"),
        next_us=row["next"],
        started=row["started"],
    )
