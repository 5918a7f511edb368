from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import JOB, PROJECT, new_id
from shared.jobs.statuses import JobStatus
from shared.store.job_lists import JobLists
from shared.store.ledger_rows import ledger_row
from shared.store.ledgers import LedgerStore
from tests.support.ledgers import NOW, at, make_ledger

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.shared.store.conftest import Shelf

STATUSES = [
    JobStatus.QUEUED,
    JobStatus.COMPLETED,
    JobStatus.INTAKE,
    JobStatus.PAUSED,
    JobStatus.CANCELLED,
    JobStatus.CANCELLING,
    JobStatus.PROCESSING,
]


@pytest.fixture
def project(shelf: Shelf) -> list[Ledger]:
    """Jobs of one project in the order of their creation, a foreign one beside them."""
    project_id = new_id(PROJECT, NOW)
    jobs = [
        make_ledger(project_id=project_id, job_id=new_id(JOB, at(number)), status=status)
        for number, status in enumerate(STATUSES)
    ]
    for job in (*jobs, make_ledger(project_id=new_id(PROJECT, NOW), job_id=new_id(JOB, NOW))):
        shelf.place(job)
    return jobs


@pytest.mark.parametrize("page", [1, 2, 100])
@pytest.mark.acceptance(35)
def test_all_jobs_are_listed_newest_first_when_pages_are_small(shelf: Shelf, project: list[Ledger], page: int) -> None:
    found = list(JobLists(shelf.table).all(project[0].project_id, after=None, page=page))

    assert found == [job for job in reversed(project) if job.status is not JobStatus.INTAKE]


def test_list_goes_on_behind_a_job(shelf: Shelf, project: list[Ledger]) -> None:
    found = JobLists(shelf.table).all(project[0].project_id, after=project[4].job_id, page=2)

    assert list(found) == [project[3], project[1], project[0]]


@pytest.mark.acceptance(35)
def test_active_jobs_are_all_found_in_pages(shelf: Shelf, project: list[Ledger]) -> None:
    lists, project_id = JobLists(shelf.table), project[0].project_id

    first = lists.active(project_id, after=None, limit=3)
    second = lists.active(project_id, after=first[-1].job_id, limit=3)

    assert first == [project[6], project[5], project[3]]
    assert second == [project[0]]


def test_finished_job_is_not_active_when_the_index_lags_behind(shelf: Shelf, project: list[Ledger]) -> None:
    lagging = project[0].evolve(status=JobStatus.COMPLETED)
    shelf.put(ledger_row(lagging) | {"active": project[0].project_id.removeprefix(PROJECT)})

    found = JobLists(shelf.table).active(lagging.project_id, after=None, limit=100)

    assert lagging.job_id not in {job.job_id for job in found}


def test_strange_project_has_no_jobs(shelf: Shelf) -> None:
    project_id = new_id(PROJECT, NOW)

    assert JobLists(shelf.table).active(project_id, after=None, limit=5) == []
    assert list(JobLists(shelf.table).all(project_id, after=None, page=5)) == []
    assert LedgerStore(shelf.table).read(project_id, new_id(JOB, NOW)) is None
