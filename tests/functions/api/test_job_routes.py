"""Reading jobs: one, lists, tags and waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.api.job_reader import Specs, matches
from shared.errors import CorruptRowError
from shared.jobs.statuses import CancelReason, PauseReason
from tests.support.clock import START, ManualClock
from tests.support.crashing import Calls, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.front_desk import FrontDesk


class ActingClock(ManualClock):
    """A clock during whose sleeps other things happen."""

    def __init__(self) -> None:
        super().__init__(START)
        self.during: dict[int, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.during.get(len(self.slept), lambda: None)()


@pytest.fixture
def clock() -> ActingClock:
    return ActingClock()


def test_a_job_is_shown_as_its_ledger_and_spec_say(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(4, name="Spring", options={"concurrency": 2, "budget_usd": 9})
    clock.advance(10)
    desk.settle(job, 0)

    answer = desk.client().get(job)

    view = answer.json
    assert answer.status == 200
    assert answer.headers["etag"] == f'"{view["version"]}-processing-{view["id"][-8:]}"'
    assert (view["id"], view["project_id"], view["kind"]) == (job.rpartition("/")[2], desk.project, "outline")
    assert view["counts"] == {"total": 4, "queued": 3, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}
    assert view["progress"] == {"done": 1, "total": 4, "percent": 25}
    assert view["usage"]["input_tokens"] == 100
    assert view["usage"]["cost_usd"] == 0.0033
    assert view["options"]["budget_usd"] == 9
    assert (view["template"], view["not_retried"], view["error_summary"]) == (None, 0, [])
    assert view["started_at"] == view["last_activity_at"] == "2026-11-22T12:00:10.000Z"
    assert view["completed_at"] is None


@pytest.mark.parametrize(
    "job", ["job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "job_", "nonsense", "prj_01JDA4Y3C0D1E2F3G4H5J6K7M8"]
)
def test_a_job_that_does_not_exist_is_404(desk: FrontDesk, job: str) -> None:
    assert desk.client().get(f"{desk.jobs}/{job}").json["detail"] == "The project has no such job."


def test_a_job_of_another_project_is_404_even_for_its_owner(desk: FrontDesk) -> None:
    job = desk.job()
    other = desk.client().post("/v1/projects", {"name": "Other"}).json["id"]

    for rest in ("", "/items", "/items/1", "/results"):
        assert desk.client().get(job.replace(desk.project, other) + rest).status == 404


@pytest.mark.acceptance(39)
def test_a_known_version_is_answered_304_until_it_changes(desk: FrontDesk) -> None:
    job = desk.job()
    tag = desk.client().get(job).headers["etag"]

    unchanged = [desk.client().get(job, headers={"If-None-Match": known}) for known in (tag, f'W/{tag}, "x"', "*")]
    desk.settle(job)
    changed = desk.client().get(job, headers={"If-None-Match": tag})

    assert [(answer.status, answer.content, answer.headers["etag"]) for answer in unchanged] == [(304, b"", tag)] * 3
    assert changed.status == 200
    assert changed.headers["etag"] != tag


@pytest.mark.parametrize(
    ("header", "etag", "same"),
    [('"1-queued"', '"1-queued"', True), ('"2-queued"', '"1-queued"', False), ("", '"1-queued"', False)],
)
def test_tags_match_by_what_they_name(header: str, etag: str, same: bool) -> None:
    assert matches(header, etag) is same


def test_waiting_ends_when_the_version_changes(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job()
    tag = desk.client().get(job).headers["etag"]
    clock.during[3] = lambda: desk.settle(job)

    answer = desk.client().get(job, query={"wait_seconds": 25}, headers={"If-None-Match": tag})

    assert answer.status == 200
    assert answer.json["progress"]["done"] == 1
    assert len(clock.slept) == 3
    assert all(0.1 <= pause <= 0.7 for pause in clock.slept)


def test_waiting_ends_when_only_the_shown_status_changes(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)
    desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job)))
    desk.ledgers.pause(desk.ledger(job), reason=PauseReason.USER, actor="t")
    pausing = desk.client().get(job)
    clock.advance(130)  # the lease of 120 + 15 seconds ends during the wait

    answer = desk.client().get(job, query={"wait_seconds": 25}, headers={"If-None-Match": pausing.headers["etag"]})

    assert (pausing.json["status"], answer.json["status"]) == ("pausing", "paused")
    assert answer.json["version"] == pausing.json["version"]


def test_waiting_without_a_tag_answers_with_the_job_when_nothing_changes(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job()

    answer = desk.client().get(job, query={"wait_seconds": 3})

    assert answer.status == 200
    assert sum(clock.slept) == pytest.approx(3, abs=0.01)


def test_waiting_with_a_tag_answers_304_when_nothing_changes(desk: FrontDesk) -> None:
    job = desk.job()
    tag = desk.client().get(job).headers["etag"]

    answer = desk.client().get(job, query={"wait_seconds": 3}, headers={"If-None-Match": tag})

    assert answer.status == 304


def test_waiting_ends_two_seconds_before_the_function_does(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job()

    desk.client(milliseconds_left=10_000).get(job, query={"wait_seconds": 25})

    assert sum(clock.slept) == pytest.approx(8, abs=0.01)


@pytest.mark.parametrize("seconds", ["26", "-1", "x", "1.5"])
def test_waiting_has_bounds(desk: FrontDesk, seconds: str) -> None:
    answer = desk.client().get(desk.job(), query={"wait_seconds": seconds})

    assert list(answer.pointers) == ["/query/wait_seconds"]


@pytest.mark.acceptance(36)
def test_a_status_reads_one_small_row_however_many_items_are_done(desk: FrontDesk) -> None:
    job = desk.job(20, options={"concurrency": 4})
    desk.finish(job)
    jobs = desk.services().jobs
    jobs.specs.of(job.rpartition("/")[2])
    calls = Calls()
    object.__setattr__(jobs.ledgers.table, "client", watched(desk.table.client, calls))

    jobs.changed(desk.project, job.rpartition("/")[2], None, wait_seconds=0, seconds_left=29)
    jobs.specs.of(job.rpartition("/")[2])

    assert calls.made == ["get_item"]
    row = desk.table.client.get_item(
        TableName=desk.table.name,
        Key={"pk": {"S": f"PROJECT#{desk.project[4:]}"}, "sk": {"S": f"JOB#{job[-26:]}"}},
        ConsistentRead=True,
        ReturnConsumedCapacity="TOTAL",
    )
    assert row["ConsumedCapacity"]["CapacityUnits"] <= 1


def test_specs_are_remembered_up_to_a_bound(desk: FrontDesk) -> None:
    ids = [desk.job(1).rpartition("/")[2] for _ in range(3)]
    specs = Specs(desk.items, size=2)

    for job_id in (ids[0], ids[1], ids[0], ids[2]):
        assert specs.of(job_id).job_id == job_id

    assert list(specs._known) == [ids[0], ids[2]]
    with pytest.raises(CorruptRowError):
        specs.of("job_01JDA4Y3C0D1E2F3G4H5J6K7M8")


def pages(desk: FrontDesk, query: dict[str, str]) -> list[list[str]]:
    seen, asked = [], dict(query)
    while True:
        page = desk.client().get(desk.jobs, query=asked).json
        seen.append([job["id"] for job in page["items"]])
        if page["next_cursor"] is None:
            return seen
        asked["cursor"] = page["next_cursor"]


def several(desk: FrontDesk, clock: ActingClock, count: int) -> list[str]:
    """Ids of new jobs, newest first."""
    made: list[str] = []
    for number in range(count):
        clock.advance(1)
        made.insert(0, desk.job(1, name=f"Job {number}").rpartition("/")[2])
    return made


def test_jobs_are_listed_newest_first_in_pages(desk: FrontDesk, clock: ActingClock) -> None:
    made = several(desk, clock, 5)

    assert pages(desk, {"limit": "2"}) == [made[:2], made[2:4], made[4:]]
    assert pages(desk, {"limit": "5"}) == [made]


@pytest.mark.acceptance(35)
def test_active_jobs_are_all_found_in_pages_however_many_others_there_are(desk: FrontDesk, clock: ActingClock) -> None:
    made = several(desk, clock, 7)
    for done in (made[0], made[3], made[6]):
        desk.finish(f"{desk.jobs}/{done}")
    active = [job for job in made if job not in {made[0], made[3], made[6]}]

    assert pages(desk, {"status": "active", "limit": "3"}) == [active[:3], active[3:]]
    assert pages(desk, {"status": "completed"}) == [[made[0], made[3], made[6]]]
    assert pages(desk, {"status": "queued", "limit": "3"}) == [active[:3], active[3:]]
    assert pages(desk, {"status": "paused"}) == [[]]


def test_a_filtered_list_reads_a_bounded_number_of_jobs_a_call(
    desk: FrontDesk, clock: ActingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.api.job_reader._MAX_EVALUATED", 3)
    made = several(desk, clock, 7)
    desk.finish(f"{desk.jobs}/{made[5]}")

    assert pages(desk, {"status": "completed"}) == [[], [made[5]], []]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "2,3"}, {"status": "done"}, {"status": ""}, {"cursor": "x"}]
)
def test_a_bad_query_of_the_list_is_told(desk: FrontDesk, query: dict[str, str]) -> None:
    answer = desk.client().get(desk.jobs, query=query)

    assert answer.status == 422
    assert list(answer.pointers) == [f"/query/{name}" for name in query]


@pytest.mark.acceptance(29)
def test_counts_sum_to_the_total_and_agree_with_the_items_in_every_state(desk: FrontDesk) -> None:
    job = desk.job(5, options={"concurrency": 2})

    def seen() -> dict[str, int]:
        counts: dict[str, int] = desk.client().get(job).json["counts"]
        items = desk.client().get(f"{job}/items").json["items"]
        tally = {name: sum(item["status"] == name for item in items) for name in counts if name != "total"}
        assert counts == {"total": 5, **tally}
        assert sum(tally.values()) == 5
        return counts

    assert seen()["queued"] == 5
    desk.settle(job, 0)
    desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job), 1))
    assert (seen()["completed"], seen()["processing"]) == (1, 1)
    desk.ledgers.cancel(desk.ledger(job), reason=CancelReason.USER, actor="t")
    assert seen()["cancelled"] == 3


@pytest.mark.acceptance(41)
def test_a_job_is_news_when_the_tag_is_another_jobs(desk: FrontDesk) -> None:
    job, other = desk.job(), desk.job()
    known, foreign = (desk.client().get(path).headers["etag"] for path in (job, other))

    answer = desk.client().get(job, headers={"If-None-Match": foreign})

    assert (answer.status, answer.headers["etag"]) == (200, known)
    assert desk.client().get(job, headers={"If-None-Match": known}).status == 304
