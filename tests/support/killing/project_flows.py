"""The api's runs that change projects and who is a member of them: no job is concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.store.keys import MEMBER_PREFIX, PROJECT_PREFIX, project_id_of, project_partition, user_partition
from shared.store.projects import Role
from tests.support.killing.flows import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation, Stage

__all__ = ["FLOWS"]

NO_JOB = "no job"


def created(*, again: bool) -> Callable[[Stage], Invocation]:
    """A request for a project."""
    return lambda stage: stage.request(body={"name": "News"}, path="/v1/projects", again=again)


def member_put(role: str, *, before: str | None = None) -> Callable[[Stage], Invocation]:
    """A request to make Bob a member, or what he was ``before`` something else."""

    def arrange(stage: Stage) -> Invocation:
        if before is not None:
            stage.desk.services().projects.put_member(stage.desk.project, "bob", Role(before), now=stage.clock.now())
        return stage.request(body={"role": role}, path=bob(stage), method="PUT")

    return arrange


def member_removed(*, again: bool) -> Callable[[Stage], Invocation]:
    """A request to take an owner's membership away."""

    def arrange(stage: Stage) -> Invocation:
        stage.desk.services().projects.put_member(stage.desk.project, "bob", Role.OWNER, now=stage.clock.now())
        return stage.request(path=bob(stage), method="DELETE", again=again)

    return arrange


def bob(stage: Stage) -> str:
    """The path of a member."""
    return f"/v1/projects/{stage.desk.project}/members/bob"


def sides_agree(stage: Stage) -> None:
    """Every membership is seen from both sides or from neither, and the project counts its owners."""
    table, projects = stage.workshop.table, stage.desk.services().projects
    for user in ("alice", "bob"):
        for row in table.query(user_partition(user), prefix=PROJECT_PREFIX, consistent=True):
            member = projects.member(project_id_of(row["sk"]), user)
            assert member is not None
            assert member.role.value == row["role"]
    partition = project_partition(stage.desk.project)
    members = list(table.query(partition, prefix=MEMBER_PREFIX, consistent=True))
    (project,) = table.query(partition, prefix="PROJECT", consistent=True)
    assert project["owners"] == sum(row["role"] == Role.OWNER for row in members)
    for row in members:
        user = row["sk"].removeprefix(MEMBER_PREFIX)
        seen = projects.of_user(user, after=None, limit=10)
        assert {"Blog": Role(row["role"])}.items() <= {one.project.name: one.role for one in seen}.items()


FLOWS = (
    Flow(
        name="api: a project is created, and the caller never comes back",
        arrange=created(again=False),
        holds=sides_agree,
        ends=[NO_JOB],
    ),
    Flow(name="api: somebody becomes a member", arrange=member_put("editor"), holds=sides_agree, ends=[NO_JOB]),
    Flow(
        name="api: a member becomes an owner",
        arrange=member_put("owner", before="viewer"),
        holds=sides_agree,
        ends=[NO_JOB],
    ),
    Flow(
        name="api: an owner is removed, and the caller never comes back",
        arrange=member_removed(again=False),
        holds=sides_agree,
        ends=[NO_JOB],
    ),
)
