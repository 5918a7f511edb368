"""What the eraser comes to when the table gives no answer: the run ends, and tells what was done and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import StoreUnavailableError
from shared.store.erasures import ErasureStore
from shared.store.keys import WATCH_SHARDS
from shared.store.ledgers import LedgerStore
from tests.support.erasing import erase, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop

A_DAY = 24 * 3600.0


def told(workshop: Workshop) -> Ledger:
    """A job that has ended, and told so."""
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    workshop.finalizer().close(workshop.ledger(job))
    return workshop.ledger(job)


def deleted(workshop: Workshop) -> Ledger:
    job = told(workshop)
    ErasureStore(workshop.table).delete_job(job, now=workshop.clock.now(), actor="user:test")
    return job


def is_there(workshop: Workshop, job: Ledger) -> bool:
    return workshop.ledgers.read(job.project_id, job.job_id) is not None


def breaks_off(monkeypatch: pytest.MonkeyPatch, workshop: Workshop, breaks: Callable[[str], bool]) -> None:
    """Lists of the partitions that ``breaks`` names give their first page, and then no answer."""
    real = type(workshop.table).query

    def query(self: Any, partition: str, **parts: Any) -> Iterator[Any]:
        yield from real(self, partition, **parts)
        if breaks(partition):
            raise StoreUnavailableError("no answer")

    monkeypatch.setattr(type(workshop.table), "query", query)


def test_run_ends_and_tells_what_it_did_when_the_list_of_deletions_breaks_off(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = deleted(workshop)
    breaks_off(monkeypatch, workshop, "erasing".__eq__)

    assert erase(workshop.table) == {"jobs": 1, "rows": 2, "cut_short": 1}

    assert [place for place in places(workshop.table) if place.startswith(f"JOB#{job.job_id[4:]}")] == []


def test_what_is_deleted_is_erased_when_the_list_of_what_is_too_old_breaks_off(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [told(workshop) for _ in range(2 * WATCH_SHARDS)]
    clock.advance(40 * A_DAY)
    deleted(workshop)
    breaks_off(monkeypatch, workshop, "ended-0".__eq__)

    done = erase(workshop.table, retention_days=30)

    assert done["cut_short"] == 1
    assert done["jobs_retired"] == sum(not is_there(workshop, job) for job in old)
    assert done["jobs"] == 1 + done["jobs_retired"]


@pytest.mark.parametrize(("owner", "method"), [(LedgerStore, "read"), (ErasureStore, "delete_job")])
def test_other_jobs_are_retired_when_one_gets_no_answer(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    unlucky, other = told(workshop), told(workshop)
    clock.advance(40 * A_DAY)
    real = getattr(owner, method)

    def broken(self: Any, *args: Any, **parts: Any) -> Any:
        if unlucky.job_id in {getattr(each, "job_id", each) for each in args}:
            raise StoreUnavailableError("no answer")
        return real(self, *args, **parts)

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, broken)
        done = erase(workshop.table, retention_days=30)

    assert (done["jobs_retired"], done["cut_short"]) == (1, 1)
    assert (is_there(workshop, unlucky), is_there(workshop, other)) == (True, False)
    assert erase(workshop.table, retention_days=30)["jobs_retired"] == 1, "the next run finds it where it is"


def test_run_ends_when_no_list_can_be_read_to_its_end(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks_off(monkeypatch, workshop, lambda _: True)

    assert erase(workshop.table, retention_days=30) == {"cut_short": 2}
