"""What the sweeper's eraser does: with jobs that are deleted or too old, and with deleted projects."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.store.erasures import ErasureStore
from shared.store.job_lists import JobLists
from shared.store.projects import ProjectStore, Role
from tests.support import fault_stages as stages
from tests.support.fault_runs import BATCH_WRITE, GET, LISTED, QUERY, TRANSACT, UPDATE, Flow
from tests.support.fault_stages import A_DAY_LATER

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant

__all__ = ["ERASER", "RETIRED", "project_is_gone"]

RETENTION_DAYS: Final = 30
_RUNS: Final = 6
"""Of the eraser, a day apart: a job has to end, its rows go, its marker waits, and the project waits for that."""


def erases(plant: Plant, _: Ledger) -> object:
    return plant.erase()


def retires(plant: Plant, _: Ledger) -> object:
    """A run of an eraser that keeps jobs for a time only; it erases what it deletes, unless a wait was in between."""
    done = plant.erase(retention_days=RETENTION_DAYS)
    return {name: count for name, count in done.items() if name not in {"jobs", "rows"}}


def mark(plant: Plant) -> None:
    """The project's deletion, by somebody who died before its members went."""
    ErasureStore(plant.direct).delete_project(plant.project, now=plant.clock.now(), actor="user:alice")


def left_by_its_deleter(plant: Plant) -> None:
    """A deleted project with two members, and a template that was made with a key."""
    style = {"name": "Style", "kind": "outline", "values": {"tone": "formal"}}
    made = plant.once("POST", f"{plant.path_of_project}/templates", style, headers={"Idempotency-Key": "style"})
    assert made.status == 201, made.text
    ProjectStore(plant.direct).put_member(plant.project, "bob", Role.EDITOR, now=plant.clock.now())
    mark(plant)


def with_an_ended_job(plant: Plant) -> None:
    """A deleted project with a job in it that has ended."""
    stages.told(plant)
    mark(plant)


def with_an_unfinished_job(plant: Plant) -> None:
    """A deleted project with a job in it that was created at the same moment."""
    stages.fresh(plant)
    mark(plant)


def kept_for_long(plant: Plant) -> Ledger:
    """A job whose time is over."""
    job = stages.told(plant)
    plant.clock.advance((RETENTION_DAYS + 1) * 24 * 3600.0)
    return job


def project_is_gone(plant: Plant) -> None:
    """Whatever the last run left of the deleted project goes by further ones, once its jobs have ended.

    Records of Idempotency-Keys stay until their time, without the answer.
    """
    for _ in range(_RUNS):
        for job in list(JobLists(plant.direct).all(plant.project, after=None, page=10)):
            plant.drive(job)
        plant.erase()
        plant.clock.advance(A_DAY_LATER)
    left = plant.rows()
    assert [f"{row['pk']}/{row['sk']}" for row in left if not row["pk"].startswith("IDEMPOTENCY#")] == []
    assert [row for row in left if "answer" in row] == []


RETIRED: Final = Flow(
    "the eraser deletes a job that is too old",
    kept_for_long,
    retires,
    (*[QUERY] * LISTED, GET, GET, GET, TRANSACT, QUERY, GET, QUERY, BATCH_WRITE, UPDATE),
    {"jobs_retired": 1},
    ends={},
    is_deleted=True,
    then=retires,
)
ERASER: Final = (
    Flow(
        "the eraser erases a job",
        stages.deleted,
        erases,
        (QUERY, GET, QUERY, BATCH_WRITE, UPDATE),
        {"jobs": 1, "rows": 3},
        ends={},
        is_deleted=True,
    ),
    Flow(
        "the eraser forgets that a job was deleted",
        stages.erased,
        erases,
        (QUERY, GET, QUERY, BATCH_WRITE),
        {"jobs": 1, "rows": 0},
        ends={},
        is_deleted=True,
    ),
    RETIRED,
    Flow(
        "the eraser erases a project",
        left_by_its_deleter,
        erases,
        (QUERY, GET, QUERY, TRANSACT, QUERY, QUERY, *[BATCH_WRITE] * 4, GET, UPDATE, BATCH_WRITE),
        {"projects": 1, "rows": 8},
        ends={},
        holds=project_is_gone,
    ),
    Flow(
        "the eraser deletes the jobs of a project",
        with_an_ended_job,
        erases,
        (QUERY, GET, QUERY, TRANSACT, QUERY, GET, GET, GET, TRANSACT, QUERY, *[BATCH_WRITE] * 2, UPDATE),
        {"projects": 1, "rows": 4},
        ends={},
        holds=project_is_gone,
    ),
    Flow(
        "the eraser cancels the jobs of a project",
        with_an_unfinished_job,
        erases,
        (QUERY, GET, QUERY, TRANSACT, QUERY, GET, UPDATE, UPDATE),
        {"projects": 1, "rows": 0},
        ends={},
        # Who cancelled it is not known: the next run sees that it ends.
        hears_instead=MappingProxyType({(UPDATE, 1): {"cut_short": 1}}),
        holds=project_is_gone,
    ),
)
