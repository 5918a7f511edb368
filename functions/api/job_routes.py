"""Routes of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.creator import Created
from functions.api.cursors import Listing
from functions.api.estimator import estimate
from functions.api.limiting import refusal_view, turned_away
from functions.api.presenter import etag_of, job_view, project_usage_view, single_item_view
from functions.api.routing import Answer, idempotency_key
from shared.contracts.requests import (
    CreateJobQuery,
    JobQuery,
    JobsQuery,
    ProcessNextRequest,
)
from shared.contracts.views import DryRunView, JobsPage, JobView, ProcessNextView
from shared.errors import RequestError
from shared.jobs.quotas import Amount, month_of
from shared.store.admissions import Application

if TYPE_CHECKING:
    from functions.api.routing import Call
    from functions.api.submission import Submission
    from shared.jobs.ledger import Ledger

__all__ = ["create", "list_all", "process_next", "read", "remove"]


def create(call: Call) -> Answer:
    """A new job; with ``dry_run`` what it would be."""
    dry_run = call.query(CreateJobQuery).dry_run
    key = idempotency_key(call)
    submission = _submission(call, None if dry_run else key)
    if isinstance(submission, Created):
        return _created(call, submission, accepted=0)
    if dry_run:
        return Answer(body=_dry_run(call, submission))
    created = call.services.creator.create(call.project, call.caller, submission, key=key, body=call.json)
    return _created(call, created, accepted=len(submission.entries))


def _submission(call: Call, key: str | None) -> Submission | Created:
    """What the body means, or the answer that it got before under ``key``, where it would be refused now."""
    services = call.services
    try:
        return services.submissions.read(call.project, call.json)
    except RequestError:
        found = None if key is None else services.creator.replay(call.project, call.caller, key=key, body=call.json)
        if found is None:
            raise
        return found


def _created(call: Call, created: Created, *, accepted: int) -> Answer:
    job = created.job
    headers = {
        "Location": f"/v1/projects/{call.project}/jobs/{job['id']}",
        "ETag": etag_of(job["id"], job["version"], job["status"]),
    }
    counts = {"JobsCreated": 1, "ItemsAccepted": accepted}
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
        counts = {"JobsReplayed": 1}
    return Answer(status=202, body=created.answer.decode(), headers=headers, counts=counts)


def _dry_run(call: Call, submission: Submission) -> DryRunView:
    services, told = call.services, estimate(submission, call.services.prices)
    now, admissions = services.clock.now(), services.admissions
    application = Application(
        project_id=call.project,
        user=call.caller,
        period=month_of(now),
        required=Amount(len(submission.entries), told.total_microusd),
        creates=True,
    )
    allowance = admissions.allowance(call.project)
    reached = admissions.reached(application, allowance, now=now)
    return DryRunView(
        accepted=len(submission.entries),
        duplicates=tuple(submission.duplicates),
        estimate=told.view(),
        quota=project_usage_view(admissions.usage(call.project, application.period), allowance.quota, now),
        refusal=None if reached is None else refusal_view(turned_away(reached, now)),
    )


def list_all(call: Call) -> Answer:
    """The project's jobs, newest first."""
    query = call.query(JobsQuery)
    listing = Listing(("jobs", call.project, query.status or ""))
    page = call.services.jobs.page(
        call.project, status=query.status, after=listing.after_id(query.cursor), limit=query.limit
    )
    return Answer(
        body=JobsPage(
            items=tuple(_view(call, ledger) for ledger in page.ledgers),
            next_cursor=None if page.after is None else listing.cursor(page.after),
        )
    )


def read(call: Call) -> Answer:
    """One job; nothing where the caller knows it already."""
    query = call.query(JobQuery)
    known = call.headers.get("if-none-match")
    jobs = call.services.jobs
    ledger, is_news = jobs.changed(
        call.project, call.path["job"], known, wait_seconds=query.wait_seconds, seconds_left=call.seconds_left()
    )
    headers = {"ETag": jobs.etag(ledger)}
    return Answer(body=_view(call, ledger), headers=headers) if is_news else Answer(status=304, headers=headers)


def remove(call: Call) -> Answer:
    """Delete a job that has ended, with everything under it."""
    call.services.deleter.delete_job(call.project, call.path["job"], call.caller, seconds_left=call.seconds_left())
    return Answer(status=204, counts={"JobsDeleted": 1})


def _view(call: Call, ledger: Ledger) -> JobView:
    services = call.services
    return job_view(ledger, services.jobs.specs.of(ledger.job_id), services.clock.now())


def process_next(call: Call) -> Answer:
    """Advance the job by one item."""
    request = call.body(ProcessNextRequest)
    advance = call.services.advancer.advance(
        call.project, call.path["job"], wait_seconds=request.wait_seconds, seconds_left=call.seconds_left()
    )
    spec = call.services.jobs.specs.of(advance.ledger.job_id)
    running = advance.outcome == "in_progress"
    return Answer(
        status=202 if running else 200,
        body=ProcessNextView(
            outcome=advance.outcome,
            item=None if advance.item is None else single_item_view(advance.item, spec),
            job=_view(call, advance.ledger),
            retry_after_seconds=advance.retry_after_seconds,
        ),
        headers={"Retry-After": str(advance.retry_after_seconds)} if running else {},
    )
