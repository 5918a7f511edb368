"""Routes of projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.cursors import Listing
from functions.api.presenter import project_usage_view, project_view
from functions.api.problems import no_project
from functions.api.routing import Answer
from shared.contracts.requests import MAX_PAGE, CreateProjectRequest, PageQuery
from shared.contracts.views import ProjectsPage
from shared.jobs.ids import PROJECT, new_id
from shared.jobs.quotas import month_of
from shared.store.projects import Membership, Project, Role

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["create", "list_own", "read", "remove", "usage"]


def create(call: Call) -> Answer:
    """A new project, owned by its creator."""
    request = call.body(CreateProjectRequest)
    now = call.services.clock.now()
    project = Project(new_id(PROJECT, now), request.name, now)
    call.services.projects.create(project, owner=call.caller)
    return Answer(
        status=201,
        body=project_view(Membership(project, Role.OWNER)),
        headers={"Location": f"/v1/projects/{project.project_id}"},
    )


def remove(call: Call) -> Answer:
    """Delete a project in which nothing runs, with all that it holds."""
    call.services.deleter.delete_project(call.project, call.caller, seconds_left=call.seconds_left)
    return Answer(status=204, counts={"ProjectsDeleted": 1})


def list_own(call: Call) -> Answer:
    """The caller's projects, in the order of their creation."""
    query = call.query(PageQuery)
    listing = Listing(("projects", call.caller))
    # One more tells whether there are more; DynamoDB reads at most a hundred projects at once.
    asked = min(query.limit + 1, MAX_PAGE)
    found = call.services.projects.of_user(call.caller, after=listing.after_id(query.cursor), limit=asked)
    shown = found[: query.limit]
    more = len(found) > query.limit or len(found) == MAX_PAGE
    cursor = listing.cursor(shown[-1].project.project_id) if more else None
    return Answer(body=ProjectsPage(items=tuple(map(project_view, shown)), next_cursor=cursor))


def read(call: Call) -> Answer:
    """One project."""
    project = call.services.projects.read(call.project)
    if project is None or call.role is None:
        raise no_project()
    return Answer(body=project_view(Membership(project, call.role)))


def usage(call: Call) -> Answer:
    """What the project has of its quota this month."""
    now, admissions = call.services.clock.now(), call.services.admissions
    quota = admissions.allowance(call.project).quota
    return Answer(body=project_usage_view(admissions.usage(call.project, month_of(now)), quota, now))
