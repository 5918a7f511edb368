"""Every route of the API. The router and the OpenAPI document are made from this table."""

from __future__ import annotations

from typing import Final

from functions.api import (
    control_routes,
    event_routes,
    item_routes,
    job_routes,
    member_routes,
    project_routes,
    service_routes,
)
from functions.api.routing import Access, Header, Reply, Route
from shared.contracts.requests import (
    BulkCancelRequest,
    CreateJobQuery,
    CreateJobRequest,
    CreateProjectRequest,
    EmptyRequest,
    ItemsQuery,
    JobQuery,
    JobsQuery,
    MemberRequest,
    PageQuery,
    ProcessNextRequest,
    ResultsQuery,
    ResumeRequest,
    RetryRequest,
)
from shared.contracts.views import (
    BulkCancelView,
    CreatedJobView,
    DryRunView,
    EventsPage,
    HealthView,
    ItemsPage,
    JobsPage,
    JobView,
    KindsView,
    LimitsView,
    MembersPage,
    MemberView,
    ProcessNextView,
    ProjectsPage,
    ProjectUsageView,
    ProjectView,
    SingleItemView,
)
from shared.store.projects import Role

__all__ = ["ROUTES"]

_PROJECT: Final = "/v1/projects/{project}"
_MEMBER: Final = f"{_PROJECT}/members/{{user}}"
_JOB: Final = f"{_PROJECT}/jobs/{{job}}"

_IDEMPOTENCY_KEY: Final = Header(
    name="Idempotency-Key",
    description="At most 255 characters. For 24 hours the same key and body in the project get the first answer.",
)
_RETRY_KEY: Final = Header(
    name="Idempotency-Key",
    description="At most 255 characters. A repeat with the same key and body, while the generation that it opened is "
    "the job's, opens no other.",
)
_IF_NONE_MATCH: Final = Header(name="If-None-Match", description="The ETag that is known.")
_ETAG: Final = Header(name="ETag", description="The job's version and shown status.")
_LOCATION: Final = Header(name="Location", description="Where it stands.")
_RETRY_AFTER: Final = Header(name="Retry-After", description="Whole seconds.")
_REPLAYED: Final = Header(name="Idempotent-Replayed", description="`true` where this is the first call's answer.")
_LINK: Final = Header(name="Link", description='`rel="next"`: where the results go on.')
_NO_JOB: Final = "The project has no such job."
_TOO_MANY: Final = (
    "has too many unfinished ones (`too_many_active_jobs`), or less is left of the project's quota than is required "
    "(`quota_exceeded`, with `required` and `remaining`); with Retry-After, RateLimit and RateLimit-Policy."
)
_NO_MEMBER: Final = "Nobody of that name is a member of the project."
_LAST_OWNER: Final = "It is the only owner (`last_owner`)."
_ILLEGAL: Final = "The job's status does not allow it (`illegal_transition`, with `job_status`)."

ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/health",
        operation="health",
        summary="Whether the API answers, and its version",
        access=Access.PUBLIC,
        run=service_routes.health,
        replies={200: Reply(description="It answers.", model=HealthView)},
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        operation="openapi",
        summary="This document",
        access=Access.PUBLIC,
        run=service_routes.openapi,
        replies={200: Reply(description="OpenAPI 3.1.")},
    ),
    Route(
        method="GET",
        path="/docs",
        operation="docs",
        summary="This document for people",
        access=Access.PUBLIC,
        run=service_routes.docs,
        replies={200: Reply(description="A page.", content_types=("text/html",))},
    ),
    Route(
        method="GET",
        path="/v1/limits",
        operation="limits",
        summary="Every limit in force",
        access=Access.SIGNED_IN,
        run=service_routes.limits,
        replies={200: Reply(description="The limits.", model=LimitsView)},
    ),
    Route(
        method="GET",
        path="/v1/kinds",
        operation="kinds",
        summary="What can be generated",
        access=Access.SIGNED_IN,
        run=service_routes.kinds,
        replies={200: Reply(description="The kinds.", model=KindsView)},
    ),
    Route(
        method="POST",
        path="/v1/projects",
        operation="createProject",
        summary="Create a project; the caller becomes its owner",
        access=Access.SIGNED_IN,
        run=project_routes.create,
        body=CreateProjectRequest,
        replies={201: Reply(description="The project.", model=ProjectView, headers=(_LOCATION,))},
    ),
    Route(
        method="GET",
        path="/v1/projects",
        operation="listProjects",
        summary="The caller's projects",
        access=Access.SIGNED_IN,
        run=project_routes.list_own,
        query=PageQuery,
        replies={200: Reply(description="A page of projects.", model=ProjectsPage)},
    ),
    Route(
        method="GET",
        path=_PROJECT,
        operation="getProject",
        summary="One project",
        access=Role.VIEWER,
        run=project_routes.read,
        replies={200: Reply(description="The project.", model=ProjectView)},
    ),
    Route(
        method="GET",
        path=f"{_PROJECT}/usage",
        operation="getUsage",
        summary="What the project has of its quota this month",
        access=Role.VIEWER,
        run=project_routes.usage,
        replies={200: Reply(description="Limit, reserved, used and remaining.", model=ProjectUsageView)},
    ),
    Route(
        method="GET",
        path=f"{_PROJECT}/members",
        operation="listMembers",
        summary="The project's members",
        access=Role.OWNER,
        run=member_routes.list_all,
        query=PageQuery,
        replies={200: Reply(description="A page of members.", model=MembersPage)},
    ),
    Route(
        method="GET",
        path=_MEMBER,
        operation="getMember",
        summary="One member",
        access=Role.OWNER,
        run=member_routes.read,
        replies={200: Reply(description="The member.", model=MemberView)},
        problems={404: _NO_MEMBER},
    ),
    Route(
        method="PUT",
        path=_MEMBER,
        operation="putMember",
        summary="Make somebody a member, or give a member another role",
        access=Role.OWNER,
        run=member_routes.put,
        body=MemberRequest,
        replies={200: Reply(description="The member.", model=MemberView)},
        problems={409: _LAST_OWNER},
    ),
    Route(
        method="DELETE",
        path=_MEMBER,
        operation="removeMember",
        summary="Take a membership away",
        access=Role.OWNER,
        run=member_routes.remove,
        replies={204: Reply(description="They are no member any more.", content_types=())},
        problems={404: _NO_MEMBER, 409: _LAST_OWNER},
    ),
    Route(
        method="POST",
        path=f"{_PROJECT}/jobs",
        operation="createJob",
        summary="Create a job, or see what it would be",
        access=Role.EDITOR,
        run=job_routes.create,
        query=CreateJobQuery,
        body=CreateJobRequest,
        headers=(_IDEMPOTENCY_KEY,),
        replies={
            200: Reply(description="A dry run: nothing was written.", model=DryRunView),
            202: Reply(description="The job; it runs.", model=CreatedJobView, headers=(_LOCATION, _ETAG, _REPLAYED)),
        },
        problems={
            409: "A request with this Idempotency-Key is still being written (`idempotency_in_progress`).",
            429: f"The caller has created too many jobs within the hour (`rate_limited`) or {_TOO_MANY}",
        },
    ),
    Route(
        method="GET",
        path=f"{_PROJECT}/jobs",
        operation="listJobs",
        summary="The project's jobs, newest first",
        access=Role.VIEWER,
        run=job_routes.list_all,
        query=JobsQuery,
        replies={200: Reply(description="A page of jobs.", model=JobsPage)},
    ),
    Route(
        method="GET",
        path=_JOB,
        operation="getJob",
        summary="One job; may wait for a change",
        access=Role.VIEWER,
        run=job_routes.read,
        query=JobQuery,
        headers=(_IF_NONE_MATCH,),
        replies={
            200: Reply(description="The job.", model=JobView, headers=(_ETAG,)),
            304: Reply(description="It still is what If-None-Match names.", content_types=(), headers=(_ETAG,)),
        },
        problems={404: _NO_JOB},
    ),
    Route(
        method="GET",
        path=f"{_JOB}/items",
        operation="listItems",
        summary="The job's items in order, without outputs",
        access=Role.VIEWER,
        run=item_routes.list_all,
        query=ItemsQuery,
        replies={200: Reply(description="A page of items.", model=ItemsPage)},
        problems={404: _NO_JOB},
    ),
    Route(
        method="GET",
        path=f"{_JOB}/items/{{position}}",
        operation="getItem",
        summary="One item with its output and all attempts",
        access=Role.VIEWER,
        run=item_routes.read,
        replies={200: Reply(description="The item.", model=SingleItemView)},
        problems={404: "The project has no such job, or the job no such item."},
    ),
    Route(
        method="GET",
        path=f"{_JOB}/results",
        operation="getResults",
        summary="What is finished so far, in the order of the input",
        access=Role.VIEWER,
        run=item_routes.results,
        query=ResultsQuery,
        replies={
            200: Reply(
                description="At most 4 MB; the rest is where Link points.",
                content_types=("application/x-ndjson", "text/csv", "text/markdown"),
                headers=(_LINK,),
            )
        },
        problems={404: _NO_JOB},
    ),
    Route(
        method="GET",
        path=f"{_JOB}/events",
        operation="listEvents",
        summary="What happened to the job, oldest first",
        access=Role.VIEWER,
        run=event_routes.list_all,
        query=PageQuery,
        replies={200: Reply(description="A page of the timeline.", model=EventsPage)},
        problems={404: _NO_JOB},
    ),
    Route(
        method="POST",
        path=f"{_PROJECT}/jobs/cancel",
        operation="cancelJobs",
        summary="Cancel several jobs",
        access=Role.EDITOR,
        run=control_routes.cancel_many,
        body=BulkCancelRequest,
        replies={200: Reply(description="What became of each job.", model=BulkCancelView)},
    ),
    Route(
        method="POST",
        path=f"{_JOB}/pause",
        operation="pauseJob",
        summary="Let nothing new start; what runs is finished (`pausing`, then `paused`)",
        access=Role.EDITOR,
        run=control_routes.pause,
        body=EmptyRequest,
        body_required=False,
        replies={200: Reply(description="The job, paused.", model=JobView, headers=(_ETAG,))},
        problems={404: _NO_JOB, 409: _ILLEGAL},
    ),
    Route(
        method="POST",
        path=f"{_JOB}/resume",
        operation="resumeJob",
        summary="Go on with a paused job; may raise its budget",
        access=Role.EDITOR,
        run=control_routes.resume,
        body=ResumeRequest,
        body_required=False,
        replies={200: Reply(description="The job; it runs.", model=JobView, headers=(_ETAG,))},
        problems={404: _NO_JOB, 409: _ILLEGAL},
    ),
    Route(
        method="POST",
        path=f"{_JOB}/cancel",
        operation="cancelJob",
        summary="Start nothing more: what runs keeps its result, the rest is cancelled",
        access=Role.EDITOR,
        run=control_routes.cancel,
        body=EmptyRequest,
        body_required=False,
        replies={200: Reply(description="The job, cancelling or cancelled.", model=JobView, headers=(_ETAG,))},
        problems={404: _NO_JOB, 409: _ILLEGAL},
    ),
    Route(
        method="POST",
        path=f"{_JOB}/retry",
        operation="retryJob",
        summary="Try failed items again, in a new generation; the others stay as they are",
        access=Role.EDITOR,
        run=control_routes.retry,
        body=RetryRequest,
        body_required=False,
        headers=(_RETRY_KEY,),
        replies={202: Reply(description="The job; it runs.", model=JobView, headers=(_ETAG, _REPLAYED))},
        problems={
            404: _NO_JOB,
            409: f"{_ILLEGAL} Or it has just ended (`not_yet_settled`, with Retry-After), or what is left of its "
            "budget covers no item (`budget_exhausted`).",
            429: f"The caller {_TOO_MANY}",
        },
    ),
    Route(
        method="POST",
        path=f"{_JOB}/process-next",
        operation="processNext",
        summary="Advance the job by at most one item",
        access=Role.EDITOR,
        run=job_routes.process_next,
        body=ProcessNextRequest,
        body_required=False,
        replies={
            200: Reply(description="An item was processed, or nothing is left.", model=ProcessNextView),
            202: Reply(
                description="The item runs, or every lane is busy or waits.",
                model=ProcessNextView,
                headers=(_RETRY_AFTER,),
            ),
        },
        problems={404: _NO_JOB, 409: "The job is paused (`illegal_transition`, with `job_status`)."},
    ),
)
