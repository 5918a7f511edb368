"""Routes of a project's members; for its owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.caller import is_name
from functions.api.cursors import Listing
from functions.api.presenter import member_view
from functions.api.problems import no_member, no_project
from functions.api.routing import Answer
from functions.api.validating import invalid, pointer
from shared.contracts.requests import MemberRequest, PageQuery
from shared.contracts.views import MembersPage
from shared.errors import BadField, LastOwnerError, NoProjectError, RequestError
from shared.store.projects import Role

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["list_all", "put", "read", "remove"]


def list_all(call: Call) -> Answer:
    """The members, in the order of their names."""
    query = call.query(PageQuery)
    listing = Listing(("members", call.project))
    after = listing.after_name(query.cursor)
    found = call.services.projects.members(call.project, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    cursor = listing.cursor(shown[-1].user) if len(found) > query.limit else None
    return Answer(body=MembersPage(items=tuple(map(member_view, shown)), next_cursor=cursor))


def read(call: Call) -> Answer:
    """One member."""
    user = call.path["user"]
    member = call.services.projects.member(call.project, user) if is_name(user) else None
    if member is None:
        raise no_member()
    return Answer(body=member_view(member))


def put(call: Call) -> Answer:
    """Make somebody a member, or give a member another role."""
    request = call.body(MemberRequest)
    user = call.path["user"]
    if not is_name(user):
        told = "is no name of a user: 1 to 256 printable characters, at most 512 bytes as UTF-8"
        raise invalid([BadField(pointer("path", "user"), told)])
    try:
        member = call.services.projects.put_member(
            call.project, user, Role(request.role), now=call.services.clock.now()
        )
    except LastOwnerError as error:
        raise _last_owner() from error
    except NoProjectError as error:
        raise no_project() from error
    return Answer(body=member_view(member))


def remove(call: Call) -> Answer:
    """Take a membership away."""
    if not is_name(call.path["user"]):
        raise no_member()
    try:
        was_member = call.services.projects.remove_member(call.project, call.path["user"])
    except LastOwnerError as error:
        raise _last_owner() from error
    except NoProjectError as error:
        raise no_project() from error
    if not was_member:
        raise no_member()
    return Answer(status=204)


def _last_owner() -> RequestError:
    return RequestError(
        409, "last_owner", "A project keeps at least one owner: make somebody else an owner before that."
    )
