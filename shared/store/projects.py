"""Projects and who is a member of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import islice
from typing import TYPE_CHECKING

from shared.clock import from_iso, to_iso
from shared.store.expressions import Insert
from shared.store.keys import (
    PROJECT_PREFIX,
    member_key,
    membership_key,
    project_id_of,
    project_key,
    user_partition,
)

if TYPE_CHECKING:
    from datetime import datetime

    from shared.store.dynamodb import DynamoTable

__all__ = ["Membership", "Project", "ProjectStore", "Role"]


@unique
class Role(StrEnum):
    """What a member may do: each role may all that the next may."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Project:
    """A project."""

    project_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """A project and the reader's role in it."""

    project: Project
    role: Role


@dataclass(frozen=True)
class ProjectStore:
    """Projects, members, and the way back from a user to the projects."""

    table: DynamoTable

    def create(self, project: Project, *, owner: str) -> None:
        """Write the project and its owner's membership, seen from both sides, together."""
        created = to_iso(project.created_at)
        role = {"role": Role.OWNER.value, "added_at": created}
        self.table.transact(
            "create_project",
            [
                Insert(
                    {**project_key(project.project_id), "name": project.name, "owner": owner, "created_at": created}
                ),
                Insert({**member_key(project.project_id, owner), **role}),
                Insert({**membership_key(project.project_id, owner), **role}),
            ],
        )

    def role_of(self, project_id: str, user: str) -> Role | None:
        """The user's role, or None for a stranger and for a project that does not exist alike."""
        # Only an absence is asked twice: who has just created a project is its member at once.
        key = member_key(project_id, user)
        row = self.table.get(key) or self.table.get(key, consistent=True)
        return None if row is None else Role(row["role"])

    def read(self, project_id: str) -> Project | None:
        """One project."""
        row = self.table.get(project_key(project_id), consistent=True)
        return None if row is None else Project(project_id, row["name"], from_iso(row["created_at"]))

    def of_user(self, user: str, *, after: str | None, limit: int) -> list[Membership]:
        """The user's projects in the order of their creation, behind the project ``after``, at most ``limit`` ≤ 100."""
        rows = self.table.query(
            user_partition(user),
            prefix=PROJECT_PREFIX,
            start=membership_key(after, user) if after else None,
            limit=limit,
            consistent=True,
        )
        roles = {project_id_of(row["sk"]): Role(row["role"]) for row in islice(rows, limit)}
        found = self.table.get_many([project_key(project_id) for project_id in roles], consistent=True) if roles else []
        return [
            Membership(Project(project_id, row["name"], from_iso(row["created_at"])), role)
            for (project_id, role), row in zip(roles.items(), found, strict=True)
            if row is not None
        ]
