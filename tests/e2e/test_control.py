"""Steering jobs on the local runtime: pause, resume, cancel and retry, while real workers are at it."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.runtime import LocalRuntime
from tests.support.local_api import LocalApi
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    with LocalRuntime(environ=environ) as runtime:
        yield runtime


@pytest.fixture
def api(runtime: LocalRuntime) -> LocalApi:
    return LocalApi(runtime.base_url).as_user("alice")


def topics(count: int, suffix: str = "") -> list[dict[str, Any]]:
    return [{"topic": f"Tea number {number} {suffix}"} for number in range(1, count + 1)]


def view(api: LocalApi, job: str) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", job).body
    return found


def calls(api: LocalApi, job: str) -> Counter[str]:
    """How often Claude was asked, by generation and position."""
    prefix = f"{job.rpartition('/')[2]}:"
    return Counter(call["key"].removeprefix(prefix) for call in api.claude_calls() if call["key"].startswith(prefix))


@pytest.mark.acceptance(25)
def test_a_pause_drains_and_a_resume_goes_on_to_the_end(api: LocalApi) -> None:
    job = api.job(api.project(), topics(6, "[[claude: delay=1]]"), concurrency=2)
    eventually(lambda: view(api, job)["counts"]["processing"] == 2)

    pausing = api.ask("POST", f"{job}/pause").body
    eventually(lambda: view(api, job)["status"] == "paused")
    paused, asked = view(api, job), calls(api, job)
    resumed = api.ask("POST", f"{job}/resume").body
    ended = api.wait_for_end(job)

    assert (pausing["status"], pausing["counts"]["processing"]) == ("pausing", 2)
    assert (paused["pause_reason"], paused["counts"]["processing"]) == ("user", 0)
    assert paused["counts"]["completed"] == sum(asked.values()) == 6 - paused["counts"]["queued"] > 0
    assert resumed["status"] == "processing"
    assert (ended["status"], ended["counts"]["completed"]) == ("completed", 6)
    assert set(calls(api, job).values()) == {1}


@pytest.mark.acceptance(26)
def test_a_cancel_keeps_what_is_in_flight_and_cancels_the_rest(api: LocalApi) -> None:
    job = api.job(api.project(), topics(30, "[[claude: delay=1]]"), concurrency=2)
    eventually(lambda: view(api, job)["counts"]["processing"] == 2)

    cancelling = api.ask("POST", f"{job}/cancel").body
    ended = api.wait_for_end(job)

    counts = ended["counts"]
    assert (cancelling["status"], ended["status"], ended["cancel_reason"]) == ("cancelling", "cancelled", "user")
    assert counts["completed"] == cancelling["counts"]["completed"] + cancelling["counts"]["processing"]
    assert counts["completed"] + counts["cancelled"] == 30
    assert sum(calls(api, job).values()) == counts["completed"]
    assert Counter(line["result"]["type"] for line in api.results(job)) == {
        "completed": counts["completed"],
        "cancelled": counts["cancelled"],
    }
    assert api.ask("POST", f"{job}/retry").body["code"] == "illegal_transition"


@pytest.mark.acceptance(28)
def test_failed_items_are_tried_again_and_the_others_left_alone(api: LocalApi) -> None:
    # An item's own idempotency key is one a generation, so that a fault which happens once does not heal by itself.
    items = topics(15)
    for position in (3, 8):
        items[position - 1]["topic"] += " [[claude: status=529 times=1]]"
    items[11]["topic"] += " [[claude: refusal]]"
    job = api.job(api.project(), items, concurrency=3, max_attempts=1)
    first = api.wait_for_end(job)
    before = {item["position"]: item for item in api.ask("GET", f"{job}/items?limit=100").body["items"]}

    eventually(lambda: api.ask("POST", f"{job}/retry", {"error_codes": ["refused"]}).status == 202)
    second = api.wait_for_end(job)

    assert (first["status"], first["counts"]["failed"]) == ("partially_failed", 3)
    assert (second["status"], second["generation"]) == ("partially_failed", 2)
    after = {item["position"]: item for item in api.ask("GET", f"{job}/items?limit=100").body["items"]}
    assert [position for position in before if before[position] != after[position]] == [12]
    assert calls(api, job) == Counter([*(f"1:{position}" for position in range(1, 16)), "2:12"])
    assert {entry["code"]: entry["count"] for entry in second["error_summary"]} == {"overloaded": 2, "refused": 1}


@pytest.mark.acceptance(18)
def test_an_account_error_pauses_the_job_until_it_is_resumed(api: LocalApi) -> None:
    items = topics(8)
    items[0]["topic"] += " [[claude: status=401 times=1]]"
    job = api.job(api.project(), items, concurrency=1)
    eventually(lambda: view(api, job)["status"] == "paused")
    paused = view(api, job)

    resumed = api.ask("POST", f"{job}/resume")
    ended = api.wait_for_end(job)

    assert (paused["pause_reason"], paused["counts"]["queued"]) == ("authentication", 8)
    assert resumed.status == 200
    assert (ended["status"], ended["counts"]["completed"], ended["counts"]["failed"]) == ("completed", 8, 0)
    assert calls(api, job)["1:1"] == 2


@pytest.mark.acceptance(15)
@pytest.mark.parametrize("on_error", ["stop", "pause"])
def test_a_failed_item_stops_or_pauses_the_job_as_it_was_asked(api: LocalApi, on_error: str) -> None:
    items = topics(6)
    items[1]["topic"] += " [[claude: refusal]]"
    job = api.job(api.project(), items, concurrency=1, on_error=on_error)

    if on_error == "pause":
        eventually(lambda: view(api, job)["status"] == "paused")
        paused = view(api, job)
        assert (paused["pause_reason"], paused["counts"]["queued"]) == ("on_error", 4)
        api.ask("POST", f"{job}/resume")
    ended = api.wait_for_end(job)

    cancelled = 4 if on_error == "stop" else 0
    assert ended["cancel_reason"] == ("on_error" if cancelled else None)
    assert ended["status"] == ("cancelled" if cancelled else "partially_failed")
    assert (ended["counts"]["failed"], ended["counts"]["cancelled"]) == (1, cancelled)
