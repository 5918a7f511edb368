from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import NotPermittedError
from shared.jobs.ids import JOB, PROJECT, new_id, new_token
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.statuses import JobStatus
from shared.store.dynamodb import DynamoTable, RefusedError
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import IntakeStore, NewJob, Replay
from shared.store.item_rows import NewItem
from shared.store.items import ItemStore
from shared.store.job_lists import JobLists
from shared.store.keys import idempotency_key
from shared.store.ledgers import LedgerStore
from shared.store.projects import Project, ProjectStore, Role
from tests.support.crashing import Calls, watched
from tests.support.ledgers import NOW, at, make_ledger, make_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.store.attributes import Row
    from shared.store.expressions import Change, Check, Delete, Insert
    from tests.shared.store.conftest import Shelf

# moto takes seconds for a transaction of a hundred rows; that its expressions are legal, test_intake_legality shows.
pytestmark = [pytest.mark.parametrize("backend", ["emulator"], indirect=True), pytest.mark.emulator]

LATER = timedelta(minutes=10)


class CrashedError(BaseException):
    """The process died."""


@dataclass(frozen=True)
class DyingTable(DynamoTable):
    """A table whose process dies before the write number ``before``, or right after the one number ``after``."""

    before: int | None = None
    after: int | None = None
    written: list[str] = field(default_factory=list)

    def _count(self, what: str) -> None:
        self.written.append(what)
        if len(self.written) == self.before:
            raise CrashedError

    def _done(self) -> None:
        if len(self.written) == self.after:
            raise CrashedError

    def transact(
        self, what: str, members: Sequence[Change | Check | Delete | Insert], *, token: str | None = None
    ) -> None:
        self._count(what)
        super().transact(what, members, token=token)
        self._done()

    def update(self, what: str, change: Change) -> Row:
        self._count(what)
        row = super().update(what, change)
        self._done()
        return row


@pytest.fixture
def project_id() -> str:
    return new_id(PROJECT, NOW)


def new_job(project_id: str, items: int, *, key: str | None = None, lanes: int = 3) -> NewJob:
    job_id = new_id(JOB, NOW)
    ledger = make_ledger(
        *first_generation_lanes(items, lanes), project_id=project_id, job_id=job_id, total=items, version=1
    )
    record = None if key is None else IdempotencyRecord(key, "print", job_id, b'{"id":"x"}', NOW + timedelta(hours=24))
    rows = [NewItem(position, {"topic": f"T{position}"}, f"row-{position}") for position in range(1, items + 1)]
    return NewJob(ledger, replace(make_spec(job_id=job_id), project_id=project_id), rows, record)


def dying(shelf: Shelf, *, before: int | None = None, after: int | None = None) -> IntakeStore:
    return IntakeStore(DyingTable(shelf.table.client, shelf.table.name, shelf.table.clock, before=before, after=after))


def positions(shelf: Shelf, job_id: str) -> list[int]:
    return [row.position for row in ItemStore(shelf.table).after(job_id, 0, page=100, outputs=False)]


def listed(shelf: Shelf, project_id: str) -> list[str]:
    lists = JobLists(shelf.table)
    active = {ledger.job_id for ledger in lists.active(project_id, after=None, limit=100)}
    every = [ledger.job_id for ledger in lists.all(project_id, after=None, page=100)]
    assert active == set(every)
    return every


def read(shelf: Shelf, job: NewJob) -> Ledger | None:
    return LedgerStore(shelf.table).read(job.ledger.project_id, job.ledger.job_id)


@pytest.mark.parametrize(("items", "writes"), [(1, 1), (96, 1), (97, 3), (195, 3), (196, 4), (250, 4)])
@pytest.mark.acceptance(12)
def test_job_stands_whole_when_it_was_created(shelf: Shelf, project_id: str, items: int, writes: int) -> None:
    job, store = new_job(project_id, items, key="k"), dying(shelf)

    made = store.create(job, now=NOW)

    assert isinstance(store.table, DyingTable)
    assert len(store.table.written) == writes
    expected = job.ledger if writes == 1 else job.ledger.evolve(version=2, actor="api")
    assert made == expected == read(shelf, job)
    assert positions(shelf, job.ledger.job_id) == list(range(1, items + 1))
    assert ItemStore(shelf.table).spec(job.ledger.job_id) == job.spec
    assert listed(shelf, project_id) == [job.ledger.job_id]


@pytest.mark.parametrize("point", ["before 1", "after 1", "before 2", "after 2", "before 3", "after 3", "before 4"])
@pytest.mark.acceptance(10)
def test_job_is_invisible_until_the_same_key_finishes_it_when_its_writer_crashed(
    shelf: Shelf, project_id: str, point: str
) -> None:
    when, number = point.split()
    job = new_job(project_id, 250, key="k")
    with pytest.raises(CrashedError):
        dying(shelf, **{when: int(number)}).create(job, now=NOW)
    assert listed(shelf, project_id) == []

    again = new_job(project_id, 250, key="k")
    store = IntakeStore(shelf.table)
    found = store.create(again, now=NOW)
    if point == "before 1":
        assert isinstance(found, Ledger)
        job = again
    else:
        assert isinstance(found, Replay)
        assert found.record == job.idempotency
        assert found.ledger is not None
        assert found.ledger.status is JobStatus.INTAKE
        found = store.resume(again, found.ledger, now=NOW + LATER, check_at=NOW + 2 * LATER)

    assert found.status is JobStatus.QUEUED
    assert found == read(shelf, job)
    assert positions(shelf, found.job_id) == list(range(1, 251))
    assert listed(shelf, project_id) == [found.job_id]


def test_job_is_complete_when_its_writer_crashed_after_the_seal(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 250, key="k")
    with pytest.raises(CrashedError):
        dying(shelf, after=4).create(job, now=NOW)

    found = IntakeStore(shelf.table).create(new_job(project_id, 250, key="k"), now=NOW)

    assert isinstance(found, Replay)
    assert found.ledger is not None
    assert (found.ledger.status, found.ledger.job_id) == (JobStatus.QUEUED, job.ledger.job_id)
    assert positions(shelf, job.ledger.job_id) == list(range(1, 251))


def test_intake_is_left_alone_when_its_writer_may_still_live(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 250, key="k")
    with pytest.raises(CrashedError):
        dying(shelf, after=2).create(job, now=NOW)
    stale = read(shelf, job)
    assert stale is not None

    with pytest.raises(RefusedError):
        IntakeStore(shelf.table).resume(job, stale, now=at(60), check_at=at(600))

    assert read(shelf, job) == stale


def test_stale_writer_is_fenced_when_another_has_taken_the_intake_over(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 250, key="k")
    with pytest.raises(CrashedError):
        dying(shelf, after=1).create(job, now=NOW)
    stale = read(shelf, job)
    assert stale is not None
    assert stale.intake_token is not None
    store = IntakeStore(shelf.table)
    with pytest.raises(CrashedError):
        dying(shelf, after=2).resume(job, stale, now=NOW + LATER, check_at=NOW + 2 * LATER)

    with pytest.raises(RefusedError):
        store._fill(stale, [NewItem(1, {"topic": "STALE"}), *job.items[97:]], stale.intake_token)
    with pytest.raises(RefusedError):
        store.resume(job, stale, now=NOW + 3 * LATER, check_at=NOW + 4 * LATER)
    with pytest.raises(RefusedError):
        LedgerStore(shelf.table).seal(stale, token=stale.intake_token, actor="stale")

    item = ItemStore(shelf.table).read(job.ledger.job_id, 1)
    assert item is not None
    assert item.input == {"topic": "T1"}
    assert listed(shelf, project_id) == []


def test_sealed_job_is_returned_when_the_seals_answer_was_lost(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 98)
    store = IntakeStore(shelf.table)
    with pytest.raises(CrashedError):
        dying(shelf, after=2).create(job, now=NOW)
    intake = read(shelf, job)
    assert intake is not None
    assert intake.intake_token is not None
    sealed = LedgerStore(shelf.table).seal(intake, token=intake.intake_token, actor="api")

    assert store._fill(intake, [], intake.intake_token) == sealed


def test_intake_is_taken_over_when_the_answer_of_the_take_over_was_lost(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 98, key="k")
    with pytest.raises(CrashedError):
        dying(shelf, after=1).create(job, now=NOW)
    stale = read(shelf, job)
    assert stale is not None
    calls = Calls(lose=frozenset({1}))
    unlucky = IntakeStore(DynamoTable(watched(shelf.table.client, calls), shelf.table.name))

    found = unlucky.resume(job, stale, now=NOW + LATER, check_at=NOW + 2 * LATER)

    assert calls.made[:2] == ["update_item", "update_item"]
    assert found.status is JobStatus.QUEUED
    assert positions(shelf, found.job_id) == list(range(1, 99))


@pytest.mark.acceptance(4)
def test_second_use_of_a_key_finds_the_first_job_and_writes_nothing(shelf: Shelf, project_id: str) -> None:
    first, second = new_job(project_id, 2, key="k"), new_job(project_id, 5, key="k")
    store = IntakeStore(shelf.table)
    made = store.create(first, now=NOW)

    replay = store.create(second, now=at(3_600))

    assert replay == Replay(first.idempotency, made)  # type: ignore[arg-type]
    assert listed(shelf, project_id) == [first.ledger.job_id]
    assert positions(shelf, second.ledger.job_id) == []


def test_key_may_be_used_again_when_it_has_expired(shelf: Shelf, project_id: str) -> None:
    first, second = new_job(project_id, 2, key="k"), new_job(project_id, 2, key="k")
    store = IntakeStore(shelf.table)
    store.create(first, now=NOW)

    made = store.create(second, now=NOW + timedelta(hours=24))

    assert made == second.ledger
    assert len(listed(shelf, project_id)) == 2


def test_key_of_another_project_is_another_key(shelf: Shelf, project_id: str) -> None:
    other = new_id(PROJECT, NOW)
    store = IntakeStore(shelf.table)

    made = [store.create(new_job(project, 1, key="k"), now=NOW) for project in (project_id, other)]

    assert all(isinstance(ledger, Ledger) for ledger in made)


def test_replay_says_so_when_the_job_was_deleted(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 1, key=new_token())
    assert job.idempotency is not None
    shelf.put(
        {
            **idempotency_key(project_id, job.idempotency.key),
            "fingerprint": "print",
            "made": new_id(JOB, NOW),
            "answer": b"{}",
            "expires_at": "2099-01-01T00:00:00.000Z",
        }
    )

    found = IntakeStore(shelf.table).create(job, now=NOW)

    assert isinstance(found, Replay)
    assert found.ledger is None


def test_create_is_refused_when_the_job_exists_and_no_key_explains_it(shelf: Shelf, project_id: str) -> None:
    job = new_job(project_id, 1)
    IntakeStore(shelf.table).create(job, now=NOW)

    with pytest.raises(RefusedError):
        IntakeStore(shelf.table).create(job, now=NOW)


@pytest.mark.parametrize("role", [Role.OWNER, Role.EDITOR, Role.VIEWER, None])
@pytest.mark.parametrize("items", [2, 120])
def test_job_is_created_only_when_its_creator_is_a_member_who_may_at_that_moment(
    shelf: Shelf, project_id: str, role: Role | None, items: int
) -> None:
    projects = ProjectStore(shelf.table)
    projects.create(Project(project_id, "P", NOW), owner="ada")
    if role is not None:
        projects.put_member(project_id, "eve", role, now=NOW)
    job = replace(new_job(project_id, items, key="k"), member="eve")

    if role in {Role.OWNER, Role.EDITOR}:
        assert isinstance(IntakeStore(shelf.table).create(job, now=NOW), Ledger)
        assert listed(shelf, project_id) == [job.ledger.job_id]
    else:
        with pytest.raises(NotPermittedError):
            IntakeStore(shelf.table).create(job, now=NOW)
        assert read(shelf, job) is None
        assert positions(shelf, job.ledger.job_id) == []
        assert shelf.table.get(idempotency_key(project_id, "k")) is None
