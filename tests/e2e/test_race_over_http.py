"""Queue and twenty polling clients race on one job through the whole service; and users race for jobs of their own."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.runtime import LocalRuntime
from tests.support.local_api import LocalApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ITEMS, CLIENTS, CONCURRENCY = 200, 20, 32


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    with LocalRuntime(environ=environ) as runtime:
        yield runtime


def topics(count: int) -> list[dict[str, Any]]:
    return [{"topic": f"Tea number {number}"} for number in range(1, count + 1)]


def calls_of(api: LocalApi, job: str) -> Counter[str]:
    """Claude's calls for the job by item."""
    prefix = f"{job.rpartition('/')[2]}:"
    return Counter(call["key"] for call in api.claude_calls() if call["key"].startswith(prefix))


@pytest.mark.acceptance(14)
@pytest.mark.acceptance(23)
@pytest.mark.acceptance(29)
@pytest.mark.acceptance(45)
def test_claude_is_called_once_an_item_when_queue_and_clients_race(runtime: LocalRuntime) -> None:
    api = LocalApi(runtime.base_url).as_user("alice")
    job = api.job(api.project(), topics(ITEMS), concurrency=CONCURRENCY)

    def drive(_: int) -> list[dict[str, int]]:
        counts = []
        while True:
            answer = api.ask("POST", f"{job}/process-next", {"wait_seconds": 5})
            assert answer.status in {200, 202}, answer
            counts.append(answer.body["job"]["counts"])
            if answer.body["outcome"] == "done":
                return counts
            time.sleep(min(answer.body["retry_after_seconds"], 0.3))

    with ThreadPoolExecutor(CLIENTS) as executor:
        seen = [counts for told in executor.map(drive, range(CLIENTS)) for counts in told]

    view = api.wait_for_end(job)
    assert view["status"] == "completed"
    assert view["counts"]["completed"] == ITEMS
    assert calls_of(api, job) == {f"{job.rpartition('/')[2]}:1:{position}": 1 for position in range(1, ITEMS + 1)}
    for counts in seen:
        assert sum(value for name, value in counts.items() if name != "total") == counts["total"] == ITEMS
    results = api.results(job)
    assert [line["position"] for line in results] == list(range(1, ITEMS + 1))
    assert {line["result"]["type"] for line in results} == {"completed"}


@pytest.mark.acceptance(13)
def test_exactly_n_items_run_at_once_when_concurrency_is_n(runtime: LocalRuntime) -> None:
    api = LocalApi(runtime.base_url).as_user("alice")
    items = [{"topic": f"Tea {number} [[claude: delay=1]]"} for number in range(12)]
    job = api.job(api.project(), items, concurrency=4)
    api.wait_for_end(job)

    runs = []
    for position in range(1, 13):
        [attempt] = api.ask("GET", f"{job}/items/{position}").body["attempts"]
        runs.append((datetime.fromisoformat(attempt["started_at"]), datetime.fromisoformat(attempt["ended_at"])))
    at_once = [sum(began <= moment < ended for began, ended in runs) for moment, _ in runs]
    assert max(at_once) == 4
    for lane in range(4):
        walked = runs[lane::4]
        gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(walked)]
        assert all(gap >= timedelta(0) for gap in gaps)


@pytest.mark.acceptance(41)
def test_users_see_only_their_own_jobs_when_twenty_submit_at_once(runtime: LocalRuntime) -> None:
    def visit(number: int) -> tuple[str, str, str]:
        user = f"user-{number}"
        api = LocalApi(runtime.base_url).as_user(user)
        project = api.project()
        job = api.job(project, [{"topic": f"The tea of {user}"}])
        api.wait_for_end(job)
        listed = api.ask("GET", f"/v1/projects/{project}/jobs").body["items"]
        assert [entry["id"] for entry in listed] == [job.rpartition("/")[2]]
        assert {entry["created_by"] for entry in listed} == {user}
        [line] = api.results(job)
        assert line["input"]["topic"] == f"The tea of {user}"
        return user, project, job

    with ThreadPoolExecutor(CLIENTS) as executor:
        visits = list(executor.map(visit, range(CLIENTS)))

    for (user, _, _), (_, project, job) in zip(visits, visits[1:] + visits[:1], strict=True):
        stranger = LocalApi(runtime.base_url).as_user(user)
        for route in (f"/v1/projects/{project}", f"/v1/projects/{project}/jobs", job, f"{job}/items", f"{job}/results"):
            assert stranger.ask("GET", route).status == 404
