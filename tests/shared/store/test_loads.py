from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import PROJECT, new_id
from shared.jobs.rates import Caps, Load
from shared.store import loads
from shared.store.dynamodb import RefusedError
from shared.store.loads import LoadStore
from tests.support.ledgers import NOW, at

if TYPE_CHECKING:
    from datetime import datetime

    from tests.shared.store.conftest import Shelf

CAPS = Caps(jobs_per_hour=3, active_jobs=2)
FEW = Caps(jobs_per_hour=3, active_jobs=1_000)


@pytest.fixture
def project_id() -> str:
    return new_id(PROJECT, NOW)


def begin(shelf: Shelf, project_id: str, caps: Caps, now: datetime = NOW, user: str = "alice") -> Load:
    shelf.table.transact("create", [loads.begin(user, project_id, caps, now=now)])
    return LoadStore(shelf.table).read(user, project_id)


def test_every_beginning_is_counted_and_refused_when_too_many_are_unfinished(shelf: Shelf, project_id: str) -> None:
    assert begin(shelf, project_id, CAPS) == Load(1, (NOW,))
    assert begin(shelf, project_id, CAPS, at(1.5)) == Load(2, (NOW, at(1.5)))

    with pytest.raises(RefusedError):
        begin(shelf, project_id, CAPS, at(2))

    assert begin(shelf, project_id, CAPS, user="bob") == Load(1, (NOW,))
    assert begin(shelf, new_id(PROJECT, NOW), CAPS) == Load(1, (NOW,))
    shelf.table.transact("finalize", [loads.end("alice", project_id)])
    assert begin(shelf, project_id, CAPS, at(3)) == Load(2, (NOW, at(1.5), at(3)))


def test_starts_fill_the_list_until_those_that_no_longer_count_are_forgotten(shelf: Shelf, project_id: str) -> None:
    for second in range(3):
        begin(shelf, project_id, FEW, at(second))
    with pytest.raises(RefusedError):
        begin(shelf, project_id, FEW, at(3601))
    store = LoadStore(shelf.table)
    seen = store.read("alice", project_id)

    store.forget("alice", project_id, seen, now=at(3601))

    assert store.read("alice", project_id) == Load(3, (at(2),))
    with pytest.raises(RefusedError):
        store.forget("alice", project_id, seen, now=at(3602))
    assert begin(shelf, project_id, FEW, at(3603)) == Load(4, (at(2), at(3603)))


def test_retry_counts_as_unfinished_only_and_is_refused_when_too_many_are(shelf: Shelf, project_id: str) -> None:
    again = loads.begin_again("alice", project_id, CAPS)
    for _ in range(2):
        shelf.table.transact("retry", [again])

    with pytest.raises(RefusedError):
        shelf.table.transact("retry", [again])

    assert LoadStore(shelf.table).read("alice", project_id) == Load(2)
    shelf.table.transact("finalize", [loads.end("alice", project_id)])
    assert begin(shelf, project_id, CAPS) == Load(2, (NOW,))


def test_job_ends_all_the_same_when_the_row_is_gone(shelf: Shelf, project_id: str) -> None:
    shelf.table.transact("finalize", [loads.end("alice", project_id)])

    assert LoadStore(shelf.table).read("alice", project_id) == Load()
    assert begin(shelf, project_id, CAPS) == Load(1, (NOW,))
