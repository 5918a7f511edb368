"""Runs that delete for good: the api's, and the sweeper's that erase what is deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.store.erasures import ErasureStore
from tests.support.erasing import erase, places
from tests.support.killing.flows import Flow
from tests.support.killing.preset_flows import STYLE, templates
from tests.support.killing.project_flows import NO_JOB

if TYPE_CHECKING:
    from tests.support.killing.stage import Invocation, Stage

__all__ = ["FLOWS"]

A_DAY_AND_MORE = timedelta(hours=26).total_seconds()


def _ended_job(stage: Stage) -> str:
    """The path of a job that has ended and been told of."""
    job = stage.create(2)
    stage.finish()
    stage.to_delete += stage.ledgers()
    return f"{stage.desk.jobs}/{job.job_id}"


def job_deleted(stage: Stage) -> Invocation:
    """A request to delete a job; who gets no answer asks again."""
    return stage.request(path=_ended_job(stage), method="DELETE")


def project_deleted(stage: Stage) -> Invocation:
    """A request to delete a project; who gets no answer never comes back."""
    return stage.request(path=f"/v1/projects/{stage.desk.project}", method="DELETE", again=False)


def job_to_erase(stage: Stage) -> Invocation:
    """The minute after a job was deleted."""
    path = _ended_job(stage)
    assert stage.desk.client().delete(path).status == 204
    return stage.minute()


def project_to_erase(stage: Stage) -> Invocation:
    """The minute after a project was deleted, one of whose templates was made with a key."""
    client = stage.desk.client()
    assert client.post(templates(stage), STYLE, headers={"Idempotency-Key": "style"}).status == 201
    assert client.delete(f"/v1/projects/{stage.desk.project}").status == 204
    return stage.minute()


def job_to_erase_again(stage: Stage) -> Invocation:
    """The minute, a day later, in which an erased job is looked through once more, for what the journal wrote late."""
    job_to_erase(stage)
    erase(stage.workshop.table)
    stage.clock.advance(A_DAY_AND_MORE)
    return stage.minute()


def job_kept_long_enough(stage: Stage) -> Invocation:
    """The minute in which a job ended longer ago than jobs are kept."""
    _ended_job(stage)
    stage.clock.advance(2 * A_DAY_AND_MORE)
    stage.retention_days = 1
    return stage.minute()


def project_with_a_job_at_work(stage: Stage) -> Invocation:
    """The minute after a project was deleted in the very moment in which a job of it was created."""
    stage.create(2)
    ErasureStore(stage.workshop.table).delete_project(stage.desk.project, now=stage.clock.now(), actor="user:alice")
    return stage.minute()


def project_to_clear(stage: Stage) -> Invocation:
    """The minute in which the job of a deleted project has ended, and goes with it."""
    project_with_a_job_at_work(stage)
    stage.finish()
    stage.to_delete += stage.ledgers()
    return stage.minute()


def erased_with_what_is_too_old(stage: Stage) -> None:
    """Likewise, by runs that know how long jobs are kept."""
    erase(stage.workshop.table, retention_days=stage.retention_days)
    nothing_is_left(stage)


def nothing_is_left(stage: Stage) -> None:
    """A job, or a project, that was marked is erased by the sweeper's next runs, however the last one ended."""
    for _ in range(4):
        stage.clock.advance(A_DAY_AND_MORE)
        erase(stage.workshop.table)
    left = places(stage.workshop.table)
    assert not [place for place in left if "JOB#" in place or "DELETED#" in place], left


def project_is_whole_or_gone(stage: Stage) -> None:
    """Nothing is left of the project, or, where nobody marked it, all of it."""
    nothing_is_left(stage)
    left = [place for place in places(stage.workshop.table) if not place.startswith("IDEMPOTENCY#")]
    assert len(left) in {0, 3}, left


FLOWS = (
    Flow(name="api: a job is deleted", arrange=job_deleted, holds=nothing_is_left, ends=[NO_JOB]),
    Flow(
        name="api: a project is deleted, and the caller never comes back",
        arrange=project_deleted,
        holds=project_is_whole_or_gone,
        ends=[NO_JOB],
    ),
    Flow(name="sweeper: a deleted job is erased", arrange=job_to_erase, holds=nothing_is_left, ends=[NO_JOB]),
    Flow(
        name="sweeper: an erased job is looked through once more",
        arrange=job_to_erase_again,
        holds=nothing_is_left,
        ends=[NO_JOB],
    ),
    Flow(
        name="sweeper: a job is deleted that was kept long enough",
        arrange=job_kept_long_enough,
        holds=erased_with_what_is_too_old,
        ends=[NO_JOB],
    ),
    Flow(
        name="sweeper: a job of a deleted project is cancelled",
        arrange=project_with_a_job_at_work,
        holds=nothing_is_left,
        ends=[NO_JOB],
    ),
    Flow(
        name="sweeper: a job of a deleted project goes with it",
        arrange=project_to_clear,
        holds=nothing_is_left,
        ends=[NO_JOB],
    ),
    Flow(
        name="sweeper: a deleted project is erased",
        arrange=project_to_erase,
        holds=project_is_whole_or_gone,
        ends=[NO_JOB],
    ),
)
