"""Retry: which items, once however many ask, and what the new generation begins with."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ErrorCode, item_error
from shared.jobs.statuses import JobStatus
from shared.store.keys import ledger_key
from tests.support.crashing import Calls, watched

if TYPE_CHECKING:
    from shared.store.attributes import Row
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer

REFUSED, TOO_LARGE = ErrorCode.REFUSED, ErrorCode.TOO_LARGE


def failed_job(
    desk: FrontDesk, errors: dict[int, ErrorCode] | None = None, *, items: int = 6, told: bool = True, **options: Any
) -> str:
    """A job that has ended with these failures."""
    for position, code in (errors or {2: REFUSED, 3: TOO_LARGE, 5: REFUSED}).items():
        desk.workshop.claude.errors[position].append(item_error(code, "No."))
    job = desk.job(items, options={"concurrency": 2, **options})
    for number, lane in enumerate(desk.ledger(job).lanes):
        desk.settle(job, number, lane.end - lane.next)
    final = desk.ledgers.finalize(desk.ledger(job), now=desk.clock.now(), actor="finalizer")
    if told:
        desk.workshop.finalizer().notify(final)
    desk.messages()
    return job


def retry(desk: FrontDesk, job: str, body: object = None, *, key: str | None = None) -> HttpAnswer:
    return desk.client().post(f"{job}/retry", body, headers={} if key is None else {"Idempotency-Key": key})


def row(desk: FrontDesk, job: str) -> Row | None:
    return desk.store().get(ledger_key(desk.project, job.rpartition("/")[2]), consistent=True)


def work(desk: FrontDesk, job: str) -> list[int]:
    """The positions of the present generation."""
    return sorted(desk.items.work(desk.ledger(job)))


# ------------------------------------------------------------------------------------------------- which items


@pytest.mark.acceptance(28)
def test_all_failed_items_are_tried_again_and_completed_ones_never_touched(desk: FrontDesk, clock: ManualClock) -> None:
    job = failed_job(desk)
    before = {item["position"]: item for item in desk.client().get(f"{job}/items").json["items"]}
    clock.advance(3600)

    answer = retry(desk, job)

    view = answer.json
    assert answer.status == 202
    assert (view["status"], view["generation"], view["completed_at"]) == ("queued", 2, None)
    assert view["counts"] == {"total": 6, "queued": 3, "processing": 0, "completed": 3, "failed": 0, "cancelled": 0}
    assert (view["error_summary"], view["not_retried"]) == ([], 0)
    assert view["deadline_at"] == "2026-11-23T13:00:00.000Z"
    assert answer.headers["etag"] == f'"{view["version"]}-queued-{view["id"][-8:]}"'
    desk.finish(job)
    after = {item["position"]: item for item in desk.client().get(f"{job}/items").json["items"]}
    assert {position: after[position] == before[position] for position in after} == {
        1: True,
        2: False,
        3: False,
        4: True,
        5: False,
        6: True,
    }
    calls = Counter(desk.workshop.claude.calls)
    generations = {call.partition(":")[2] for call in calls}
    assert generations == {f"1:{position}" for position in range(1, 7)} | {"2:2", "2:3", "2:5"}
    assert set(calls.values()) == {1}
    assert desk.client().get(job).json["status"] == "completed"


@pytest.mark.acceptance(28)
@pytest.mark.parametrize(
    ("body", "chosen", "stay"),
    [
        ({"error_codes": ["refused"]}, [2, 5], {TOO_LARGE: (1, 3)}),
        ({"error_codes": ["too_large", "timeout"]}, [3], {REFUSED: (2, 2)}),
        ({"error_codes": ["refused", "too_large"]}, [2, 3, 5], {}),
        ({"positions": [5]}, [5], {REFUSED: (1, 2), TOO_LARGE: (1, 3)}),
        ({"positions": [5, 3, 5]}, [3, 5], {REFUSED: (1, 2)}),
        ({"positions": [2], "error_codes": ["refused"]}, [2], {REFUSED: (1, 5), TOO_LARGE: (1, 3)}),
        ({"error_codes": None, "positions": None}, [2, 3, 5], {}),
    ],
)
def test_items_are_chosen_by_code_and_position_and_the_others_stay_in_the_summary(
    desk: FrontDesk, body: dict[str, object], chosen: list[int], stay: dict[ErrorCode, tuple[int, int]]
) -> None:
    job = failed_job(desk)

    view = retry(desk, job, body).json

    assert work(desk, job) == chosen
    assert {entry["code"]: (entry["count"], entry["first_position"]) for entry in view["error_summary"]} == stay
    assert view["counts"]["queued"] == len(chosen)
    assert view["counts"]["failed"] == 3 - len(chosen)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"positions": [2, 7, 1, 5]}, {"/positions/1": "the job has 6 items", "/positions/2": "item 1 did not fail"}),
        (
            {"positions": [3], "error_codes": ["refused"]},
            {"/positions/0": "item 3 failed with too_large, which error_codes does not name"},
        ),
        ({"error_codes": ["timeout"]}, {"/error_codes": "no failed item has one of these codes"}),
    ],
)
def test_a_choice_that_cannot_be_had_is_told_whole(
    desk: FrontDesk, body: dict[str, object], pointers: dict[str, str]
) -> None:
    job = failed_job(desk)
    before = row(desk, job)

    answer = retry(desk, job, body)

    assert answer.status == 422
    assert answer.pointers == pointers
    assert row(desk, job) == before


@pytest.mark.parametrize(
    "body",
    [
        {"positions": []},
        {"positions": [0]},
        {"positions": ["2"]},
        {"positions": [True]},
        {"error_codes": []},
        {"error_codes": ["nonsense"]},
        {"budget_usd": 0},
    ],
)
def test_a_choice_that_is_none_is_refused(desk: FrontDesk, body: dict[str, object]) -> None:
    assert retry(desk, failed_job(desk), body).status == 422


def test_what_a_cancelled_retry_left_is_counted_by_its_codes_again(desk: FrontDesk) -> None:
    job = failed_job(desk)
    retry(desk, job, {"positions": [3, 5]})
    desk.client().post(f"{job}/cancel")
    desk.workshop.finalizer().close(desk.ledger(job))
    left = desk.client().get(job).json

    view = retry(desk, job, {"positions": [2]}).json

    assert (left["status"], left["not_retried"]) == ("partially_failed", 2)
    assert (view["generation"], view["not_retried"]) == (3, 0)
    assert {entry["code"]: entry["count"] for entry in view["error_summary"]} == {"too_large": 1, "refused": 1}


# --------------------------------------------------------------------------------------------------------- when


@pytest.mark.acceptance(27)
@pytest.mark.parametrize("status", ["queued", "processing", "paused", "cancelling", "cancelled", "completed"])
def test_only_a_job_that_failed_can_be_retried(desk: FrontDesk, status: str) -> None:
    job = desk.job(2)
    if status in {"processing", "cancelling"}:
        desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job)))
    if status in {"paused", "cancelling", "cancelled"}:
        desk.client().post(f"{job}/{'pause' if status == 'paused' else 'cancel'}")
    if status == "cancelled":
        desk.workshop.finalizer().close(desk.ledger(job))
    if status == "completed":
        desk.finish(job)
    before = row(desk, job)

    answer = retry(desk, job)

    assert desk.ledger(job).status == status
    assert (answer.status, answer.json["code"], answer.json["job_status"]) == (409, "illegal_transition", status)
    assert row(desk, job) == before


@pytest.mark.acceptance(28)
def test_a_generation_that_is_not_notified_yet_is_waited_for(desk: FrontDesk) -> None:
    job = failed_job(desk, told=False)
    before = row(desk, job)

    early = retry(desk, job)
    untouched = row(desk, job) == before
    desk.workshop.finalizer().notify(desk.ledger(job))
    later = retry(desk, job)

    assert (early.status, early.json["code"], early.json["retryable"]) == (409, "not_yet_settled", True)
    assert early.headers["retry-after"] == "1"
    assert untouched
    assert later.status == 202


def test_a_new_generation_begins_with_its_own_deadline_month_and_look(desk: FrontDesk, clock: ManualClock) -> None:
    job = failed_job(desk, deadline_minutes=10)
    clock.advance(timedelta(days=20).total_seconds())

    retry(desk, job)

    ledger, now = desk.ledger(job), clock.now()
    assert ledger.deadline_at == now + timedelta(minutes=10)
    assert ledger.check_at == now + timedelta(seconds=60)
    assert (ledger.usage_period, ledger.retried_at) == ("2026-12", now)
    assert (ledger.epoch, ledger.round, ledger.actor) == (1, 1, "user:alice")


def test_a_retry_is_dispatched_one_batch_at_first(desk: FrontDesk) -> None:
    job = failed_job(desk, dict.fromkeys(range(1, 26), REFUSED), items=25)

    retry(desk, job)

    messages = desk.messages()
    assert len(messages) == 10
    assert {message["epoch"] for message in messages} == {1}
    assert Counter(message["lane"] for message in messages) == {0: 5, 1: 5}


def test_a_client_driven_retry_waits_for_its_client(desk: FrontDesk) -> None:
    job = failed_job(desk, drive="client")

    assert retry(desk, job).status == 202
    assert desk.messages() == []


@pytest.mark.acceptance(37)
def test_the_end_is_estimated_by_the_pace_of_the_new_generation(desk: FrontDesk, clock: ManualClock) -> None:
    job = failed_job(desk, dict.fromkeys(range(1, 7), REFUSED))
    started_at = desk.client().get(job).json["started_at"]
    clock.advance(timedelta(days=3).total_seconds())
    retry(desk, job)
    clock.advance(30)
    desk.settle(job, 0)

    view = desk.client().get(job).json

    assert view["started_at"] == started_at
    assert view["estimated_completion_at"] == "2026-11-25T12:03:00.000Z"  # five more, 30 seconds each


# --------------------------------------------------------------------------------------------------- the budget


def spent_job(desk: FrontDesk) -> str:
    """A failed job of whose budget next to nothing is left."""
    job = failed_job(desk, budget_usd=1)
    desk.store().client.update_item(
        TableName=desk.table.name,
        Key={"pk": {"S": f"PROJECT#{desk.project[4:]}"}, "sk": {"S": f"JOB#{job[-26:]}"}},
        UpdateExpression="SET headroom = :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    return job


def test_a_retry_that_the_budget_does_not_cover_is_refused_unless_it_raises_it(desk: FrontDesk) -> None:
    job = spent_job(desk)
    before = row(desk, job)

    refused = retry(desk, job)
    untouched = row(desk, job) == before
    lower = retry(desk, job, {"budget_usd": 1})
    raised = retry(desk, job, {"budget_usd": 3})

    assert (refused.status, refused.json["code"]) == (409, "budget_exhausted")
    assert untouched
    assert list(lower.pointers) == ["/budget_usd"]
    assert (raised.status, raised.json["options"]["budget_usd"]) == (202, 3)
    ledger = desk.ledger(job)
    assert (ledger.raised_microusd, ledger.headroom_microusd) == (2_000_000, 2_000_001)


# ------------------------------------------------------------------------------------------- many, and lost answers


@pytest.mark.acceptance(28)
def test_one_generation_is_opened_when_fifty_retry_at_once(live_desk: FrontDesk) -> None:
    job = failed_job(live_desk)
    answers: list[HttpAnswer] = []
    gate = threading.Barrier(50)

    def ask(number: int) -> None:
        body = [None, {"positions": [2]}, {"error_codes": ["refused"]}, {"positions": [3, 5]}][number % 4]
        gate.wait()
        answers.append(retry(live_desk, job, body))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(answer.status for answer in answers) == {202: 1, 409: 49}
    assert {answer.json["code"] for answer in answers if answer.status == 409} == {"illegal_transition"}
    ledger = live_desk.ledger(job)
    assert (ledger.generation, ledger.counts.completed) == (2, 3)
    (winner,) = (answer for answer in answers if answer.status == 202)
    assert winner.json["counts"]["queued"] == len(work(live_desk, job)) == ledger.queued
    live_desk.finish(job)
    calls = Counter(live_desk.workshop.claude.calls)
    assert sum(":2:" in call for call in calls) == ledger.queued
    assert set(calls.values()) == {1}


@pytest.mark.acceptance(28)
@pytest.mark.parametrize("any_desk", ["desk", "live_desk"], indirect=True)
def test_the_winner_is_not_refused_when_only_its_answer_was_lost(any_desk: FrontDesk) -> None:
    job = failed_job(any_desk)
    calls = Calls()
    dynamodb, any_desk.dynamodb = any_desk.dynamodb, watched(any_desk.dynamodb, calls)
    calls.lose = frozenset({6})  # member, ledger, spec, the failures, the quota, the transaction

    answer = retry(any_desk, job)

    any_desk.dynamodb = dynamodb
    assert calls.made[5] == "transact_write_items"
    assert (answer.status, answer.json["generation"]) == (202, 2)
    assert any_desk.ledger(job).generation == 2
    assert len(any_desk.messages()) == 3


@pytest.mark.acceptance(28)
def test_a_request_that_is_sent_again_with_its_key_opens_no_other_generation(desk: FrontDesk) -> None:
    job = failed_job(desk)
    first = retry(desk, job, {"positions": [2]}, key="mine")

    again = retry(desk, job, {"positions": [2]}, key="mine")
    other_body = retry(desk, job, {"positions": [3]}, key="mine")
    other_key = retry(desk, job, {"positions": [2]}, key="yours")
    desk.workshop.claude.errors[2].append(item_error(REFUSED, "Still no."))
    desk.finish(job)
    late = retry(desk, job, {"positions": [2]}, key="mine")
    anew = retry(desk, job, {"positions": [2]}, key="anew")

    assert "idempotent-replayed" not in first.headers
    assert (again.status, again.headers["idempotent-replayed"]) == (202, "true")
    assert (other_body.status, other_key.status) == (409, 409)
    assert (late.status, late.json["generation"], late.json["status"]) == (202, 2, "partially_failed")
    assert (anew.status, anew.json["generation"]) == (202, 3)


def test_a_key_that_is_none_is_refused(desk: FrontDesk) -> None:
    assert list(retry(desk, failed_job(desk), key="\u00e9").pointers) == ["/headers/Idempotency-Key"]


def test_a_retry_is_decided_anew_when_the_ledger_changed_without_a_new_generation(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = failed_job(desk)
    services = desk.services()
    choose = services.retrier._choose
    late: list[int] = []

    def meanwhile(*arguments: Any) -> Any:
        if not late:  # a slow dispatcher moves the cursor of a job that has ended
            late.append(1)
            ledger = desk.ledger(job)
            desk.ledgers.dispatched(ledger, cursor=ledger.cursor + 1, actor="api")
        return choose(*arguments)

    monkeypatch.setattr(type(services.retrier), "_choose", lambda _, *arguments: meanwhile(*arguments))

    assert retry(desk, job).status == 202
    assert desk.ledger(job).generation == 2


def test_a_loser_does_not_open_the_generation_after_the_winners(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = failed_job(desk)
    services = desk.services()
    choose = services.retrier._choose
    late: list[int] = []

    def meanwhile(*arguments: Any) -> Any:
        chosen = choose(*arguments)
        if not late:  # another retry wins, and its generation fails and is told, before this one writes
            late.append(1)
            desk.workshop.claude.errors[2].append(item_error(REFUSED, "Still no."))
            assert retry(desk, job, {"positions": [2]}).status == 202
            desk.finish(job)
        return chosen

    monkeypatch.setattr(type(services.retrier), "_choose", lambda _, *arguments: meanwhile(*arguments))

    answer = retry(desk, job)

    assert (answer.status, answer.json["code"]) == (409, "illegal_transition")
    assert answer.json["detail"].startswith("Another retry was faster")
    assert (desk.ledger(job).generation, desk.ledger(job).status) == (2, JobStatus.PARTIALLY_FAILED)
