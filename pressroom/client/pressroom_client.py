"""Pressroom from Python.

::

    with PressroomClient("http://127.0.0.1:8787", token) as client:
        project = client.create_project("Blog")
        items = (NewItem(input={"topic": "Green tea"}),)
        created = client.create_job(project.id, NewJob(kind="outline", items=items))
        for job in client.watch(project.id, created.job.id):
            print(job.counts)
        for line in client.results(project.id, created.job.id):
            print(line["result"])
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, quote, urlsplit

from pressroom.client import following
from pressroom.client.calls import project_path
from pressroom.client.decoding import count_of, decode, json_object, text_of
from pressroom.client.errors import UnexpectedAnswerError
from pressroom.client.http import Call, Http, compact, parsed
from pressroom.client.members import MemberCalls
from pressroom.client.records import (
    BulkCancel,
    CreatedJob,
    DryRun,
    Event,
    Health,
    Item,
    Job,
    Kind,
    Limits,
    NewJob,
    ProcessNext,
    Project,
    ProjectUsage,
)
from pressroom.client.retrying import Retry, RetryPolicy
from pressroom.client.templates import TemplateCalls
from shared.clock import Clock, SystemClock
from shared.contracts.sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    import httpx2

__all__ = ["PressroomClient"]

_NOT_MODIFIED: Final = 304
_PAGE: Final = 100


class PressroomClient(MemberCalls, TemplateCalls):
    """Every route that a client needs, typed. Safe to share between threads; close it, or use it in ``with``.

    Every method may raise :class:`~pressroom.client.errors.ClientError`: its tree says what went wrong. Calls that
    may be sent twice without harm are tried again on 429, 502, 503, 504 and on a broken connection, a bounded
    number of times, with full jitter, and not before a ``Retry-After`` has passed.

    Args:
        base_url: the API's address, without ``/v1``.
        token: the bearer token, or what asks for one: called when one is needed and once more after a 401.
        transport: another way than the network, for tests.
        policy: how often and how long a call is tried.
        clock: tells the time and waits.
        jitter: draws from a range.
        on_retry: told before each wait for another try.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str] | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
        policy: RetryPolicy | None = None,
        clock: Clock | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> None:
        http = Http(
            base_url,
            token,
            transport=transport,
            policy=policy or RetryPolicy(),
            clock=clock or SystemClock(),
            jitter=jitter,
            on_retry=on_retry,
        )
        super().__init__(http)

    @property
    def base_url(self) -> str:
        """The API's address."""
        return self._http.base_url

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the service ---------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Whether the service answers, and its version."""
        return decode(Health, self._get("/v1/health"))

    def limits(self) -> Limits:
        """The limits in force."""
        return decode(Limits, self._get("/v1/limits"))

    def kinds(self) -> tuple[Kind, ...]:
        """What can be generated."""
        return tuple(self._records(Kind, "/v1/kinds"))

    def sign_in(self) -> SignIn | None:
        """Where people sign in, as the OpenAPI document tells; None where it does not."""
        document = self._get("/v1/openapi.json")
        schemes = document.get("components", {}).get("securitySchemes", {}) if isinstance(document, dict) else {}
        told = schemes.get("oauth2")
        return None if told is None else SignIn(text_of(told, "x-url"), text_of(told, "x-client-id"))

    def local_token(self, user: str) -> str:
        """A real token of the local user pool; only the local runtime has this route."""
        call = Call(method="POST", path="/local/token", body=compact({"user": user}))
        return text_of(self._http.json(call), "token")

    # -- projects ------------------------------------------------------------------------------------------

    def create_project(self, name: str, *, idempotency_key: str | None = None) -> Project:
        """A new project; the caller becomes its owner."""
        # Not repeatable after a lost answer: a key is kept for a project, and there is none yet.
        call = self._creation("/v1/projects", {"name": name}, idempotency_key, repeatable=False)
        return decode(Project, self._http.json(call))

    def list_projects(self) -> Iterator[Project]:
        """The projects that the caller is a member of, page by page."""
        return self._records(Project, "/v1/projects")

    def delete_project(self, project: str) -> None:
        """Deletes a project in which nothing runs, for good. Repeated after a lost answer: NotFoundError.

        Raises:
            ConflictError: a job of it has not ended.
        """
        self._http.send(Call(method="DELETE", path=project_path(project)))

    def get_project(self, project: str) -> Project:
        """One project."""
        return decode(Project, self._get(project_path(project)))

    def get_usage(self, project: str) -> ProjectUsage:
        """What the project has of its quota this month."""
        return decode(ProjectUsage, self._get(f"{project_path(project)}/usage"))

    # -- jobs ----------------------------------------------------------------------------------------------

    def create_job(
        self,
        project: str,
        job: NewJob,
        *,
        idempotency_key: str | None = None,
        on_sent: Callable[[int, int], None] | None = None,
    ) -> CreatedJob:
        """A new job, or the one that the same key and body made within the last 24 hours.

        Args:
            project: the project's id.
            job: what to create.
            idempotency_key: at most 255 characters; without one a random key covers this call's own retries.
            on_sent: told the bytes sent so far and the bytes in all.
        """
        call = self._creation(f"{project_path(project)}/jobs", job.body(), idempotency_key)
        response = self._http.send(replace(call, on_sent=on_sent))
        data = parsed(response)
        return decode(
            CreatedJob,
            data,
            job=decode(Job, data, etag=response.headers.get("etag", "")),
            accepted=count_of(data, "accepted"),
            replayed=response.headers.get("idempotent-replayed", "").lower() == "true",
        )

    def dry_run(self, project: str, job: NewJob) -> DryRun:
        """What the job would be: the same checks, the estimate, what would refuse it, and nothing written."""
        path = f"{project_path(project)}/jobs"
        call = Call(method="POST", path=path, params={"dry_run": "true"}, body=compact(job.body()))
        data = self._http.json(call)
        return decode(DryRun, data, accepted=count_of(data, "accepted"))

    def list_jobs(self, project: str, *, status: str | None = None) -> Iterator[Job]:
        """The project's jobs, newest first, page by page; ``status`` is one, or ``active`` for all unfinished."""
        return self._records(Job, f"{project_path(project)}/jobs", {"status": status} if status else {})

    def get_job(self, project: str, job: str, *, etag: str | None = None, wait_seconds: int = 0) -> Job | None:
        """The job, or ``None`` when it still is what ``etag`` names.

        Args:
            project: the project's id.
            job: the job's id.
            etag: the version that is known.
            wait_seconds: 0 to 25; how long the server may hold its answer for a change of that version.
        """
        response = self._http.send(
            Call(
                method="GET",
                path=_job_path(project, job),
                params={"wait_seconds": wait_seconds} if wait_seconds else {},
                headers={"If-None-Match": etag} if etag else {},
                wait_seconds=wait_seconds,
                policy=following.PATIENT if etag else None,
            )
        )
        if response.status_code == _NOT_MODIFIED:
            return None
        return decode(Job, parsed(response), etag=response.headers.get("etag", ""))

    def delete_job(self, project: str, job: str) -> None:
        """Deletes a job that has ended, for good. Repeated after a lost answer: NotFoundError.

        A job that has just ended is settled first: that is waited for, a bounded number of times.

        Raises:
            ConflictError: it has not ended.
        """
        self._http.send(Call(method="DELETE", path=_job_path(project, job), policy=following.PATIENT))

    def items(self, project: str, job: str, *, status: str | None = None) -> Iterator[Item]:
        """The job's items in order, without their outputs, page by page."""
        return self._records(Item, f"{_job_path(project, job)}/items", {"status": status} if status else {})

    def item(self, project: str, job: str, position: int) -> Item:
        """One item with its output and all its attempts; positions start at 1."""
        return decode(Item, self._get(f"{_job_path(project, job)}/items/{position}"))

    def results(self, project: str, job: str) -> Iterator[dict[str, Any]]:
        """What is finished so far, in the order of the input: one object an item, a page in memory at a time."""
        for page in self.result_pages(project, job, "ndjson"):
            for line in page.split(b"\n"):
                if line.strip():
                    yield json_object(line)

    def result_pages(self, project: str, job: str, form: str) -> Iterator[bytes]:
        """What is finished so far as ``ndjson``, ``csv`` or ``markdown``, in pages of at most 4 MB."""
        path, params = f"{_job_path(project, job)}/results", {"format": form}
        while True:
            # A page is read whole before any of it is handed out, so that a cut connection can be tried again.
            response = self._http.send(Call(method="GET", path=path, params=params))
            yield response.content
            link = response.links.get("next", {}).get("url")
            if link is None:
                return
            # Only the query: the token never follows a link to another host, and a proxy's own name does no harm.
            following_params = {**params, **dict(parse_qsl(urlsplit(link).query))}
            if following_params == params:
                raise UnexpectedAnswerError("the results' next page is the same page again")
            params = following_params

    def events(self, project: str, job: str) -> Iterator[Event]:
        """What happened to the job so far, oldest first, page by page."""
        return self._records(Event, f"{_job_path(project, job)}/events")

    def process_next(self, project: str, job: str, *, wait_seconds: int | None = None) -> ProcessNext:
        """Advances the job by at most one item; safe from any number of callers."""
        call = Call(
            method="POST",
            path=f"{_job_path(project, job)}/process-next",
            body=compact({} if wait_seconds is None else {"wait_seconds": wait_seconds}),
            wait_seconds=wait_seconds or 0,
            policy=following.PATIENT,
        )
        return decode(ProcessNext, self._http.json(call))

    # -- steering a job ------------------------------------------------------------------------------------

    def pause(self, project: str, job: str) -> Job:
        """Lets nothing new start; what runs is finished: ``pausing``, then ``paused``. Twice does what once does."""
        return self._steer(project, job, "pause")

    def resume(self, project: str, job: str, *, budget_usd: float | None = None) -> Job:
        """Goes on with a paused job; ``budget_usd`` is a new, larger budget for a job that has one."""
        return self._steer(project, job, "resume", {"budget_usd": budget_usd})

    def cancel(self, project: str, job: str) -> Job:
        """Starts nothing more; what runs keeps its result. Twice does what once does."""
        return self._steer(project, job, "cancel")

    def cancel_many(self, project: str, jobs: Iterable[str]) -> BulkCancel:
        """Cancels several jobs, as many as ``limits()`` allows; each is told of, and none fails the others."""
        call = Call(method="POST", path=f"{project_path(project)}/jobs/cancel", body=compact({"job_ids": list(jobs)}))
        return decode(BulkCancel, self._http.json(call))

    def retry(
        self,
        project: str,
        job: str,
        *,
        error_codes: Sequence[str] | None = None,
        positions: Sequence[int] | None = None,
        budget_usd: float | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Tries failed items again, in a new generation; the others stay as they are.

        A job that has just ended is settled first: that is waited for, a bounded number of times.

        Args:
            project: the project's id.
            job: the job's id; it has ended ``failed`` or ``partially_failed``.
            error_codes: only items that failed with one of them.
            positions: only these items; each must have failed.
            budget_usd: a new, larger budget for a job that has one.
            idempotency_key: at most 255 characters; without one a random key covers this call's own repeats.
        """
        body = {"error_codes": error_codes, "positions": positions, "budget_usd": budget_usd}
        given = {name: value for name, value in body.items() if value is not None}
        call = self._creation(f"{_job_path(project, job)}/retry", given, idempotency_key)
        return self._job(replace(call, policy=following.PATIENT))

    # -- following a job -----------------------------------------------------------------------------------

    def watch(
        self,
        project: str,
        job: str,
        *,
        wait_seconds: int = 20,
        pace_seconds: float = 0.5,
        until_paused: bool = False,
    ) -> Iterator[Job]:
        """The job now, and again each time it changed, to its end; see :func:`pressroom.client.following.watch`."""

        def poll(etag: str | None, wait: int) -> Job | None:
            return self.get_job(project, job, etag=etag, wait_seconds=wait)

        return following.watch(
            poll,
            clock=self._http.clock,
            jitter=self._http.jitter,
            wait_seconds=wait_seconds,
            pace_seconds=pace_seconds,
            until_paused=until_paused,
        )

    def follow_events(self, project: str, job: str) -> Iterator[Event]:
        """What happened to the job, and what happens until it has ended and told so."""

        def page(cursor: str | None) -> tuple[Sequence[Event], str | None]:
            params: dict[str, str | int] = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            path = f"{_job_path(project, job)}/events"
            return self._page(Event, Call(method="GET", path=path, params=params, policy=following.PATIENT))

        return following.follow_events(
            page,
            partial(self.get_job, project, job),
            clock=self._http.clock,
            jitter=self._http.jitter,
        )

    def drive(self, project: str, job: str, *, workers: int = 1, wait_seconds: int = 20) -> Iterator[ProcessNext]:
        """Advances the job with process-next until nothing is left; yields every answer.

        Args:
            project: the project's id.
            job: the job's id.
            workers: callers at once; more than the job's ``concurrency`` only wait for each other.
            wait_seconds: how long the server may wait for the item that a call started.
        """
        return following.drive(
            partial(self.process_next, project, job, wait_seconds=wait_seconds),
            clock=self._http.clock,
            jitter=self._http.jitter,
            workers=workers,
        )

    # -- calls ---------------------------------------------------------------------------------------------

    def _steer(self, project: str, job: str, step: str, body: Mapping[str, Any] = MappingProxyType({})) -> Job:
        given = {name: value for name, value in body.items() if value is not None}
        return self._job(Call(method="POST", path=f"{_job_path(project, job)}/{step}", body=compact(given)))

    def _job(self, call: Call) -> Job:
        response = self._http.send(call)
        return decode(Job, parsed(response), etag=response.headers.get("etag", ""))


def _job_path(project: str, job: str) -> str:
    return f"{project_path(project)}/jobs/{quote(job, safe='')}"
