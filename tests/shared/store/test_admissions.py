"""What a job takes up: once when it begins, given back once when it ends, whoever dies in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import JOB, PROJECT, new_id
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.quotas import Amount, QuotaReached, Usage, UsageUnit, booked_in
from shared.jobs.rates import ActiveReached, Caps, Load, RateReached
from shared.jobs.statuses import JobStatus
from shared.store import intake
from shared.store.admissions import Admissions, Allowance, Application, entering, leaving
from shared.store.dynamodb import RefusedError
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import IntakeStore, NewJob
from shared.store.item_rows import NewItem
from shared.store.keys import ledger_key
from shared.store.loads import LoadStore
from shared.store.usages import UsageStore
from tests.support.ledgers import NOW, at, make_ledger, make_spec

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.shared.store.conftest import Shelf

ALLOWANCE = Allowance(Caps(jobs_per_hour=3, active_jobs=2), Amount(20, 20_000))


@pytest.fixture
def project_id() -> str:
    return new_id(PROJECT, NOW)


def new_job(project_id: str, *, items: int = 2, seconds: float = 0, key: str | None = None) -> NewJob:
    now = at(seconds)
    job_id = new_id(JOB, now)
    lanes = first_generation_lanes(items, 1)
    ledger = make_ledger(*lanes, project_id=project_id, job_id=job_id, booked_by="alice")
    ledger = ledger.evolve(created_at=now, booked_microusd=items * 100, usage_period="2026-11")
    record = None if key is None else IdempotencyRecord(key, "print", job_id, b"{}", now + timedelta(hours=24))
    rows = [NewItem(position, {"topic": "T"}) for position in range(1, items + 1)]
    spec = replace(make_spec(job_id=job_id), project_id=project_id)
    return NewJob(ledger, spec, rows, record, bookings=entering(application(ledger), ALLOWANCE, now=now))


def application(ledger: Ledger, *, creates: bool = True) -> Application:
    return Application(
        project_id=ledger.project_id, user="alice", period="2026-11", required=booked_in(ledger), creates=creates
    )


def create(shelf: Shelf, job: NewJob) -> Ledger:
    made = IntakeStore(shelf.table).create(job, now=job.ledger.created_at)
    assert made == job.ledger
    return job.ledger


def load(shelf: Shelf, project_id: str) -> Load:
    return LoadStore(shelf.table).read("alice", project_id)


def usage(shelf: Shelf, project_id: str) -> Usage:
    return UsageStore(shelf.table).read(project_id, "2026-11")


def reached(shelf: Shelf, project_id: str, *, creates: bool = True, items: int = 1, seconds: float = 9) -> object:
    asked = application(new_job(project_id, items=items).ledger, creates=creates)
    return Admissions(shelf.table, ALLOWANCE).reached(asked, ALLOWANCE, now=at(seconds))


def ended(shelf: Shelf, ledger: Ledger, **counts: int) -> Ledger:
    """The job with nothing open any more."""
    over = ledger.evolve(status=JobStatus.CANCELLING, queued=0, open=0, **counts)
    shelf.place(over)
    return over


def test_job_gives_back_once_what_it_took_up_when_its_end_is_written_twice(shelf: Shelf, project_id: str) -> None:
    over = ended(shelf, create(shelf, new_job(project_id, items=3)), completed=1, cost_microusd=150)
    create(shelf, new_job(project_id, seconds=1))
    assert usage(shelf, project_id) == Usage("2026-11", taken=Amount(5, 500))
    assert load(shelf, project_id) == Load(2, (NOW, at(1)))

    final = shelf.ledgers.finalize(over, now=at(5), actor="finalizer")
    with pytest.raises(RefusedError) as refused:
        shelf.ledgers.finalize(over, now=at(6), actor="sweeper")

    assert final == shelf.ledgers.read(project_id, over.job_id)
    assert (final.status, final.completed_at) == (JobStatus.CANCELLED, at(5))
    assert refused.value.row is not None
    assert refused.value.row["status"] == "cancelled"
    assert load(shelf, project_id).unfinished == 1
    assert usage(shelf, project_id) == Usage("2026-11", taken=Amount(3, 350), used=Amount(1, 150))
    assert usage(shelf, project_id).reserved == Amount(2, 200)
    assert leaving(final) == []


def test_nothing_is_written_when_a_limit_is_reached(shelf: Shelf, project_id: str) -> None:
    first, second, third = (new_job(project_id, seconds=second, key=f"k{second}") for second in range(3))
    create(shelf, first)
    create(shelf, second)

    with pytest.raises(RefusedError):
        create(shelf, third)

    assert shelf.row(ledger_key(project_id, third.ledger.job_id)) is None
    assert IntakeStore(shelf.table).find(third, now=NOW) is None
    assert load(shelf, project_id).unfinished == 2
    assert usage(shelf, project_id).taken == Amount(4, 400)
    assert reached(shelf, project_id) == ActiveReached(2)
    assert reached(shelf, project_id, creates=False) == ActiveReached(2)


def test_reason_is_the_hour_until_its_starts_no_longer_count(shelf: Shelf, project_id: str) -> None:
    for second in range(3):
        job = create(shelf, new_job(project_id, seconds=second))
        shelf.ledgers.finalize(ended(shelf, job), now=at(5), actor="finalizer")

    assert reached(shelf, project_id) == RateReached(3, at(3600))
    assert reached(shelf, project_id, creates=False) is None
    with pytest.raises(RefusedError):
        create(shelf, new_job(project_id, seconds=3601))
    assert reached(shelf, project_id, seconds=3601) is None
    Admissions(shelf.table, ALLOWANCE).make_room(application(new_job(project_id).ledger), ALLOWANCE, now=at(3601))
    create(shelf, new_job(project_id, seconds=3601))
    assert load(shelf, project_id) == Load(1, (at(2), at(3601)))


@pytest.mark.acceptance(3)
def test_job_is_refused_when_it_is_larger_than_what_is_left(shelf: Shelf, project_id: str) -> None:
    create(shelf, new_job(project_id, items=12))
    job = new_job(project_id, items=9, key="k")

    with pytest.raises(RefusedError):
        create(shelf, job)

    assert shelf.row(ledger_key(project_id, job.ledger.job_id)) is None
    assert load(shelf, project_id) == Load(1, (NOW,))
    told = QuotaReached(UsageUnit.ITEMS, required=9, remaining=8, limit=20, renews_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert reached(shelf, project_id, items=9) == told
    create(shelf, new_job(project_id, items=8))
    assert usage(shelf, project_id).remaining(ALLOWANCE.quota) == Amount(0, 18_000)


@pytest.mark.acceptance(10)
def test_intake_that_nobody_finished_gives_back_what_it_took_up(
    shelf: Shelf, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_MEMBERS", 8)
    job = new_job(project_id, items=8, key="k")
    monkeypatch.setattr(IntakeStore, "_fill", lambda *_: job.ledger)  # dies after the first transaction
    IntakeStore(shelf.table).create(job, now=NOW)
    stale = shelf.ledgers.read(project_id, job.ledger.job_id)
    assert stale is not None
    assert stale.status is JobStatus.INTAKE
    assert load(shelf, project_id).unfinished == 1
    assert usage(shelf, project_id).taken == Amount(8, 800)

    assert IntakeStore(shelf.table).remove(stale, now=at(61), check_at=at(121), go_on=lambda: True)

    assert load(shelf, project_id).unfinished == 0
    assert usage(shelf, project_id) == Usage("2026-11")
    assert shelf.ledgers.read(project_id, stale.job_id) is None
