"""A job twice: rows in a table, and the pure rules beside them. Every step goes to both and they must agree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import TransitionRefusedError
from shared.jobs.ids import JOB, new_id
from shared.jobs.items import work_places
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.quotas import Amount, month_of
from shared.jobs.statuses import Drive, ItemStatus, JobStatus, OnError
from shared.store.dynamodb import RefusedError
from shared.store.expressions import Insert
from shared.store.intake import IntakeStore, NewJob
from shared.store.item_rows import NewItem, new_item_row
from shared.store.items import ItemStore
from shared.store.keys import ledger_key
from shared.store.ledger_rows import ledger_from_row, ledger_row
from shared.store.ledgers import LedgerStore, refused_ledger
from shared.store.spec_rows import spec_row
from tests.support.books import USER, Booking, Books
from tests.support.clock import ManualClock
from tests.support.invariants import History, Snapshot, check, check_step
from tests.support.ledgers import make_spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.errors import ErrorCode
    from shared.jobs.items import Outcome
    from shared.store.dynamodb import DynamoTable
    from tests.support.steps import Step

__all__ = ["EST", "INTAKE_TOKEN", "ITEM_SECONDS", "World", "WorldConfig"]

EST = 10
"""What an item can cost at most, in micro-dollars."""
ITEM_SECONDS = 45
"""An item's time limit."""
INTAKE_TOKEN = "the writer's"
"""Who writes the rows of a job that is not sealed yet."""


@dataclass(frozen=True)
class WorldConfig:
    """The job's options, and how much of everything there is."""

    items: int = 3
    lanes: int = 2
    max_attempts: int = 2
    on_error: OnError = OnError.CONTINUE
    budget_microusd: int | None = None
    drive: Drive = Drive.QUEUE
    deadline_minutes: int | None = None
    booked: bool = False
    """Whether it reserves what it may use of its project's quota."""
    sealed: bool = True
    """False: the job begins in intake, and the first transition is its seal."""


@dataclass
class World:
    """One job. ``ledger`` and ``outcomes`` are the pure side; the table is the real one."""

    table: DynamoTable
    config: WorldConfig
    clock: ManualClock = field(default_factory=ManualClock)
    tried: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """Steps so far: by transition, and by whether it went through."""
    books: Books | None = None
    """The project's, where an earlier job has opened them."""

    def __post_init__(self) -> None:
        self.ledgers = LedgerStore(self.table)
        self.items = ItemStore(self.table)
        self.outcomes: dict[int, Outcome] = {}
        self.work: tuple[tuple[int, ...], ...] = ()
        self.history = History(self.config.max_attempts, self.config.budget_microusd)
        self.settled: set[str] = set()
        self.refused: TransitionRefusedError | None = None
        """What the last step was refused by."""
        self.sound = True
        now, config = self.clock.now(), self.config
        if self.books is None:
            self.books = Books(self.table, now)
        booking = Booking(month_of(now), Amount(config.items, EST * config.items)) if config.booked else None
        self.ledger = Ledger(
            project_id=self.books.project_id,
            job_id=new_id(JOB, now),
            name="A job",
            kind="outline",
            drive=config.drive,
            total=config.items,
            queued=config.items,
            open=config.items,
            lanes=first_generation_lanes(config.items, config.lanes),
            created_at=now,
            est_microusd=EST if config.budget_microusd is not None else 0,
            headroom_microusd=config.budget_microusd,
            usage_period="" if booking is None else booking.period,
            booked_by="" if booking is None else USER,
            booked_microusd=0 if booking is None else booking.required.microusd,
            last_activity_at=now,
            deadline_at=self.deadline(),
            check_at=now + timedelta(seconds=60),
            actor="api",
        )
        rows = [NewItem(position, {"topic": "T"}) for position in range(1, config.items + 1)]
        options: dict[str, object] = {
            "concurrency": config.lanes,
            "drive": config.drive,
            "on_error": config.on_error,
            "max_attempts": config.max_attempts,
            "item_timeout_seconds": ITEM_SECONDS,
            "budget_microusd": config.budget_microusd,
        }
        spec = make_spec(job_id=self.ledger.job_id, **options)
        bookings = [] if booking is None else self.books.changes(booking, now, creates=True)
        if config.sealed:
            IntakeStore(self.table).create(NewJob(self.ledger, spec, rows, bookings=bookings), now=now)
        else:
            # As the intake of a large job leaves them after its last chunk; a job of so few items has none.
            self.ledger = self.ledger.evolve(status=JobStatus.INTAKE, intake_token=INTAKE_TOKEN)
            written = [ledger_row(self.ledger), spec_row(spec)]
            written += [new_item_row(self.ledger.job_id, row) for row in rows]
            self.table.transact("create", [*bookings, *(Insert(row) for row in written)])
        if booking is not None:
            self.books.begin(booking)

    def deadline(self) -> datetime | None:
        """The deadline of a generation that begins now."""
        minutes = self.config.deadline_minutes
        return None if minutes is None else self.clock.now() + timedelta(minutes=minutes)

    @property
    def now(self) -> Snapshot:
        """The job as the rules have it."""
        return Snapshot(self.ledger, dict(self.outcomes), self.work)

    def position(self, ledger: Ledger, lane: int) -> int:
        """The item that ``lane`` stands at, as a worker that read ``ledger`` sees it; the first if there is none."""
        if ledger.generation != self.ledger.generation or ledger.lanes[lane].exhausted:
            return 1
        return Snapshot(ledger, {}, self.work).position(lane, ledger.lanes[lane].next)

    def apply(self, step: Step) -> bool:
        """Do ``step`` on both sides. Whether it went through; an :class:`AssertionError` where they differ."""
        self.sound = False
        now = self.clock.now()
        self.history.now = now if self.history.now is None else max(now, self.history.now)
        self.refused = None
        before, expected = self.now, self._ruled(step)
        repeated = step.name == "settle" and step.token in self.settled
        try:
            step.stored(self.ledgers)
            went = True
        except TransitionRefusedError as refused:
            went, self.refused = False, refused
            # Of a transaction's members, the ledger is the first.
            seen = refused_ledger(refused) if isinstance(refused, RefusedError) and 0 in refused.failed else None
            assert seen is None or seen in (self.ledger, step.seen), f"{step.name} was refused by {seen}"
        self.tried[step.name, went] += 1
        assert went is (expected is not None) or repeated, f"{step.name}: the write says {went}, the rule {expected}"
        if expected is not None:
            self._moved(step, expected)
        stored = self._stored()
        assert stored == self.ledger, f"after {step.name} the row is\n{stored}\nthe rule makes\n{self.ledger}"
        if step.outcome is not None:
            self.compare_item(step.outcome.position)
        check_step(step, before, self.now, self.history)
        check(self.now, self.history)
        self.sound = True
        return went

    def _stored(self) -> Ledger:
        """The ledger's row. What the project's rows say beside it, they must say at the same time."""
        assert self.books is not None
        keys = [ledger_key(self.ledger.project_id, self.ledger.job_id), *self.books.keys()]
        row, *rows = self.table.get_many(keys, consistent=True)
        assert row is not None
        self.books.check(rows)
        return ledger_from_row(row)

    def _ruled(self, step: Step) -> Ledger | None:
        assert self.books is not None
        if step.booking is not None and not self.books.fits(step.booking):
            return None
        try:
            return step.pure(self.ledger)
        except TransitionRefusedError:
            return None

    def _moved(self, step: Step, ledger: Ledger) -> None:
        assert self.books is not None
        if step.booking is not None:
            self.books.open(step.booking)
        if ledger.final and not self.ledger.final and ledger.booked_by:
            self.books.end(Amount(ledger.completed, ledger.cost_microusd))
        self.ledger = ledger
        if step.name == "settle" and step.outcome is not None and step.token is not None:
            self.outcomes[step.outcome.position] = step.outcome
            self.settled.add(step.token)
        if step.work is not None:
            self.work = step.work
            assert self.items.work(ledger) == work_places(step.work), "the lists of work are not the retry's choice"
        if self.history.budget_microusd is not None:
            self.history.budget_microusd += step.more_microusd
            told = (self.config.budget_microusd or 0) + ledger.raised_microusd
            assert told == self.history.budget_microusd, "the ledger tells another budget than what may be spent"

    def compare_item(self, position: int) -> None:
        """The item's row tells the outcome that the rules have."""
        row = self.items.read(self.ledger.job_id, position)
        assert row is not None
        assert row.outcome == self.outcomes.get(position), f"item {position} tells {row.outcome}"

    def compare(self) -> None:
        """Every row tells what the rules have."""
        assert self.ledgers.read(self.ledger.project_id, self.ledger.job_id) == self.ledger
        for row in self.items.after(self.ledger.job_id, 0, page=100, outputs=True):
            assert row.outcome == self.outcomes.get(row.position), f"item {row.position} tells {row.outcome}"

    def failed(self) -> list[int]:
        """The positions whose items are failed."""
        return sorted(position for position, found in self.outcomes.items() if found.status is ItemStatus.FAILED)

    def tally(self, positions: list[int]) -> tuple[Mapping[ErrorCode, int], Mapping[ErrorCode, int]]:
        """Errors and firsts of ``positions``, which stay failed."""
        errors: dict[ErrorCode, int] = {}
        firsts: dict[ErrorCode, int] = {}
        for position in positions:
            failure = self.outcomes[position].error
            assert failure is not None
            errors[failure.code] = errors.get(failure.code, 0) + 1
            firsts.setdefault(failure.code, position)
        return errors, firsts
