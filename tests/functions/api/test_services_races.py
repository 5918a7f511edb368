"""Many at once, on the emulator. One handler serves one event at a time, as Lambda does; so threads race below it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shared.clock import SystemClock
from shared.errors import ErrorCode, RequestError, item_error
from shared.jobs.ids import PROJECT, new_id
from shared.jobs.quotas import Amount, month_of
from shared.store.loads import LoadStore
from shared.store.projects import Project
from shared.store.usages import UsageStore
from tests.support.front_desk import FrontDesk, body_of

if TYPE_CHECKING:
    from functions.api.creator import Created
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def busy_desk(table: TableHandle, work_queue: QueueHandle) -> FrontDesk:
    return FrontDesk(table, work_queue, clock=SystemClock())


def race(desk: FrontDesk, racers: int, *, items: int) -> list[str]:
    """What became of so many creations at once: ``created``, or the code of the problem."""
    body = body_of(items)

    def create(_: int) -> str:
        services = desk.services()
        submission = services.submissions.read(desk.project, body)
        try:
            services.creator.create(desk.project, "alice", submission, key=None, body=body)
        except RequestError as error:
            return error.code
        return "created"

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(create, range(racers)))


@pytest.mark.acceptance(4)
@pytest.mark.parametrize(("clicks", "items"), [(50, 5), (20, 110)])
def test_many_clicks_with_one_key_make_one_job(busy_desk: FrontDesk, clicks: int, items: int) -> None:
    body = body_of(items)

    def click(_: int) -> Created | str:
        services = busy_desk.services()
        submission = services.submissions.read(busy_desk.project, body)
        try:
            return services.creator.create(busy_desk.project, "alice", submission, key="k", body=body)
        except RequestError as error:
            return error.code

    with ThreadPoolExecutor(clicks) as pool:
        answers = list(pool.map(click, range(clicks)))

    created = [answer for answer in answers if not isinstance(answer, str)]
    assert len({answer.answer for answer in created}) == 1
    assert [answer.replayed for answer in created].count(False) == 1
    assert {answer for answer in answers if isinstance(answer, str)} <= {"idempotency_in_progress"}
    jobs = busy_desk.client().get(busy_desk.jobs).json["items"]
    assert [job["counts"]["total"] for job in jobs] == [items]
    assert busy_desk.client().get(f"{busy_desk.jobs}/{jobs[0]['id']}/items").json["items"][-1]["status"] == "queued"
    assert {message["job"] for message in busy_desk.messages()} == {jobs[0]["id"]}


@pytest.mark.acceptance(2)
@pytest.mark.parametrize(
    ("limit", "code"), [("jobs_per_hour", "rate_limited"), ("active_jobs", "too_many_active_jobs")]
)
def test_as_many_jobs_as_the_limit_allows_are_made_when_fifty_race(busy_desk: FrontDesk, limit: str, code: str) -> None:
    busy_desk.settings = {limit: 10}

    met = Counter(race(busy_desk, 50, items=1))

    assert met == {"created": 10, code: 40}
    assert len(busy_desk.client().get(busy_desk.jobs, query={"limit": "100"}).json["items"]) == 10
    load = LoadStore(busy_desk.store()).read("alice", busy_desk.project)
    assert (load.unfinished, len(load.starts)) == (10, 10)


@pytest.mark.acceptance(3)
def test_quota_is_never_overdrawn_and_is_settled_to_the_item_when_creations_and_ends_race(busy_desk: FrontDesk) -> None:
    desk = busy_desk
    desk.settings = {"items_per_month": 32}  # room for ten jobs of three items
    desk.workshop.claude.errors[2] = [item_error(ErrorCode.REFUSED, "No.") for _ in range(4)]

    met = Counter(race(desk, 50, items=3))

    assert met == {"created": 10, "quota_exceeded": 40}
    usages, month = UsageStore(desk.store()), month_of(desk.clock.now())
    assert usages.read(desk.project, month).reserved.items == 30
    page = desk.services().jobs.page(desk.project, status=None, after=None, limit=100)
    paths = [f"{desk.jobs}/{ledger.job_id}" for ledger in page.ledgers]
    assert desk.client().post(f"{paths[0]}/cancel").status == 200
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(desk.finish, paths))
    ledgers = [desk.ledger(path) for path in paths]
    assert all(ledger.final for ledger in ledgers)
    completed, cost = sum(job.completed for job in ledgers), sum(job.cost_microusd for job in ledgers)
    assert completed == 27 - 4
    assert usages.read(desk.project, month).taken == usages.read(desk.project, month).used == Amount(completed, cost)
    assert LoadStore(desk.store()).read("alice", desk.project).unfinished == 0


@pytest.mark.acceptance(40)
def test_twenty_users_at_once_each_see_only_themselves(busy_desk: FrontDesk) -> None:
    def use(number: int) -> tuple[list[str], list[str], str]:
        services, user = busy_desk.services(), f"user-{number}"
        now = busy_desk.clock.now()
        project = new_id(PROJECT, now)
        services.projects.create(Project(project, f"Project of {user}", now), owner=user)
        made = []
        for round_ in range(3):
            body = body_of([{"topic": f"{user} {round_}"}])
            submission = services.submissions.read(project, body)
            # All use the same key: it belongs to the project.
            created = services.creator.create(project, user, submission, key=f"k{round_}", body=body)
            made.append(created.job["id"])
        seen = [ledger.job_id for ledger in services.jobs.page(project, status=None, after=None, limit=20).ledgers]
        projects = [m.project.project_id for m in services.projects.of_user(user, after=None, limit=20)]
        assert projects == [project]
        return made, seen, project

    with ThreadPoolExecutor(20) as pool:
        used = list(pool.map(use, range(20)))

    for number, (made, seen, project) in enumerate(used):
        assert seen == made[::-1]
        stranger = busy_desk.client(f"user-{(number + 1) % 20}")
        assert stranger.get(f"/v1/projects/{project}/jobs/{made[0]}").status == 404
        assert busy_desk.client(f"user-{number}").get(f"/v1/projects/{project}/jobs/{made[0]}").status == 200
