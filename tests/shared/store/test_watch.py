"""What is due, and nothing else, at a cost that follows from it alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.errors import CorruptRowError
from shared.jobs.ids import JOB, ulid_of
from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes
from shared.store.dynamodb import RefusedError
from shared.store.keys import WATCH_SHARDS, ledger_key, project_partition, watch_shard
from shared.store.ledger_rows import ledger_row
from shared.store.spec_rows import spec_row
from shared.store.watch import WatchList
from tests.support.crashing import Calls, watched
from tests.support.ledgers import JOB_ID, NOW, PROJECT_ID, at, make_lane, make_ledger, make_spec

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.shared.store.conftest import Shelf


@pytest.fixture
def jobs(shelf: Shelf, _empty: None) -> list[Ledger]:
    """Twenty jobs, due one after the other a minute apart, in many shards."""
    made = [
        make_ledger(job_id=f"{JOB_ID[:-2]}{number // 10}{number % 10}", check_at=at(60 * number))
        for number in range(20)
    ]
    for ledger in made:
        shelf.place(ledger)
    return made


@pytest.fixture(autouse=True)
def _empty(shelf: Shelf) -> None:
    """The table is a module's: what an earlier test left there would be due."""
    for row in list(shelf.table.query(project_partition(PROJECT_ID), projection=("pk", "sk"))):
        shelf.table.client.delete_item(TableName=shelf.table.name, Key=attributes(row))


def due(watch: WatchList, seconds: float, *, first_shard: int = 0, page: int = 25) -> list[str]:
    pages = watch.due(at(seconds), first_shard=first_shard, page=page)
    return [JOB + key["sk"].removeprefix("JOB#") for keys in pages for key in keys]


def test_jobs_are_due_when_their_time_has_come(shelf: Shelf, jobs: list[Ledger]) -> None:
    found = due(WatchList(shelf.table), 60 * 10)

    assert sorted(found) == [ledger.job_id for ledger in jobs[:11]]
    assert due(WatchList(shelf.table), -1) == []


def test_longest_due_comes_first_and_shards_take_turns_when_pages_are_small(shelf: Shelf, jobs: list[Ledger]) -> None:
    watch = WatchList(shelf.table)

    found = due(watch, 10_000, first_shard=3, page=1)

    assert sorted(found) == [ledger.job_id for ledger in jobs]
    shards = [int(watch_shard(job_id)) for job_id in found]
    occupied = sorted(set(shards), key=lambda shard: (shard - 3) % WATCH_SHARDS)
    assert shards[: len(occupied)] == occupied
    for shard in occupied:
        times = [job_id for job_id in found if int(watch_shard(job_id)) == shard]
        assert times == sorted(times)


@pytest.mark.acceptance(36)
def test_cost_is_that_of_empty_shards_when_only_finished_jobs_are_there(shelf: Shelf, jobs: list[Ledger]) -> None:
    for ledger in jobs:
        shelf.place(ledger.evolve(status=JobStatus.COMPLETED, notified_generation=1, check_at=None))
    calls = Calls()
    table = type(shelf.table)(watched(shelf.table.client, calls), shelf.table.name, clock=shelf.table.clock)

    assert due(WatchList(table), 10_000) == []
    assert calls.made == ["query"] * WATCH_SHARDS


def test_rows_are_as_they_stand_when_they_are_read(shelf: Shelf) -> None:
    ledger = make_ledger(check_at=NOW)
    shelf.place(ledger)
    shelf.put(spec_row(make_spec()))
    gone = ledger_key(ledger.project_id, f"{JOB_ID[:-1]}0")
    here, absent = WatchList(shelf.table).read([ledger_key(ledger.project_id, ledger.job_id), gone])

    assert (here.ledger(), here.spec(), here.job_id) == (ledger, make_spec(), ledger.job_id)
    assert absent.ledger() is None
    with pytest.raises(CorruptRowError):
        absent.spec()


def test_job_is_put_off_when_its_rows_cannot_be_read(shelf: Shelf) -> None:
    row = ledger_row(make_ledger(make_lane(), check_at=NOW)) | {"status": "no status at all"}
    shelf.put(row)
    watch = WatchList(shelf.table)
    key = {"pk": row["pk"], "sk": f"JOB#{ulid_of(JOB_ID)}"}
    [broken] = watch.read([key])

    with pytest.raises(CorruptRowError):
        broken.ledger()
    watch.put_off(broken, NOW + timedelta(seconds=60))

    after = shelf.row(key)
    assert after is not None
    assert after["check_at"] == "2026-11-22T12:01:00.000Z"
    with pytest.raises(RefusedError):
        watch.put_off(broken, NOW)
