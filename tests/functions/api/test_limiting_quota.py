"""The quota of a project: booked with the creation, settled with the end, booked again by a retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ErrorCode, item_error
from shared.store.usages import OwnQuota, UsageStore
from tests.support.crashing import Calls, CrashError, watched
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk

COST = 0.0033
"""What an item of the scripted Claude costs, in US dollars."""


def usage(desk: FrontDesk, unit: str = "items") -> tuple[Any, Any, Any]:
    """Reserved, used and remaining."""
    told = desk.client().get(f"/v1/projects/{desk.project}/usage").json[unit]
    return told["reserved"], told["used"], told["remaining"]


def fails(desk: FrontDesk, *positions: int) -> None:
    for position in positions:
        desk.workshop.claude.errors[position].append(item_error(ErrorCode.REFUSED, "No."))


def test_usage_tells_the_month_its_end_and_the_default_quota(desk: FrontDesk) -> None:
    answer = desk.client().get(f"/v1/projects/{desk.project}/usage")

    assert answer.json == {
        "period": "2026-11",
        "renews_at": "2026-12-01T00:00:00.000Z",
        "items": {"limit": 100_000, "reserved": 0, "used": 0, "remaining": 100_000},
        "usd": {"limit": 2_000.0, "reserved": 0.0, "used": 0.0, "remaining": 2_000.0},
    }


@pytest.mark.acceptance(3)
def test_a_job_larger_than_what_is_left_is_refused_with_what_it_requires_and_what_is_left(desk: FrontDesk) -> None:
    desk.settings = {"items_per_month": 10}
    desk.job(4)

    refused = desk.create(7, key="k")

    assert (refused.status, refused.json["code"], refused.json["retryable"]) == (429, "quota_exceeded", False)
    assert (refused.json["unit"], refused.json["required"], refused.json["remaining"]) == ("items", 7, 6)
    seconds = str(8 * 24 * 3600 + 12 * 3600)  # from noon of the 22nd to the first of December
    assert refused.headers["retry-after"] == seconds
    assert refused.headers["ratelimit-policy"] == '"items-per-month";q=10'
    assert refused.headers["ratelimit"] == f'"items-per-month";r=6;t={seconds}'
    assert len(desk.client().get(desk.jobs).json["items"]) == 1
    assert usage(desk) == (4, 0, 6)
    assert desk.create(6, key="k").status == 202
    assert usage(desk) == (10, 0, 0)


@pytest.mark.acceptance(3)
def test_a_job_that_may_cost_more_than_what_is_left_is_refused(desk: FrontDesk) -> None:
    one = desk.client().post(desk.jobs, body_of(1), query={"dry_run": "true"}).json["estimate"]["cost_usd"]
    desk.settings = {"usd_per_month": 1}
    most = int(1 / one)

    refused = desk.create(most + 1)

    assert (refused.status, refused.json["code"], refused.json["unit"]) == (429, "quota_exceeded", "usd")
    assert refused.json["required"] > 1.0 == refused.json["remaining"]
    assert refused.headers["ratelimit-policy"] == '"usd-per-month";q=1'
    assert desk.create(most - 1).status == 202


@pytest.mark.acceptance(3)
def test_what_failed_or_was_cancelled_comes_back_and_a_retry_books_it_again(desk: FrontDesk) -> None:
    fails(desk, 1, 2)
    done, cancelled = desk.job(3), desk.job(5, options={"concurrency": 2})
    assert usage(desk)[:2] == (8, 0)
    reserved = usage(desk, "usd")[0]
    desk.finish(done)
    fails(desk, 2)  # of the retry, below
    desk.settle(cancelled)
    assert usage(desk)[:2] == (5, 1)
    desk.client().post(f"{cancelled}/cancel")
    desk.finish(cancelled)

    assert usage(desk)[:2] == (0, 2)
    left, spent, _ = usage(desk, "usd")
    assert (left, spent) == (0, pytest.approx(2 * COST))

    assert desk.client().post(f"{done}/retry").status == 202
    assert usage(desk)[:2] == (2, 2)
    again = usage(desk, "usd")[0]
    assert 0 < again <= reserved * 2 / 8 * 1.01
    desk.finish(done)
    assert usage(desk)[:2] == (0, 3)
    assert usage(desk, "usd")[:2] == (0, pytest.approx(3 * COST))
    assert desk.client().post(f"{done}/retry").status == 202
    desk.finish(done)
    assert usage(desk)[:2] == (0, 4)
    jobs = desk.client().get(desk.jobs).json["items"]
    assert usage(desk, "usd")[1] == pytest.approx(sum(job["usage"]["cost_usd"] for job in jobs))
    assert sum(job["counts"]["completed"] for job in jobs) == 4


@pytest.mark.acceptance(3)
@pytest.mark.parametrize("paused", [False, True])
def test_what_a_deadline_cut_off_comes_back(desk: FrontDesk, clock: ManualClock, paused: bool) -> None:
    job = desk.job(5, options={"concurrency": 1, "deadline_minutes": 10})
    desk.settle(job)
    if paused:
        assert desk.client().post(f"{job}/pause").status in {200, 202}
    assert usage(desk)[:2] == (5, 0)
    clock.advance(600)

    for _ in range(2):  # cancels what is past its deadline; then ends what has nothing left
        desk.workshop.sweep()
        clock.advance(60)

    assert desk.client().get(job).json["counts"]["cancelled"] == 4
    assert usage(desk)[:2] == (0, 1)
    assert usage(desk, "usd")[:2] == (0, pytest.approx(COST))


@pytest.mark.acceptance(3)
def test_what_was_used_stays_used_when_its_job_is_deleted(desk: FrontDesk) -> None:
    job = desk.job(3)
    desk.finish(job)
    before = usage(desk), usage(desk, "usd")

    assert desk.client().delete(job).status == 204

    assert (usage(desk), usage(desk, "usd")) == before
    assert before[0][:2] == (0, 3)


def test_a_retry_is_refused_when_less_is_left_than_it_requires(desk: FrontDesk) -> None:
    fails(desk, 1, 2)
    failed = desk.job(2)
    desk.finish(failed)
    desk.settings = {"items_per_month": 1}

    refused = desk.client().post(f"{failed}/retry")

    assert (refused.status, refused.json["required"], refused.json["remaining"]) == (429, 2, 1)
    assert desk.ledger(failed).generation == 1
    assert desk.client().post(f"{failed}/retry", {"positions": [2]}).status == 202


def test_a_generation_is_settled_in_the_month_in_which_it_was_reserved(desk: FrontDesk, clock: ManualClock) -> None:
    fails(desk, 1)
    job = desk.job(2)
    clock.advance(14 * 24 * 3600)
    december = UsageStore(desk.store())
    desk.finish(job)

    assert usage(desk)[:2] == (0, 0)
    assert december.read(desk.project, "2026-11").used.items == 1
    desk.client().post(f"{job}/retry")
    assert usage(desk)[:2] == (1, 0)
    desk.finish(job)
    assert usage(desk)[:2] == (0, 1)
    assert december.read(desk.project, "2026-11").used.items == 1
    assert december.read(desk.project, "2026-11").reserved.items == 0


def test_a_project_keeps_its_own_quota(desk: FrontDesk) -> None:
    desk.settings = {"items_per_month": 1}
    UsageStore(desk.store()).set_quota(desk.project, OwnQuota(items=3))

    assert [desk.create(2).status, desk.create(2).status] == [202, 429]
    assert usage(desk) == (2, 0, 1)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"items_per_month": 4}, "quota_exceeded"),
        ({"active_jobs": 1}, "too_many_active_jobs"),
        ({"jobs_per_hour": 1}, "rate_limited"),
    ],
)
def test_a_dry_run_says_what_would_refuse_the_job_and_books_nothing(
    desk: FrontDesk, settings: dict[str, int], code: str
) -> None:
    desk.settings = settings

    def dry_run() -> Any:
        return desk.client().post(desk.jobs, body_of(3), query={"dry_run": "true"}).json

    before = dry_run()
    desk.job(3)
    after = dry_run()

    assert before["refusal"] is None
    assert after["refusal"]["code"] == code
    assert after["refusal"]["retry_after_seconds"] > 0
    assert after["estimate"] == before["estimate"]
    assert before["quota"]["items"]["reserved"] == 0
    assert after["quota"] == desk.client().get(f"/v1/projects/{desk.project}/usage").json
    assert after["quota"]["items"]["reserved"] == 3
    assert desk.create(3).json["code"] == code


@pytest.mark.acceptance(10)
def test_an_intake_that_died_holds_its_booking_until_the_sweeper_gives_it_back(
    live_desk: FrontDesk, clock: ManualClock
) -> None:
    desk = live_desk
    desk.dynamodb = watched(desk.table.client, Calls(die_after=4))
    with pytest.raises(CrashError):
        desk.create(110, key="k")
    desk.dynamodb = desk.table.client
    assert usage(desk)[:2] == (110, 0)

    clock.advance(61)
    desk.workshop.sweep()

    assert usage(desk)[:2] == (0, 0)
    assert desk.create(110, key="k").status == 202
    assert usage(desk)[:2] == (110, 0)
