"""What a job takes up while it is unfinished, and gives back at its end: members of the transactions that do it.

A job is admitted by the creation's, or the retry's, own transaction, and leaves by the one that ends it. So both
happen exactly as often as the job begins and ends, whoever dies in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.jobs.rates import ActiveReached, Caps, RateReached, rate_reached
from shared.store import loads
from shared.store.dynamodb import DynamoTable, RefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.store.expressions import Change

__all__ = ["Admissions", "Allowance", "Reached", "entering", "entering_again", "leaving"]

Reached = RateReached | ActiveReached
"""The limit that keeps a job from beginning."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a job that begins is measured by."""

    caps: Caps


def entering(ledger: Ledger, allowance: Allowance) -> list[Change]:
    """What the creation of ``ledger`` takes up, for the one who is named in it; refused where a limit is reached."""
    return [loads.begin(ledger.booked_by, ledger.project_id, allowance.caps, now=ledger.created_at)]


def entering_again(project_id: str, user: str, allowance: Allowance) -> list[Change]:
    """What a retry by ``user`` takes up; refused where a limit is reached."""
    return [loads.begin_again(user, project_id, allowance.caps)]


def leaving(ledger: Ledger) -> list[Change]:
    """What the end of ``ledger`` gives back: nothing, where it has ended before, or has never taken anything up.

    These changes have no condition: what is to end ends. They belong into the transaction of a write that goes through
    only once.
    """
    if ledger.final or not ledger.booked_by:
        return []
    return [loads.end(ledger.booked_by, ledger.project_id)]


@dataclass(frozen=True)
class Admissions:
    """Tells why a job was not admitted."""

    table: DynamoTable

    def reached(
        self, project_id: str, user: str, allowance: Allowance, *, creates: bool, now: datetime
    ) -> Reached | None:
        """The limit that a job of ``user`` meets now; None where there is room, which may have to be taken at once.

        Starts that no longer count still fill the list that the condition looks at; they are taken out here.
        """
        store = loads.LoadStore(self.table)
        load = store.read(user, project_id)
        if (reached := rate_reached(load, allowance.caps, now, creates=creates)) is not None:
            return reached
        if creates and len(load.starts) >= allowance.caps.jobs_per_hour:
            try:
                store.forget(user, project_id, load, now=now)
            except RefusedError:
                return None  # another creation was faster, or has done it
        return None
