"""Whole flows on the local runtime: the real handlers, a real queue, table and stream, and the offline Claude."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.runtime import LocalRuntime
from shared.clock import SystemClock, from_iso
from tests.support.local_api import LocalApi
from tests.support.runtime_process import runtime_process
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.emulator import Emulator


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    with LocalRuntime(environ=environ) as runtime:
        yield runtime


@pytest.fixture
def api(runtime: LocalRuntime) -> LocalApi:
    return LocalApi(runtime.base_url).as_user("alice")


def topics(count: int, suffix: str = "") -> list[dict[str, Any]]:
    return [{"topic": f"Tea number {number}{suffix}"} for number in range(1, count + 1)]


@pytest.mark.acceptance(1)
@pytest.mark.acceptance(15)
@pytest.mark.acceptance(29)
def test_job_runs_to_its_end_when_one_of_its_items_fails(api: LocalApi) -> None:
    items = topics(6)
    items[2]["topic"] += " [[claude: refusal]]"

    job = api.job(api.project(), items, concurrency=2)
    view = api.wait_for_end(job)

    assert view["status"] == "partially_failed"
    assert view["counts"] == {"total": 6, "queued": 0, "processing": 0, "completed": 5, "failed": 1, "cancelled": 0}
    assert view["progress"]["percent"] == 100
    results = api.results(job)
    assert [line["position"] for line in results] == [1, 2, 3, 4, 5, 6]
    assert [line["result"]["type"] for line in results] == ["completed"] * 2 + ["failed"] + ["completed"] * 3
    assert results[2]["result"]["error"]["code"] == "refused"


@pytest.mark.acceptance(16)
def test_item_completes_when_claude_was_overloaded_at_first(api: LocalApi) -> None:
    job = api.job(api.project(), [{"topic": "Tea [[claude: status=529 retry_after=1 times=1]]"}])
    view = api.wait_for_end(job)

    assert view["status"] == "completed"
    item = api.ask("GET", f"{job}/items/1").body
    assert [attempt["outcome"] for attempt in item["attempts"]] != []


@pytest.mark.acceptance(23)
@pytest.mark.acceptance(45)
def test_job_reaches_its_end_when_only_clients_drive_it(api: LocalApi) -> None:
    job = api.job(api.project(), topics(12), concurrency=4, drive="client")

    def drive(_: int) -> set[int]:
        seen: set[int] = set()
        while True:
            answer = api.ask("POST", f"{job}/process-next", {"wait_seconds": 10})
            assert answer.status in {200, 202}, answer
            if answer.body["outcome"] == "done":
                return seen
            if answer.body["outcome"] == "processed":
                seen.add(answer.body["item"]["position"])
            time.sleep(min(answer.body["retry_after_seconds"], 0.2))

    with ThreadPoolExecutor(6) as executor:
        seen = set[int]().union(*executor.map(drive, range(6)))

    assert api.wait_for_end(job)["counts"]["completed"] == 12
    assert seen <= set(range(1, 13))
    calls = [call["key"] for call in api.claude_calls() if call["key"].startswith(f"{job.rpartition('/')[2]}:")]
    assert len(calls) == len(set(calls)) == 12


@pytest.mark.acceptance(41)
def test_users_see_only_themselves_when_twenty_ask_at_once(runtime: LocalRuntime) -> None:
    def visit(number: int) -> bool:
        api = LocalApi(runtime.base_url).as_user(f"visitor-{number}")
        project = api.project()
        seen = [entry["id"] for _ in range(5) for entry in api.ask("GET", "/v1/projects").body["items"]]
        return seen == [project] * 5

    with ThreadPoolExecutor(20) as executor:
        assert all(executor.map(visit, range(20)))


@pytest.mark.acceptance(41)
def test_request_is_401_with_a_problem_when_it_carries_no_token(runtime: LocalRuntime) -> None:
    answer = LocalApi(runtime.base_url).ask("GET", "/v1/projects")

    assert (answer.status, answer.body["code"]) == (401, "unauthorized")
    assert answer.headers["x-request-id"] == answer.body["request_id"]


@pytest.mark.acceptance(40)
def test_machine_reads_and_does_not_write_when_its_token_may_only_read(runtime: LocalRuntime) -> None:
    def machine(*scopes: str) -> LocalApi:
        asked = {"client": "nightly", "scopes": list(scopes)}
        return LocalApi(runtime.base_url, LocalApi(runtime.base_url).ask("POST", "/local/token", asked).body["token"])

    project = machine("pressroom/projects.manage").project()
    reader = machine("pressroom/jobs.read")
    refused = reader.ask("POST", f"/v1/projects/{project}/jobs", {"kind": "outline", "items": [{"input": {}}]})

    assert (refused.status, refused.body["code"]) == (403, "insufficient_scope")
    assert refused.headers["www-authenticate"].endswith('scope="pressroom/jobs.write"')
    assert reader.ask("GET", f"/v1/projects/{project}/jobs").body["items"] == []


@pytest.mark.acceptance(8)
def test_request_is_413_when_it_is_larger_than_the_limit(api: LocalApi) -> None:
    project = api.project()
    body = {"name": "Large", "kind": "outline", "items": [{"input": {"topic": "x" * 5_000_000}}]}

    answer = api.ask("POST", f"/v1/projects/{project}/jobs", body)

    assert answer.status == 413
    assert api.ask("GET", f"/v1/projects/{project}/jobs").body["items"] == []


@pytest.mark.acceptance(13)
def test_calls_never_overlap_and_keep_their_order_when_concurrency_is_one(api: LocalApi) -> None:
    job = api.job(api.project(), topics(5, " [[claude: delay=0.05]]"), concurrency=1)
    api.wait_for_end(job)

    items = [api.ask("GET", f"{job}/items/{position}").body for position in range(1, 6)]
    for earlier, later in itertools.pairwise(items):
        assert earlier["completed_at"] <= later["started_at"]


@pytest.mark.acceptance(22)
@pytest.mark.acceptance(24)
@pytest.mark.acceptance(31)
def test_every_item_has_one_outcome_when_the_runtime_is_killed_and_started_again(
    emulator: Emulator, tmp_path: Path
) -> None:
    calls: Counter[str] = Counter()
    with runtime_process(tmp_path, aws_endpoint_url=emulator.endpoint_url) as first:
        api = LocalApi(first.base_url).as_user("alice")
        job = api.job(
            api.project(), topics(9, " [[claude: delay=0.3]]"), concurrency=3, item_timeout_seconds=5, max_attempts=3
        )
        eventually(lambda: api.ask("GET", job).body["counts"]["completed"] >= 3)
        calls.update(call["key"] for call in api.claude_calls())
        first.process.kill()

    with runtime_process(tmp_path, aws_endpoint_url=emulator.endpoint_url) as second:
        started_at = SystemClock().now()
        api = LocalApi(second.base_url).as_user("alice")
        view = api.wait_for_end(job, within_seconds=90)
        calls.update(call["key"] for call in api.claude_calls())
        results = api.results(job)
        items = [api.ask("GET", f"{job}/items/{position}").body for position in range(1, 10)]

    assert view["counts"]["completed"] == 9
    assert [line["position"] for line in results] == list(range(1, 10))
    # Only what was in a dead worker's hands is asked for again: at most one item a lane.
    assert sum(calls.values()) <= 9 + 3
    # The first Claude's list dies with it: what it wrote after the last look at the list is in the table alone.
    asked = {int(key.rsplit(":", 1)[1]) for key in calls}
    unseen = [item for item in items if item["position"] not in asked]
    assert all(from_iso(item["completed_at"]) <= started_at for item in unseen)
