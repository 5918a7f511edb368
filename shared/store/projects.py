"""Projects and who is a member of them.

A membership is two rows, one from each side, always written together. The project's row counts its owners, so that
two owners who remove each other at the same moment cannot leave the project to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.clock import from_iso, to_iso
from shared.errors import LastOwnerError, NoProjectError, StoreUnavailableError
from shared.store.dynamodb import RefusedError
from shared.store.expressions import Change, Check, Delete, Insert
from shared.store.keys import (
    MEMBER_PREFIX,
    PROJECT_PREFIX,
    former_member_key,
    member_key,
    membership_key,
    project_id_of,
    project_key,
    project_partition,
    user_of_key,
    user_partition,
)

if TYPE_CHECKING:
    from datetime import datetime

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable

__all__ = ["Member", "Membership", "Project", "ProjectStore", "Role", "may_edit"]

_TRIES: Final = 5
"""Of a change of a membership that others change at the same moment."""


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


@dataclass(frozen=True, slots=True)
class Member:
    """Who may what in a project, and since when they are in it."""

    user: str
    role: Role
    added_at: datetime


def may_edit(project_id: str, user: str) -> Check:
    """The condition that ``user`` is, at the moment of a transaction, a member who may change the project."""
    return Check(
        member_key(project_id, user),
        "role IN (:owner, :editor)",
        {"owner": Role.OWNER.value, "editor": Role.EDITOR.value},
    )


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
                Insert({**project_key(project.project_id), "name": project.name, "created_at": created, "owners": 1}),
                Insert({**member_key(project.project_id, owner), **role}),
                Insert({**membership_key(project.project_id, owner), **role}),
            ],
        )

    def role_of(self, project_id: str, user: str, *, latest: bool = False) -> Role | None:
        """The user's role, or None for a stranger and for a project that does not exist alike.

        With ``latest`` it is the role of this moment; without, one that was just changed or taken away may still be
        told, for half the price.
        """
        key = member_key(project_id, user)
        row = self.table.get(key, consistent=latest)
        if row is None and not latest:
            # An absence is asked twice: who has just created a project is its member at once.
            row = self.table.get(key, consistent=True)
        return None if row is None else Role(row["role"])

    def members(self, project_id: str, *, after: str | None, limit: int) -> list[Member]:
        """The members in the order of their names, behind the user ``after``, at most ``limit``."""
        rows = self.table.query(
            project_partition(project_id),
            prefix=MEMBER_PREFIX,
            start=None if after is None else member_key(project_id, after),
            limit=limit,
            consistent=True,
        )
        return [_member(row) for row in islice(rows, limit)]

    def member(self, project_id: str, user: str) -> Member | None:
        """One member."""
        row = self.table.get(member_key(project_id, user), consistent=True)
        return None if row is None else _member(row)

    def put_member(self, project_id: str, user: str, role: Role, *, now: datetime) -> Member:
        """Make ``user`` a member, or give a member another role. The membership as it then stands.

        Raises:
            LastOwnerError: the only owner would be none any more.
            NoProjectError: there is no such project, or it is being deleted.
        """
        for _ in range(_TRIES):
            old = self.member(project_id, user)
            if old is not None and old.role is role:
                return old
            new = Member(user, role, now if old is None else old.added_at)
            if self._change(project_id, old, new):
                return new
        raise StoreUnavailableError(f"the membership of {user} changed {_TRIES} times")

    def remove_member(self, project_id: str, user: str) -> bool:
        """Take the membership away; whether there was one.

        Raises:
            LastOwnerError: it is the only owner's.
            NoProjectError: the project is gone.
        """
        for _ in range(_TRIES):
            old = self.member(project_id, user)
            if old is None:
                return False
            if self._change(project_id, old, None):
                return True
        raise StoreUnavailableError(f"the membership of {user} changed {_TRIES} times")

    def _change(self, project_id: str, old: Member | None, new: Member | None) -> bool:
        """Write both sides of a membership, and the project's count; False where another has changed it since."""
        owners = int(new is not None and new.role is Role.OWNER) - int(old is not None and old.role is Role.OWNER)
        sides = _sides(project_id, old, new)
        try:
            self.table.transact("change_member", [_count_owners(project_id, owners), *sides])
        except RefusedError as refused:
            if 0 not in refused.failed:
                return False
            if owners < 0 and refused.rows[0] is not None:
                raise LastOwnerError("change_member", "a project keeps at least one owner") from refused
            raise NoProjectError("change_member", "there is no such project") from refused
        return True

    def read(self, project_id: str) -> Project | None:
        """One project."""
        row = self.table.get(project_key(project_id), consistent=True)
        return None if row is None or _is_going(row) else Project(project_id, row["name"], from_iso(row["created_at"]))

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
            if row is not None and not _is_going(row)
        ]


def _is_going(row: Row) -> bool:
    """Whether the project is being deleted: its owners are the first to go (:mod:`shared.store.erasures`)."""
    return "owners" not in row


def _member(row: Row) -> Member:
    return Member(user_of_key(row["sk"]), Role(row["role"]), from_iso(row["added_at"]))


def _count_owners(project_id: str, difference: int) -> Change | Check:
    """The project's part of a change of its members: it must be there, and must not lose its last owner."""
    key = project_key(project_id)
    if difference == 0:
        return Check(key, "attribute_exists(owners)")
    condition = "owners > :one" if difference < 0 else "attribute_exists(owners)"
    return Change(key, condition, ("owners = owners + :difference",), values={"difference": difference, "one": 1})


def _sides(project_id: str, old: Member | None, new: Member | None) -> list[Change | Delete | Insert]:
    """Both rows of a membership that was ``old`` and is to be ``new``."""
    member = old or new
    if member is None:
        return []
    keys = member_key(project_id, member.user), membership_key(project_id, member.user)
    if new is None:
        # Rows under the user's own partition outlive the membership: the project's deletion finds them by this.
        was = Insert(former_member_key(project_id, member.user), "")
        return [*(Delete(key, "role = :old", {"old": member.role.value}) for key in keys), was]
    if old is None:
        row = {"role": new.role.value, "added_at": to_iso(new.added_at)}
        return [Insert({**key, **row}) for key in keys]
    values = {"old": old.role.value, "new": new.role.value}
    return [Change(key, "role = :old", ("role = :new",), values=values) for key in keys]
