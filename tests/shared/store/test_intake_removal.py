"""An intake that nobody finished goes without a trace, however often its removal is cut short."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import TransitionRefusedError
from shared.jobs.ids import JOB, new_id
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.statuses import JobStatus
from shared.store import intake
from shared.store.dynamodb import RefusedError
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import IntakeStore, NewJob, Replay
from shared.store.item_rows import NewItem, new_item_row
from shared.store.keys import idempotency_key, job_partition, ledger_key
from shared.store.ledgers import LedgerStore
from tests.support.crashing import Calls, CrashError, watched
from tests.support.ledgers import NOW, PROJECT_ID, at, make_ledger, make_spec

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf

ITEMS = 8
LATER = at(61)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_MEMBERS", 6)


def new_job(key: str | None = "k") -> NewJob:
    job_id = new_id(JOB, NOW)
    ledger = make_ledger(*first_generation_lanes(ITEMS, 2), job_id=job_id, version=1)
    record = None if key is None else IdempotencyRecord(key, "print", job_id, b"{}", NOW + timedelta(hours=24))
    rows = [NewItem(position, {"topic": "T"}) for position in range(1, ITEMS + 1)]
    return NewJob(ledger, make_spec(job_id=job_id), rows, record)


def abandoned(shelf: Shelf, key: str | None = "k", *, after: int = 2) -> tuple[NewJob, Ledger]:
    """An intake whose writer died after so many writes."""
    job = new_job(key)
    with pytest.raises(CrashError):
        store(shelf, die_after=after).create(job, now=NOW)
    stale = LedgerStore(shelf.table).read(PROJECT_ID, job.ledger.job_id)
    assert stale is not None
    assert (stale.status, stale.intake_key) == (JobStatus.INTAKE, key)
    return job, stale


def store(shelf: Shelf, **dying: int) -> IntakeStore:
    client = watched(
        shelf.table.client, Calls(die_before=dying.get("die_before", 0), die_after=dying.get("die_after", 0))
    )
    return IntakeStore(type(shelf.table)(client, shelf.table.name, clock=shelf.table.clock))


def left(shelf: Shelf, job: NewJob) -> list[str]:
    """The sort keys of what is left of a job."""
    rows = [row["sk"] for row in shelf.table.query(job_partition(job.ledger.job_id), consistent=True)]
    for key in (ledger_key(PROJECT_ID, job.ledger.job_id), idempotency_key(PROJECT_ID, "k")):
        row = shelf.row(key)
        if row is not None and row.get("made", job.ledger.job_id) == job.ledger.job_id:
            rows.append(key["sk"])
    return rows


def forget(shelf: Shelf) -> None:
    key = idempotency_key(PROJECT_ID, "k")
    shelf.table.client.delete_item(TableName=shelf.table.name, Key={name: {"S": value} for name, value in key.items()})


def remove(removing: IntakeStore, stale: Ledger, *, seconds: float = 61, go_on: int = 100) -> bool:
    left_to_go = iter([True] * go_on)
    return removing.remove(stale, now=at(seconds), check_at=at(seconds + 60), go_on=lambda: next(left_to_go, False))


@pytest.mark.acceptance(10)
@pytest.mark.parametrize("key", ["k", None])
def test_nothing_is_left_and_the_key_is_free_when_an_intake_was_removed(shelf: Shelf, key: str | None) -> None:
    forget(shelf)
    job, stale = abandoned(shelf, key)

    assert remove(IntakeStore(shelf.table), stale)

    assert left(shelf, job) == []
    again = IntakeStore(shelf.table).create(new_job(key), now=LATER)
    assert isinstance(again, Ledger)
    assert (again.status, again.intake_key) == (JobStatus.QUEUED, None)


@pytest.mark.acceptance(10)
@pytest.mark.parametrize("die", [{"die_before": n} for n in range(1, 8)] + [{"die_after": n} for n in range(1, 8)])
def test_next_run_finishes_when_the_removal_died_at_any_call(shelf: Shelf, die: dict[str, int]) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    with pytest.raises(CrashError):
        remove(store(shelf, **die), stale)

    found = LedgerStore(shelf.table).read(PROJECT_ID, job.ledger.job_id)
    if found is not None:
        assert remove(IntakeStore(shelf.table), found, seconds=500)
    assert left(shelf, job) == []


def test_removal_goes_on_in_the_next_run_when_the_time_is_over(shelf: Shelf) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)

    assert not remove(IntakeStore(shelf.table), stale, go_on=1)

    found = LedgerStore(shelf.table).read(PROJECT_ID, job.ledger.job_id)
    assert found is not None
    assert found.check_at == at(121)
    assert remove(IntakeStore(shelf.table), found, seconds=122)
    assert left(shelf, job) == []


@pytest.mark.acceptance(10)
@pytest.mark.parametrize("removed", [0, 1])
def test_same_request_makes_the_job_whole_when_its_removal_was_cut_short(shelf: Shelf, removed: int) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    assert not remove(IntakeStore(shelf.table), stale, go_on=removed)
    again = new_job()
    replay = IntakeStore(shelf.table).create(again, now=at(122))
    assert isinstance(replay, Replay)
    assert replay.ledger is not None

    made = IntakeStore(shelf.table).resume(again, replay.ledger, now=at(122), check_at=at(182))

    assert (made.status, made.job_id) == (JobStatus.QUEUED, job.ledger.job_id)
    assert len([sk for sk in left(shelf, job) if sk.startswith("ITEM#")]) == ITEMS


@pytest.mark.acceptance(10)
def test_slow_removal_takes_nothing_when_the_same_request_has_taken_over(shelf: Shelf) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    again = new_job()

    def resumed() -> bool:
        found = LedgerStore(shelf.table).read(PROJECT_ID, job.ledger.job_id)
        assert found is not None
        IntakeStore(shelf.table).resume(again, found, now=at(122), check_at=at(182))
        return True

    with pytest.raises(RefusedError):
        IntakeStore(shelf.table).remove(stale, now=LATER, check_at=at(121), go_on=resumed)

    assert len([sk for sk in left(shelf, job) if sk.startswith("ITEM#")]) == ITEMS


def test_slow_writer_adds_nothing_when_its_intake_was_removed(shelf: Shelf) -> None:
    forget(shelf)
    job, slow = new_job(), Calls()
    client = watched(shelf.table.client, slow)

    def while_it_sleeps(*_: object, **request: object) -> object:
        if len(slow.made) == 1:
            stale = LedgerStore(shelf.table).read(PROJECT_ID, job.ledger.job_id)
            assert stale is not None
            assert remove(IntakeStore(shelf.table), stale)
        return client.transact_write_items(**request)

    class Slow:
        transact_write_items = staticmethod(while_it_sleeps)

        def __getattr__(self, name: str) -> object:
            return getattr(client, name)

    table = type(shelf.table)(Slow(), shelf.table.name, clock=shelf.table.clock)  # type: ignore[arg-type]
    with pytest.raises(TransitionRefusedError):
        IntakeStore(table).create(job, now=NOW)

    assert left(shelf, job) == []


@pytest.mark.parametrize("state", ["sealed", "at work"])
def test_intake_stays_when_it_is_sealed_or_its_writer_is_not_late(shelf: Shelf, state: str) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    if state == "sealed":
        LedgerStore(shelf.table).seal(stale, token=stale.intake_token or "", actor="api")
    before = left(shelf, job)

    with pytest.raises(RefusedError):
        remove(IntakeStore(shelf.table), stale, seconds=61 if state == "sealed" else 59)

    assert left(shelf, job) == before


def test_key_stays_when_another_job_uses_it_by_now(shelf: Shelf) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    day_later = NOW + timedelta(hours=25)
    other = new_job()
    made = IntakeStore(shelf.table).create(other, now=day_later)
    assert isinstance(made, Ledger)

    assert IntakeStore(shelf.table).remove(stale, now=day_later, check_at=day_later, go_on=lambda: True)

    assert left(shelf, job) == []
    record = shelf.row(idempotency_key(PROJECT_ID, "k"))
    assert record is not None
    assert record["made"] == other.ledger.job_id


def test_row_that_the_timeline_wrote_goes_too_when_an_intake_is_removed(shelf: Shelf) -> None:
    forget(shelf)
    job, stale = abandoned(shelf)
    row = new_item_row(job.ledger.job_id, NewItem(1, {}))
    shelf.put(row | {"sk": "EVENT#2026-11-22T12:00:00.000Z#1"})

    assert remove(IntakeStore(shelf.table), stale)

    assert left(shelf, job) == []
