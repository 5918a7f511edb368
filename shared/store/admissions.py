"""What a job takes up while it is unfinished, and gives back at its end: members of the transactions that do it.

A job is admitted by the creation's, or the retry's, own transaction, and leaves by the one that ends it. So both
happen exactly as often as the job begins and ends, whoever dies in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.jobs.quotas import Amount, QuotaReached, Usage, booked_in, quota_reached, used_in
from shared.jobs.rates import ActiveReached, Caps, RateReached, rate_reached
from shared.store import loads, usages
from shared.store.dynamodb import DynamoTable, RefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.store.expressions import Change

__all__ = ["Admissions", "Allowance", "Application", "Reached", "entering", "leaving"]

Reached = RateReached | ActiveReached | QuotaReached
"""The limit that keeps a job from beginning."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a job that begins is measured by: its user's caps, and its project's quota of a month."""

    caps: Caps
    quota: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A job, or a new generation of one, that is to begin: for whom, and what it reserves in which month.

    ``creates`` where the job is new; a retry does not count to the hour.
    """

    project_id: str
    user: str
    period: str
    required: Amount
    creates: bool


def entering(application: Application, allowance: Allowance, *, now: datetime) -> list[Change]:
    """What ``application`` takes up; refused where a limit is reached."""
    project_id, user = application.project_id, application.user
    load = (
        loads.begin(user, project_id, allowance.caps, now=now)
        if application.creates
        else loads.begin_again(user, project_id, allowance.caps)
    )
    return [load, usages.book(project_id, application.period, application.required, allowance.quota)]


def leaving(ledger: Ledger) -> list[Change]:
    """What the end of ``ledger`` gives back: nothing, where it has ended before, or has never taken anything up.

    These changes have no condition: what is to end ends. They belong into the transaction of a write that goes through
    only once.
    """
    if ledger.final or not ledger.booked_by:
        return []
    booked, used = booked_in(ledger), used_in(ledger)
    return [
        loads.end(ledger.booked_by, ledger.project_id),
        usages.settle(ledger.project_id, ledger.usage_period, booked=booked, used=used),
    ]


@dataclass(frozen=True)
class Admissions:
    """Tells what a job is measured by, and why it was not admitted; ``default`` where a project has no own quota."""

    table: DynamoTable
    default: Allowance

    def allowance(self, project_id: str) -> Allowance:
        """What a job of the project is measured by."""
        return replace(self.default, quota=usages.UsageStore(self.table).quota(project_id, self.default.quota))

    def usage(self, project_id: str, period: str) -> Usage:
        """What the project has taken in the month."""
        return usages.UsageStore(self.table).read(project_id, period)

    def reached(self, application: Application, allowance: Allowance, *, now: datetime) -> Reached | None:
        """The limit that ``application`` would meet now; None where there is room. Nothing is written."""
        load = loads.LoadStore(self.table).read(application.user, application.project_id)
        return rate_reached(load, allowance.caps, now, creates=application.creates) or quota_reached(
            self.usage(application.project_id, application.period), allowance.quota, application.required, now
        )

    def make_room(self, application: Application, allowance: Allowance, *, now: datetime) -> None:
        """Take out of a full list of starts what no longer counts: it alone may keep a creation from beginning."""
        store = loads.LoadStore(self.table)
        load = store.read(application.user, application.project_id)
        if application.creates and len(load.starts) >= allowance.caps.jobs_per_hour:
            try:
                store.forget(application.user, application.project_id, load, now=now)
            except RefusedError:
                return  # another creation was faster, or has done it
