"""The client's methods for a project's members."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from pressroom.client.calls import Calls, project_path
from pressroom.client.decoding import decode
from pressroom.client.http import Call, compact
from pressroom.client.records import Member

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MemberCalls"]


class MemberCalls(Calls):
    """Who may what in a project; for its owners."""

    def list_members(self, project: str) -> Iterator[Member]:
        """The project's members in the order of their names, page by page."""
        return self._records(Member, f"{project_path(project)}/members")

    def get_member(self, project: str, user: str) -> Member:
        """One member."""
        return decode(Member, self._get(_member_path(project, user)))

    def put_member(self, project: str, user: str, role: str) -> Member:
        """Makes somebody a member, or gives a member another role: ``owner``, ``editor`` or ``viewer``.

        Nothing asks whether there is such a user: the name is the one that their token carries.
        """
        call = Call(method="PUT", path=_member_path(project, user), body=compact({"role": role}))
        return decode(Member, self._http.json(call))

    def remove_member(self, project: str, user: str) -> None:
        """Takes a membership away. Repeated after a lost answer, it may raise NotFoundError: they are gone."""
        self._http.send(Call(method="DELETE", path=_member_path(project, user)))


def _member_path(project: str, user: str) -> str:
    return f"{project_path(project)}/members/{quote(user, safe='')}"
