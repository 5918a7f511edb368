from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from pressroom.client import (
    ApiError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    LimitReachedError,
    NewItem,
    NewJob,
    NotAuthorizedError,
    NotFoundError,
    PressroomClient,
    QuotaOf,
    Retry,
    RetryPolicy,
    UnavailableError,
    UnexpectedAnswerError,
    is_loopback,
)
from pressroom.client.decoding import decode
from pressroom.client.following import follow_events
from pressroom.client.records import Event, Job
from tests.support.clock import START, ManualClock
from tests.support.fake_api import Answer, Asked, FakeApi, FakeJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOWHERE = "http://127.0.0.1:9"
ITEM = {"status": "queued", "position": 1, "input": {}, "error": None}
TEA = NewJob(kind="outline", items=(NewItem(input={"topic": "Green tea"}, custom_id="tea"),))


def most(_least: float, bound: float) -> float:
    return bound


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        running.valid_tokens.add("good")
        yield running


@pytest.fixture
def retries() -> list[Retry]:
    return []


@pytest.fixture
def client(api: FakeApi, clock: ManualClock, retries: list[Retry]) -> Iterator[PressroomClient]:
    with PressroomClient(api.url, "good", clock=clock, jitter=most, on_retry=retries.append) as opened:
        yield opened


@pytest.fixture
def project(api: FakeApi) -> str:
    return api.add_project("Blog")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> Iterator[PressroomClient]:
    with PressroomClient(
        "http://pressroom.example", "good", transport=httpx2.MockTransport(answer), clock=ManualClock()
    ) as client:
        yield client


# -- routes ------------------------------------------------------------------------------------------------


def test_tells_health_limits_and_kinds(client: PressroomClient) -> None:
    assert client.health().status == "ok"
    assert client.limits().items_per_job.max == 1000
    assert client.limits().raw["jobs_per_hour"] == 60
    assert [kind.name for kind in client.kinds()] == ["outline", "pair"]


def test_lists_and_gets_projects_over_pages(client: PressroomClient, api: FakeApi) -> None:
    made = [client.create_project(name) for name in ("One", "Two", "Three", "Four", "Five")]

    assert list(client.list_projects()) == made
    assert client.get_project(made[2].id).name == "Three"
    assert len(api.calls("GET /v1/projects")) == 3


def test_adds_reads_and_removes_members_whose_names_need_quoting(
    client: PressroomClient, api: FakeApi, project: str
) -> None:
    names = ["client:nightly", "bob@example.com", "M\u00fcller #1"]
    added = [client.put_member(project, name, "viewer") for name in names]

    assert [member.user for member in client.list_members(project)] == names
    assert client.get_member(project, names[2]) == added[2]
    client.remove_member(project, names[2])
    with pytest.raises(NotFoundError):
        client.remove_member(project, names[2])
    assert api.calls("PUT .*")[2].path == f"/v1/projects/{project}/members/M%C3%BCller%20%231"


def test_creates_a_job_with_what_was_given_and_nothing_else(
    client: PressroomClient, api: FakeApi, project: str
) -> None:
    job = NewJob(kind="outline", items=TEA.items, name="Tea", defaults={"tone": "friendly"}, options={"concurrency": 2})

    created = client.create_job(project, job)

    (asked,) = api.calls("POST .*/jobs")
    assert asked.body == {
        "kind": "outline",
        "name": "Tea",
        "defaults": {"tone": "friendly"},
        "options": {"concurrency": 2},
        "items": [{"custom_id": "tea", "input": {"topic": "Green tea"}}],
    }
    assert asked.headers["idempotency-key"]
    assert created.job.id == "job_1"
    assert created.job.etag == '"1"'
    assert created.accepted == 1
    assert not created.replayed


def test_leaves_out_what_was_not_given(client: PressroomClient, api: FakeApi, project: str) -> None:
    client.create_job(project, TEA)
    assert set(api.calls("POST .*/jobs")[0].body) == {"kind", "items"}


def test_duplicates_are_reported_when_items_repeat(client: PressroomClient, project: str) -> None:
    twice = NewJob(kind="outline", items=(*TEA.items, NewItem(input={"topic": "green TEA"})))
    created = client.create_job(project, twice)
    assert [(entry.index, entry.duplicate_of) for entry in created.duplicates] == [(1, 0)]
    assert created.accepted == 1


def test_replays_when_the_caller_gives_the_same_key(client: PressroomClient, api: FakeApi, project: str) -> None:
    first = client.create_job(project, TEA, idempotency_key="mine")
    second = client.create_job(project, TEA, idempotency_key="mine")

    assert second.replayed
    assert second.job.id == first.job.id
    assert len(api.jobs) == 1


def test_estimates_without_creating(client: PressroomClient, api: FakeApi, project: str) -> None:
    run = client.dry_run(project, TEA)
    assert run.estimate.output_tokens == 900
    assert (run.quota.items.remaining, run.refusal) == (98_750, None)
    assert api.jobs == {}


def test_tells_what_is_left_of_the_quota(client: PressroomClient, project: str) -> None:
    usage = client.get_usage(project)
    assert (usage.period, usage.renews_at) == ("2026-11", datetime(2026, 12, 1, tzinfo=UTC))
    assert usage.items == QuotaOf(limit=100_000, reserved=50, used=1_200, remaining=98_750)
    assert usage.usd.used == 0.1234


def test_tells_how_much_of_the_request_is_sent(client: PressroomClient, project: str) -> None:
    sent: list[tuple[int, int]] = []
    items = tuple(NewItem(input={"topic": f"{number} {'x' * 400}"}) for number in range(400))

    client.create_job(
        project, NewJob(kind="outline", items=items), on_sent=lambda done, total: sent.append((done, total))
    )

    assert len(sent) > 1
    assert sent == sorted(sent)
    assert sent[-1][0] == sent[-1][1]


def test_lists_jobs_newest_first_by_status_over_pages(client: PressroomClient, api: FakeApi, project: str) -> None:
    for _ in range(5):
        api.add_job(project, ["a"])
    api.jobs["job_3"].settle(1)

    assert [job.id for job in client.list_jobs(project)] == ["job_5", "job_4", "job_3", "job_2", "job_1"]
    assert [job.id for job in client.list_jobs(project, status="active")] == ["job_5", "job_4", "job_2", "job_1"]
    assert [job.id for job in client.list_jobs(project, status="completed")] == ["job_3"]


def test_gets_a_job_or_nothing_when_it_did_not_change(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.step = 0
    api.add_job(project, ["a", "b"])

    job = client.get_job(project, "job_1")

    assert job is not None
    assert job.counts.queued == 2
    assert client.get_job(project, "job_1", etag=job.etag, wait_seconds=5) is None
    assert api.asked[-1].query == {"wait_seconds": "5"}


def test_lists_items_and_gets_one_with_its_output(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b [[fail]]", "c"]).settle(2)

    listed = list(client.items(project, "job_1"))

    assert [item.status for item in listed] == ["completed", "failed", "queued"]
    assert listed[1].error is not None
    assert listed[1].error.code == "refused"
    assert [item.position for item in client.items(project, "job_1", status="failed")] == [2]
    assert client.item(project, "job_1", 1).output == {"title": "About a"}
    assert client.item(project, "job_1", 1).attempts == ({"number": 1},)


def test_escapes_what_stands_in_a_path(client: PressroomClient, api: FakeApi) -> None:
    with pytest.raises(NotFoundError):
        client.get_project("../../health?x=1")
    assert api.asked[-1].path == "/v1/projects/..%2F..%2Fhealth%3Fx%3D1"


# -- results -----------------------------------------------------------------------------------------------


def test_streams_results_over_pages_in_order(client: PressroomClient, api: FakeApi, project: str) -> None:
    topics = [f"topic {number} \N{LINE SEPARATOR} é" for number in range(7)]
    api.add_job(project, topics).settle(7)

    lines = client.results(project, "job_1")
    first = next(lines)

    assert len(api.calls("GET .*/results")) == 1  # the rest is asked for when it is wanted
    assert [line["input"]["topic"] for line in (first, *lines)] == topics
    assert len(api.calls("GET .*/results")) == 4


def test_never_follows_the_next_link_to_another_host(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b", "c"]).settle(3)
    assert len(list(client.results(project, "job_1"))) == 3  # the links name elsewhere.example


def test_repeats_a_page_when_the_connection_breaks(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b", "c"]).settle(3)
    lines = client.results(project, "job_1")
    next(lines)
    next(lines)
    api.refuse("GET .*/results", Answer(0))

    assert [line["position"] for line in lines] == [3]


def test_refuses_results_whose_next_page_is_the_same(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"]).settle(1)
    loop = Answer(200, raw=b'{"position": 1}\n', headers={"Link": '<?format=ndjson>; rel="next"'})
    api.refuse("GET .*/results", loop, times=2)
    with pytest.raises(UnexpectedAnswerError):
        list(client.results(project, "job_1"))


@pytest.mark.parametrize("line", [b"{", b"[]\n", b"\xff\n"])
def test_refuses_a_line_that_is_no_object(client: PressroomClient, api: FakeApi, project: str, line: bytes) -> None:
    api.refuse("GET .*/results", Answer(200, raw=line))
    with pytest.raises(UnexpectedAnswerError):
        list(client.results(project, "job_1"))


# -- trying again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_tries_again_with_the_same_key_when_a_creation_meets_a_passing_trouble(
    client: PressroomClient, api: FakeApi, project: str, status: int
) -> None:
    api.refuse("POST .*/jobs", Answer(status, {}), times=2)

    client.create_job(project, TEA)

    keys = {asked.headers["idempotency-key"] for asked in api.calls("POST .*/jobs")}
    assert len(api.calls("POST .*/jobs")) == 3
    assert len(keys) == 1


def test_makes_one_job_when_the_answer_is_lost(client: PressroomClient, api: FakeApi, project: str) -> None:
    first = client.create_job(project, TEA, idempotency_key="k")
    api.refuse("POST .*/jobs", Answer(0))
    again = client.create_job(project, TEA, idempotency_key="k")
    assert again.replayed
    assert again.job.id == first.job.id
    assert len(api.jobs) == 1


@pytest.mark.acceptance(39)
def test_backs_off_with_full_jitter_and_not_before_retry_after(
    client: PressroomClient, api: FakeApi, clock: ManualClock, retries: list[Retry]
) -> None:
    api.refuse("GET /v1/limits", Answer(503, {}))
    api.refuse("GET /v1/limits", Answer(503, {}))
    api.refuse("GET /v1/limits", Answer(429, {}, {"Retry-After": "7"}))

    client.limits()

    assert clock.slept == [0.25, 0.5, 7 + 1.0]
    assert [retry.attempt for retry in retries] == [2, 3, 4]
    assert [type(retry.failure) for retry in retries] == [UnavailableError, UnavailableError, LimitReachedError]


def test_draws_the_back_off_from_nothing_to_the_bound() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(least: float, bound: float) -> float:
        drawn.append((least, bound))
        return least

    policy = RetryPolicy(base_seconds=1, cap_seconds=5)
    assert [policy.backoff_seconds(attempt, draw) for attempt in (1, 2, 3, 4, 1000)] == [0] * 5
    assert drawn == [(0, 1), (0, 2), (0, 4), (0, 5), (0, 5)]


def test_gives_up_after_a_bounded_number_of_tries(client: PressroomClient, api: FakeApi, clock: ManualClock) -> None:
    api.refuse("GET /v1/limits", Answer(503, {"detail": "Throttled.", "code": "unavailable"}), times=99)
    with pytest.raises(UnavailableError) as caught:
        client.limits()
    assert caught.value.detail == "Throttled."
    assert len(api.asked) == 5
    assert len(clock.slept) == 4


def test_leaves_a_long_retry_after_to_the_caller(client: PressroomClient, api: FakeApi, clock: ManualClock) -> None:
    api.refuse("GET /v1/limits", Answer(429, {"code": "rate_limited", "retryable": True}, {"Retry-After": "1800"}))
    with pytest.raises(LimitReachedError) as caught:
        client.limits()
    assert caught.value.retry_after_seconds == 1800
    assert clock.slept == []


def test_does_not_try_again_when_the_answer_says_that_it_is_no_use(
    client: PressroomClient, api: FakeApi, project: str
) -> None:
    problem = {"code": "quota_exceeded", "detail": "50 are left.", "retryable": False, "required": 60, "remaining": 50}
    api.refuse("POST .*/jobs", Answer(429, problem))
    with pytest.raises(LimitReachedError) as caught:
        client.create_job(project, TEA)
    assert caught.value.problem.body["remaining"] == 50
    assert len(api.calls("POST .*/jobs")) == 1


def test_waits_out_a_first_call_that_still_runs(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.refuse("POST .*/jobs", Answer(409, {"code": "idempotency_in_progress", "retryable": True}), times=2)
    assert client.create_job(project, TEA).job.id == "job_1"


@pytest.mark.parametrize("status", [502, 504, 0])
def test_never_sends_a_project_twice_when_the_first_may_have_arrived(
    client: PressroomClient, api: FakeApi, status: int
) -> None:
    api.refuse("POST /v1/projects", Answer(status, {}))
    with pytest.raises((UnavailableError, ConnectionFailedError)):
        client.create_project("Blog")
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 415, 422, 500])
def test_does_not_try_again_what_would_be_refused_again(client: PressroomClient, api: FakeApi, status: int) -> None:
    api.refuse("GET /v1/limits", Answer(status, {}))
    with pytest.raises(ApiError) as caught:
        client.limits()
    assert caught.value.status == status
    assert len(api.asked) == 1


# -- errors ------------------------------------------------------------------------------------------------


def test_carries_everything_that_a_problem_says(client: PressroomClient, api: FakeApi, project: str) -> None:
    bad = NewJob(kind="outline", items=(NewItem(input={"topic": "a", "tone": "formal"}),))
    with pytest.raises(InvalidRequestError) as caught:
        client.create_job(project, bad)
    error = caught.value
    assert (error.status, error.code, error.request_id) == (422, "invalid", "req-1")
    assert [(field.pointer, field.detail) for field in error.errors] == [
        ("/items/0/input/tone", "the house style forbids it")
    ]
    assert api.jobs == {}


def test_understands_a_gateways_own_answer(client: PressroomClient, api: FakeApi) -> None:
    api.refuse("GET /v1/limits", Answer(403, {"message": "Forbidden"}))
    with pytest.raises(NotAuthorizedError) as caught:
        client.limits()
    assert caught.value.detail == "Forbidden"


def test_understands_an_error_that_is_no_json(client: PressroomClient, api: FakeApi) -> None:
    api.refuse("GET /v1/limits", Answer(500, raw=b"<html>oh</html>", headers={"Content-Type": "text/html"}))
    with pytest.raises(UnavailableError) as caught:
        client.limits()
    assert caught.value.detail == "<html>oh</html>"


def test_says_that_nobody_answers(clock: ManualClock) -> None:
    with (
        PressroomClient(NOWHERE, "good", clock=clock) as client,
        pytest.raises(ConnectionFailedError) as caught,
    ):
        client.health()
    assert caught.value.base_url == NOWHERE
    assert caught.value.reason == "Connection refused"


def test_says_that_an_answer_took_too_long() -> None:
    def never(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("", request=request)

    with answering(never) as client, pytest.raises(ConnectionFailedError) as caught:
        client.health()
    assert caught.value.reason == "it took too long"


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"status": 5, "version": "1"}', b'{"version": "1"}'])
def test_says_that_an_answer_is_not_pressrooms(body: bytes) -> None:
    with answering(lambda _: httpx2.Response(200, content=body)) as client, pytest.raises(UnexpectedAnswerError):
        client.health()


def test_never_follows_a_redirect_with_its_token() -> None:
    elsewhere = httpx2.Response(302, headers={"Location": "https://evil.example/"})
    with answering(lambda _: elsewhere) as client, pytest.raises(UnexpectedAnswerError, match="evil"):
        client.health()


def test_refuses_a_list_without_items() -> None:
    with answering(lambda _: httpx2.Response(200, json={})) as client, pytest.raises(UnexpectedAnswerError):
        list(client.list_projects())


@pytest.mark.parametrize("url", ["http://[", "nonsense://x", "http://exa mple"])
def test_says_that_an_address_is_none(url: str, clock: ManualClock) -> None:
    with pytest.raises((ConnectionFailedError, UnexpectedAnswerError)), PressroomClient(url, clock=clock) as client:
        client.health()


# -- tokens ------------------------------------------------------------------------------------------------


def test_asks_for_a_new_token_once_when_the_old_one_is_refused(api: FakeApi, clock: ManualClock) -> None:
    tokens = iter(["expired", "good"])
    with PressroomClient(api.url, lambda: next(tokens), clock=clock) as client:
        client.limits()
        client.limits()
    assert len(api.asked) == 3
    assert clock.slept == []


def test_gives_up_when_the_new_token_is_refused_too(api: FakeApi, clock: ManualClock) -> None:
    with PressroomClient(api.url, lambda: "expired", clock=clock) as client, pytest.raises(NotAuthorizedError):
        client.limits()
    assert len(api.asked) == 2


def test_gets_a_local_token(api: FakeApi) -> None:
    with PressroomClient(api.url) as client:
        assert client.local_token("alice") in api.valid_tokens


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("http://127.0.0.1:8787", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("https://api.example.com", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://[", False),
    ],
)
def test_knows_this_machine(url: str, is_local: bool) -> None:
    assert is_loopback(url) is is_local


# -- following ---------------------------------------------------------------------------------------------


def test_watches_to_the_end(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b", "c"])

    seen = [(job.status, job.progress.done) for job in client.watch(project, "job_1")]

    assert seen == [("queued", 0), ("processing", 1), ("processing", 2), ("completed", 3)]
    assert all("if-none-match" in asked.headers for asked in api.calls("GET .*/jobs/job_1")[1:])


@pytest.mark.acceptance(39)
def test_asks_less_and_less_when_nothing_changes(
    client: PressroomClient, api: FakeApi, clock: ManualClock, project: str
) -> None:
    api.step = 0
    job = api.add_job(project, ["a"])
    watching = client.watch(project, "job_1")
    next(watching)

    def end_it(_: object) -> None:
        if len(api.asked) == 7:
            job.settle(1)

    api.on_ask = end_it
    assert [seen.status for seen in watching] == ["completed"]
    assert clock.slept == [0.5, 0.5, 1.0, 2.0, 4.0, 5.0]


def test_watches_a_server_that_sends_no_etag() -> None:
    job = FakeJob(
        "job_1",
        "prj_1",
        {"kind": "outline"},
        [],
        items=[{"status": "queued", "position": 1, "input": {}, "error": None}],
    )
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        if len(asked) == 4:
            job.settle(1)
        return httpx2.Response(200, json=job.view())

    with answering(answer) as client:
        assert [seen.status for seen in client.watch("prj_1", "job_1")] == ["queued", "completed"]


def test_ends_at_a_pause_when_asked_to(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"]).pause("billing")
    (job,) = client.watch(project, "job_1", until_paused=True)
    assert job.pause_reason == "billing"


def test_sits_out_an_outage_while_watching(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"])
    watching = client.watch(project, "job_1")
    next(watching)
    api.refuse("GET .*/jobs/job_1", Answer(0), times=5)
    api.refuse("GET .*/jobs/job_1", Answer(503, {}), times=5)
    assert next(watching).status == "completed"


@pytest.mark.acceptance(45)
def test_drives_to_the_same_end_as_the_queue(client: PressroomClient, api: FakeApi, project: str) -> None:
    topics = ["a", "b [[fail]]", "c"]
    api.add_job(project, topics)
    api.add_job(project, topics, drive="client")

    *_, watched = client.watch(project, "job_1")
    *_, driven = client.drive(project, "job_2")

    assert driven.outcome == "done"
    assert driven.job.counts == watched.counts
    assert driven.job.status == watched.status == "partially_failed"


@pytest.mark.acceptance(39)
def test_waits_as_long_as_it_was_told_while_every_lane_is_busy(
    client: PressroomClient, api: FakeApi, clock: ManualClock, project: str
) -> None:
    api.add_job(project, ["a"], drive="client")
    api.busy = 3

    outcomes = [answer.outcome for answer in client.drive(project, "job_1")]

    assert outcomes == ["in_progress"] * 3 + ["processed", "done"]
    assert clock.slept == [2 + 0.5, 2 + 1.0, 2 + 2.0]


def test_drives_with_several_callers_and_settles_each_item_once(
    client: PressroomClient, api: FakeApi, project: str
) -> None:
    api.add_job(project, [f"topic {number}" for number in range(40)], concurrency=8)

    answers = list(client.drive(project, "job_1", workers=8))

    positions = [answer.item.position for answer in answers if answer.item is not None]
    assert sorted(positions) == list(range(1, 41))
    assert [answer.outcome for answer in answers].count("done") == 8


def test_raises_what_a_driving_caller_met(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b"]).pause("user")
    with pytest.raises(ConflictError):
        list(client.drive(project, "job_1", workers=3))


def test_stops_driving_when_the_iterator_is_closed(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, [f"topic {number}" for number in range(1000)])
    before = threading.active_count()
    driving = client.drive(project, "job_1", workers=2)
    next(driving)
    driving.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-") and "work" in thread.name:
            thread.join(5)
    assert api.jobs["job_1"].counts()["queued"] > 900
    assert threading.active_count() <= before + 4  # connections of the fake server stay open


@pytest.mark.acceptance(44)
def test_keeps_descriptors_constant_over_many_calls(client: PressroomClient, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b", "c"]).settle(3)
    list(client.results(project, "job_1"))
    before = descriptors()
    for _ in range(30):
        list(client.results(project, "job_1"))
        client.create_job(project, TEA)
        with pytest.raises(NotFoundError):
            client.get_job(project, "job_none")
    assert descriptors() <= before


# -- decoding ----------------------------------------------------------------------------------------------


def a_job(**changes: Any) -> dict[str, Any]:
    job = FakeJob("job_1", "prj_1", {"kind": "outline"}, [], items=[{"status": "queued", "position": 1}])
    return {**job.view(), **changes}


def test_ignores_fields_that_a_newer_server_adds_and_keeps_them_raw() -> None:
    job = decode(Job, a_job(colour="blue"))
    assert job.raw["colour"] == "blue"


def test_takes_whole_numbers_for_amounts() -> None:
    assert decode(Job, a_job(usage={"cost_usd": 1})).usage.cost_usd == 1.0


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"counts": None}, "/counts"),
        ({"counts": {"total": 1}}, "/counts/queued"),
        ({"version": "1"}, "/version"),
        ({"version": True}, "/version"),
        ({"created_at": "yesterday"}, "/created_at"),
        ({"error_summary": {}}, "/error_summary"),
        ({"error_summary": [1]}, "/error_summary/0"),
    ],
)
def test_names_the_field_that_does_not_fit(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        decode(Job, json.loads(json.dumps(a_job(**changes))))
    assert place in str(caught.value)


def test_imports_neither_aws_nor_claude_nor_the_runtime() -> None:
    code = (
        "import sys, pressroom.client\n"
        "heavy = ('boto3', 'botocore', 'anthropic', 'pydantic', 'pressroom.local')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)  # noqa: S603
    assert ran.stdout.strip() == "[]"


def test_lists_events_page_by_page(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a"])
    job.tell("job.created", to="queued", actor="user:alice")
    job.tell("item.started", position=1, attempt=1, **{"from": "queued", "to": "processing"})
    job.tell("job.edited", actor=None, generation=None, detail="status")

    created, started, edited = client.events(project, "job_1")

    assert (created.type, created.before, created.after, created.actor) == ("job.created", None, "queued", "user:alice")
    assert (started.before, started.after, started.position, started.attempt) == ("queued", "processing", 1, 1)
    assert (edited.actor, edited.generation, edited.detail, edited.raw["from"]) == (None, None, "status", None)
    assert len(api.calls("GET .*/events")) == 2


def growing(api: FakeApi, job: FakeJob, *batches: Callable[[], object]) -> None:
    """At each look at the timeline, the next thing happens."""
    steps = iter(batches)

    def happen(asked: Asked) -> None:
        if asked.path.endswith("/events"):
            next(steps, lambda: None)()

    api.on_ask = happen
    job.tell("job.created")


@pytest.mark.acceptance(39)
def test_follows_events_until_the_end_was_told(
    client: PressroomClient, api: FakeApi, project: str, clock: ManualClock
) -> None:
    job = api.add_job(project, ["a"])
    idle = [lambda: None] * 5
    growing(api, job, *idle, lambda: job.settle(1), lambda: job.tell("job.notified"))

    assert [event.type for event in client.follow_events(project, "job_1")] == ["job.created", "job.notified"]

    assert clock.slept == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(api.calls("GET .*/jobs/job_1")) == 1


def test_follows_an_event_that_is_seen_late(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a"])

    def late() -> None:  # of the batch of the other one, written a moment after it
        job.settle(1)
        job.events.insert(0, {**job.events[0], "id": "00000", "type": "job.edited"})
        job.events.pop()

    growing(api, job, lambda: job.tell("job.notified"), late)

    seen = [event.type for event in client.follow_events(project, "job_1")]

    assert seen == ["job.created", "job.notified", "job.edited"]


def test_follows_events_of_the_next_generation_when_the_job_was_retried() -> None:
    told = [Event(id=str(number), time=START, type="job.notified", generation=number) for number in (1, 2)]
    ended = decode(Job, {**FakeJob("job_1", "prj_1", {"kind": "outline"}, [], items=[ITEM]).view(), "status": "failed"})
    jobs = iter([replace(ended, status="queued"), *[replace(ended, generation=2)] * 2])
    looks = iter([told[:1], told[:1], told])

    seen = follow_events(lambda _: (next(looks), None), lambda: next(jobs), clock=ManualClock(), jitter=most)

    assert list(seen) == told
    assert list(looks) == []


def test_follows_every_event_once_when_there_are_pages(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a"])
    job.settle(1)
    for _ in range(4):
        job.tell("item.started")
    job.tell("job.notified")

    assert [event.id for event in client.follow_events(project, "job_1")] == [f"{number:05d}" for number in range(1, 6)]


# -- steering ----------------------------------------------------------------------------------------------


def test_pauses_resumes_and_cancels(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a", "b"], budget_usd=1)

    paused, resumed = client.pause(project, job.id), client.resume(project, job.id, budget_usd=2)
    cancelled = client.cancel(project, job.id)

    assert [each.status for each in (paused, resumed, cancelled)] == ["paused", "processing", "cancelled"]
    assert paused.etag == '"2"'
    assert [asked.body for asked in api.calls("POST .*/(pause|resume|cancel)")] == [{}, {"budget_usd": 2}, {}]


def test_cancels_many_in_one_call(client: PressroomClient, api: FakeApi, project: str) -> None:
    jobs = [api.add_job(project, ["a"]).id for _ in range(2)]

    told = client.cancel_many(project, (*jobs, "job_none"))

    assert [(entry.job_id, entry.result) for entry in told.results] == [
        (jobs[0], "cancelled"),
        (jobs[1], "cancelled"),
        ("job_none", "not_found"),
    ]
    assert (told.summary.cancelled, told.summary.already_final, told.summary.not_found) == (2, 0, 1)


@pytest.mark.acceptance(28)
def test_retry_waits_until_the_job_is_settled(
    client: PressroomClient, api: FakeApi, project: str, clock: ManualClock
) -> None:
    job = api.add_job(project, ["a [[fail]]", "b"])
    job.settle(2)
    job.settled = False

    retried = client.retry(project, job.id, positions=(1,))

    assert (retried.generation, retried.counts.queued) == (2, 1)
    assert sum(clock.slept) >= 1
    first, second = api.calls("POST .*/retry")
    assert first.body == second.body == {"positions": [1]}
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_retry_gives_up_when_the_job_is_never_settled(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a [[fail]]"])
    body = {"title": "Conflict", "status": 409, "code": "not_yet_settled", "detail": "Not yet.", "retryable": True}
    api.refuse("POST .*/retry", Answer(409, body, {"Retry-After": "1"}), times=1_000)

    with pytest.raises(ConflictError) as refused:
        client.retry(project, job.id)

    assert refused.value.code == "not_yet_settled"
    assert len(api.calls("POST .*/retry")) < 20


def test_retry_opens_one_generation_when_its_answer_is_lost(
    client: PressroomClient, api: FakeApi, project: str
) -> None:
    job = api.add_job(project, ["a [[fail]]"])
    job.settle(1)
    answer = api._retry

    def lost(*arguments: Any) -> Answer:
        answer(*arguments)
        api.__dict__.pop("_retry")
        return Answer(0)

    api.__dict__["_retry"] = lost

    assert client.retry(project, job.id).generation == 2
    assert job.generation == 2


def test_an_illegal_step_is_a_conflict_at_once(client: PressroomClient, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a"])
    job.settle(1)

    for step in (client.pause, client.resume, client.cancel, client.retry):
        with pytest.raises(ConflictError) as refused:
            step(project, job.id)
        assert refused.value.problem.body["job_status"] == "completed"

    assert len(api.calls("POST .*/(pause|resume|cancel|retry)")) == 4
