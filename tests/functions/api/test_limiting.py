"""How often and how many: a user's jobs in a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode, item_error
from shared.jobs.rates import Load
from shared.store.loads import LoadStore
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer


def load(desk: FrontDesk, user: str = "alice") -> Load:
    return LoadStore(desk.store()).read(user, desk.project)


def create(desk: FrontDesk, user: str = "alice", *, project: str | None = None) -> HttpAnswer:
    return desk.client(user).post(f"/v1/projects/{project or desk.project}/jobs", body_of(1))


@pytest.mark.acceptance(2)
def test_the_sixth_job_of_an_hour_is_refused_when_the_limit_is_five(desk: FrontDesk, clock: ManualClock) -> None:
    desk.settings = {"jobs_per_hour": 5}
    desk.join("bob", "editor")
    for _ in range(5):
        assert create(desk).status == 202
        clock.advance(60)

    sixth = create(desk)

    assert (sixth.status, sixth.json["code"], sixth.json["retryable"]) == (429, "rate_limited", True)
    assert (sixth.json["limit"], sixth.json["window_seconds"]) == (5, 3600)
    assert sixth.headers["retry-after"] == str(3600 - 5 * 60)
    assert sixth.headers["ratelimit-policy"] == '"jobs-per-hour";q=5;w=3600'
    assert sixth.headers["ratelimit"] == f'"jobs-per-hour";r=0;t={3600 - 5 * 60}'
    elsewhere = desk.client().post("/v1/projects", {"name": "Other"}).json["id"]
    assert create(desk, project=elsewhere).status == 202
    assert create(desk, "bob").status == 202
    clock.advance(3600 - 5 * 60)
    assert [create(desk).status for _ in range(2)] == [202, 429]
    assert len(desk.client().get(desk.jobs, query={"limit": "100"}).json["items"]) == 7


def test_nothing_counts_but_a_job_that_was_created(desk: FrontDesk) -> None:
    desk.settings = {"jobs_per_hour": 1, "active_jobs": 1}
    client = desk.client()
    assert client.post(desk.jobs, body_of([{}])).status == 422
    assert client.post(desk.jobs, body_of(1), query={"dry_run": "true"}).status == 200
    first = desk.create(1, key="k")

    replay = desk.create(1, key="k")

    assert (first.status, replay.status, replay.headers["idempotent-replayed"]) == (202, 202, "true")
    assert load(desk) == Load(1, (desk.clock.now(),))
    assert desk.create(1, key="other").status == 429


@pytest.mark.acceptance(2)
def test_a_job_is_refused_until_another_ends_when_too_many_are_unfinished(desk: FrontDesk) -> None:
    desk.settings = {"active_jobs": 2}
    desk.join("bob", "editor")
    first, second = desk.job(1), desk.job(3)

    third = create(desk)

    assert (third.status, third.json["code"], third.json["limit"]) == (429, "too_many_active_jobs", 2)
    assert (third.headers["retry-after"], third.json["retryable"]) == ("30", True)
    assert third.headers["ratelimit-policy"] == '"active-jobs";q=2'
    assert third.headers["ratelimit"] == '"active-jobs";r=0'
    assert create(desk, "bob").status == 202
    desk.finish(first)
    assert [create(desk).status for _ in range(2)] == [202, 429]
    desk.client().post(f"{second}/cancel")
    desk.finish(second)
    assert [create(desk).status for _ in range(2)] == [202, 429]
    assert load(desk).unfinished == 2


def test_a_retry_counts_as_unfinished_for_who_asks_but_not_to_the_hour(desk: FrontDesk) -> None:
    desk.settings = {"jobs_per_hour": 1, "active_jobs": 1}
    desk.join("bob", "editor")
    desk.workshop.claude.errors[1] = [item_error(ErrorCode.REFUSED, "No.") for _ in range(3)]
    failed = desk.job(1)
    desk.finish(failed)
    assert (load(desk).unfinished, load(desk, "bob").unfinished) == (0, 0)

    assert desk.client("bob").post(f"{failed}/retry").status == 202

    assert (load(desk).unfinished, load(desk, "bob")) == (0, Load(1))
    desk.finish(failed)
    assert load(desk, "bob") == Load()
    assert create(desk, "bob").status == 202
    refused = desk.client("bob").post(f"{failed}/retry")
    assert (refused.status, refused.json["code"]) == (429, "too_many_active_jobs")
    assert desk.ledger(failed).generation == 2
    assert desk.client().post(f"{failed}/retry").status == 202
