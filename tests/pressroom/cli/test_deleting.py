from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from pressroom.client import PressroomClient
from tests.support.direct_api import direct
from tests.support.front_desk import FrontDesk

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def desk(
    moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> FrontDesk:
    """The real api behind the command."""
    desk = FrontDesk(moto_table, moto_work_queue, clock=clock)
    monkeypatch.setattr("pressroom.cli.session.PressroomClient", partial(PressroomClient, transport=direct(desk)))
    monkeypatch.setenv("PRESSROOM_TOKEN", "alice")
    return desk


def test_ended_jobs_are_deleted_and_the_others_told_of(command: Command, desk: FrontDesk) -> None:
    ended, running = desk.job(1), desk.job(1)
    desk.finish(ended)
    names = [job.rpartition("/")[2] for job in (ended, running)]

    ran = command("delete", *names, "--yes")

    assert ran.code == 4
    assert f"{names[0]} is deleted." in ran.err
    assert f"{names[1]} is not deleted: Only a job that has ended can be deleted" in ran.err
    assert [desk.client().get(job).status for job in (ended, running)] == [404, 200]


def test_nothing_is_deleted_when_nobody_can_be_asked(command: Command, desk: FrontDesk) -> None:
    job = desk.job(1)
    desk.finish(job)

    ran = command("delete", job.rpartition("/")[2])

    assert (ran.code, "--yes answers for you" in ran.err) == (2, True)
    assert command("project", "delete", desk.project).code == 2
    assert desk.client().get(job).status == 200


def test_a_project_is_deleted_when_nothing_runs_in_it(command: Command, desk: FrontDesk) -> None:
    job = desk.job(1)
    early = command("project", "delete", desk.project, "--yes")
    desk.finish(job)

    ran = command("project", "delete", desk.project, "--yes")

    assert (early.code, "jobs that have not ended" in early.err) == (4, True)
    assert ran.code == 0
    assert f"Blog ({desk.project}) is deleted" in ran.err
    assert command("projects").out.splitlines()[1:] == []
