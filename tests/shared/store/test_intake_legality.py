"""The intake's expressions on moto, with transactions small enough for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.statuses import JobStatus
from shared.store import intake
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import IntakeStore, NewJob, Replay
from shared.store.item_rows import NewItem
from shared.store.items import ItemStore
from shared.store.ledgers import LedgerStore
from tests.support.ledgers import JOB_ID, NOW, PROJECT_ID, at, make_ledger, make_spec

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf

pytestmark = pytest.mark.parametrize("backend", ["moto"], indirect=True)


def test_intake_is_written_resumed_sealed_and_replayed_when_it_takes_many_transactions(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_MEMBERS", 6)
    record = IdempotencyRecord("k", "print", JOB_ID, b"{}", NOW + timedelta(hours=24))
    rows = [NewItem(position, {"topic": "T"}) for position in range(1, 12)]
    job = NewJob(make_ledger(*first_generation_lanes(11, 2)), make_spec(), rows, record)
    store, ledgers = IntakeStore(shelf.table), LedgerStore(shelf.table)
    shelf.place(job.ledger.evolve(status=JobStatus.INTAKE, intake_token="dead"))
    stale = ledgers.read(PROJECT_ID, JOB_ID)
    assert stale is not None

    finished = store.resume(job, stale, now=at(300), check_at=at(600))

    assert (finished.status, finished.intake_token) == (JobStatus.QUEUED, None)
    assert len(list(ItemStore(shelf.table).after(JOB_ID, 0, page=4, outputs=True))) == 11
    fresh_id = JOB_ID[:-1] + "9"
    fresh = NewJob(
        job.ledger.evolve(job_id=fresh_id),
        make_spec(job_id=fresh_id),
        rows,
        IdempotencyRecord("k", "print", fresh_id, b"{}", NOW + timedelta(hours=24)),
    )
    made = store.create(fresh, now=NOW)
    assert isinstance(made, Ledger)
    assert made.status is JobStatus.QUEUED
    assert store.create(fresh, now=NOW) == Replay(fresh.idempotency, made)  # type: ignore[arg-type]
