"""What jobs take up of their project's quota and give back: beside the rows, what these must say after every step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.jobs.ids import PROJECT, new_id
from shared.jobs.quotas import Amount, Usage, month_of
from shared.jobs.rates import Caps
from shared.store import loads, usages
from shared.store.admissions import Allowance, Application, entering
from shared.store.keys import load_key, usage_key
from tests.support.invariants import InvariantBrokenError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable
    from shared.store.expressions import Change
    from shared.store.keys import Key

__all__ = ["AMPLE", "USER", "Booking", "Books"]

USER: Final = "ada"
AMPLE: Final = Amount(1_000, 1_000_000)
"""A quota that nobody here comes near."""
_CAPS: Final = Caps(jobs_per_hour=1_000, active_jobs=100)
_NEIGHBOUR: Final = Amount(3, 30)
"""What another job of the project reserves all the time."""


@dataclass(frozen=True)
class Booking:
    """What a generation reserves, in which month, and the quota that whoever opened it had read."""

    period: str
    required: Amount
    quota: Amount = AMPLE


@dataclass
class Books:
    """One project's. Its jobs come one after the other, beside one that never ends."""

    table: DynamoTable
    now: datetime
    used: dict[str, Amount] = field(default_factory=dict)
    """By month."""
    settled: Amount = field(default_factory=Amount)
    """What the present job has used in generations that have ended."""
    booking: Booking | None = None
    """The present generation's, until it ends."""

    def __post_init__(self) -> None:
        self.project_id = new_id(PROJECT, self.now)
        self.neighbour = Booking(month_of(self.now), _NEIGHBOUR)
        self.used[self.neighbour.period] = Amount()
        self.table.transact("create", self.changes(self.neighbour, self.now, creates=True))

    def changes(self, booking: Booking, now: datetime, *, creates: bool = False) -> list[Change]:
        """What opens a generation, beside its own rows."""
        application = Application(
            project_id=self.project_id,
            user=USER,
            period=booking.period,
            required=booking.required,
            creates=creates,
        )
        return entering(application, Allowance(_CAPS, booking.quota), now=now)

    def usage(self, period: str) -> Usage:
        """What the project has taken in the month."""
        used = self.used.get(period, Amount())
        taken = used
        for booking in (self.neighbour, self.booking):
            if booking is not None and booking.period == period:
                taken += booking.required
        return Usage(period, taken, used)

    def fits(self, booking: Booking) -> bool:
        """Whether the quota has room for it."""
        taken = self.usage(booking.period).taken + booking.required
        return taken.items <= booking.quota.items and taken.microusd <= booking.quota.microusd

    def open(self, booking: Booking) -> None:
        """A generation has begun."""
        self.used.setdefault(booking.period, Amount())
        self.booking = booking

    def begin(self, booking: Booking) -> None:
        """A job has begun."""
        self.settled = Amount()
        self.open(booking)

    def end(self, total: Amount) -> None:
        """The generation has ended; the job has used ``total`` so far."""
        assert self.booking is not None
        self.used[self.booking.period] += total - self.settled
        self.settled, self.booking = total, None

    def keys(self) -> list[Key]:
        """The rows that tell of all this."""
        return [load_key(USER, self.project_id), *(usage_key(self.project_id, period) for period in self.used)]

    def check(self, rows: Sequence[Row | None]) -> None:
        """What is reserved is what unfinished generations may use, what is used is what others have (invariant 9)."""
        told = [usages.usage_from_row(period, row) for period, row in zip(self.used, rows[1:], strict=True)]
        wanted = [self.usage(period) for period in self.used]
        if told != wanted:
            raise InvariantBrokenError(f"9: the project's usage is\n{told}\nits generations make\n{wanted}")
        unfinished = loads.load_from_row(rows[0]).unfinished
        if unfinished != 1 + (self.booking is not None):
            raise InvariantBrokenError(f"9: the user's load tells of {unfinished} unfinished jobs")
