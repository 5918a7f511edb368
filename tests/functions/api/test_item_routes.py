"""Items: their views, pages and filters, and what a reader believes while things change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ErrorCode, item_error
from shared.jobs.statuses import CancelReason
from tests.support.front_desk import OUTLINE

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk


def fail(desk: FrontDesk, position: int, code: ErrorCode = ErrorCode.REFUSED) -> None:
    error = item_error(code, "It said no.", http_status=200, claude_request_id="req_9")
    desk.workshop.claude.errors[position].append(error)


def items(desk: FrontDesk, job: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk.client().get(f"{job}/items", query=query).json["items"]
    return found


def test_an_item_shows_its_output_and_its_attempts_when_it_is_completed(desk: FrontDesk) -> None:
    body = [{"topic": "Tea"}]
    job = desk.job(body)
    desk.settle(job)

    view = desk.client().get(f"{job}/items/1").json

    assert (view["position"], view["status"], view["input"]["topic"]) == (1, "completed", "Tea")
    assert view["output"] == OUTLINE
    assert view["error"] is None
    assert view["usage"] == {"input_tokens": 100, "output_tokens": 200, "cost_usd": 0.0033}
    assert view["model"] == "claude-sonnet-5-5"
    assert view["started_at"] == view["completed_at"] == "2026-11-22T12:00:00.000Z"
    assert [attempt["outcome"] for attempt in view["attempts"]] == ["completed"]
    assert "output" not in items(desk, job)[0]


def test_an_item_shows_everything_about_its_error_when_it_failed(desk: FrontDesk) -> None:
    job = desk.job(1)
    fail(desk, 1)
    desk.settle(job)

    view = desk.client().get(f"{job}/items/1").json

    assert view["status"] == "failed"
    assert view["error"] == {
        "code": "refused",
        "class": "permanent",
        "retryable": False,
        "http_status": 200,
        "message": "It said no.",
        "claude_request_id": "req_9",
        "trace_id": "trace-1",
    }
    assert view["output"] is None
    assert view["attempts"][-1]["error"]["code"] == "refused"
    assert desk.client().get(job).json["error_summary"] == [
        {"code": "refused", "class": "permanent", "retryable": False, "count": 1, "first_position": 1}
    ]


def test_an_item_that_is_waiting_for_another_try_shows_the_try_and_no_error(desk: FrontDesk) -> None:
    job = desk.job(1)
    fail(desk, 1, ErrorCode.OVERLOADED)
    desk.settle(job)

    view = desk.client().get(f"{job}/items/1").json

    assert (view["status"], view["error"], view["usage"], view["completed_at"]) == ("queued", None, None, None)
    assert view["attempts"][0]["error"]["code"] == "overloaded"


def test_an_item_that_runs_shows_since_when_and_until_when_at_most(desk: FrontDesk) -> None:
    job = desk.job(2)
    desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job)))

    view = desk.client().get(f"{job}/items/1").json

    assert view["status"] == "processing"
    assert view["lease_expires_at"] == "2026-11-22T12:02:15.000Z"
    assert view["started_at"] == "2026-11-22T12:00:00.000Z"


@pytest.mark.parametrize("position", ["0", "4", "-1", "x", "1.0", "99999999", "\u0661", "1 "])
def test_a_position_that_is_none_is_404(desk: FrontDesk, position: str) -> None:
    assert desk.client().get(f"{desk.job(3)}/items/{position}").status == 404


def test_items_come_in_order_in_pages(desk: FrontDesk) -> None:
    job = desk.job([{"topic": f"Topic {number}"} for number in range(7)])
    seen, query = [], {"limit": "3"}
    while True:
        page = desk.client().get(f"{job}/items", query=query).json
        seen.append([item["position"] for item in page["items"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == [[1, 2, 3], [4, 5, 6], [7]]
    other = desk.job(7)
    assert desk.client().get(f"{other}/items", query=query).status == 422
    assert desk.client().get(f"{job}/items", query={**query, "status": "queued"}).status == 422


def test_items_are_filtered_by_what_they_are(desk: FrontDesk) -> None:
    job = desk.job(5, options={"concurrency": 2})
    fail(desk, 3)
    desk.settle(job, 0, items=2)

    assert [item["position"] for item in items(desk, job, status="completed")] == [1]
    assert [item["position"] for item in items(desk, job, status="failed")] == [3]
    assert [item["position"] for item in items(desk, job, status="queued")] == [2, 4, 5]
    desk.ledgers.cancel(desk.ledger(job), reason=CancelReason.USER, actor="t")
    assert [item["position"] for item in items(desk, job, status="cancelled")] == [2, 4, 5]
    assert desk.client().get(f"{job}/items", query={"status": "done"}).status == 422


def test_a_filtered_page_is_filled_from_a_bounded_number_of_rows(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.api.item_reader._MAX_EVALUATED", 4)
    job = desk.job(10, options={"concurrency": 2})
    desk.settle(job, 1, items=5)

    first = desk.client().get(f"{job}/items", query={"status": "completed", "limit": "3"}).json
    query = {"status": "completed", "limit": "3", "cursor": first["next_cursor"]}
    second = desk.client().get(f"{job}/items", query=query).json
    third = desk.client().get(f"{job}/items", query={**query, "cursor": second["next_cursor"]}).json

    assert [[item["position"] for item in page["items"]] for page in (first, second, third)] == [[2, 4], [6, 8], [10]]
    assert third["next_cursor"] is None


def test_a_custom_id_stands_on_its_item(desk: FrontDesk) -> None:
    body = {"kind": "outline", "items": [{"custom_id": "tea-1", "input": {"topic": "Tea"}}]}
    job = desk.client().post(desk.jobs, body).headers["location"]

    assert items(desk, job)[0]["custom_id"] == "tea-1"


def retry(desk: FrontDesk, job: str, *positions: int) -> None:
    ledger = desk.ledger(job)
    if ledger.notified_generation < ledger.generation:
        ledger = desk.ledgers.notified(ledger, actor="t")
    desk.ledgers.retry(
        ledger,
        work=[positions],
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="2026-11",
        now=ledger.created_at,
        check_at=ledger.created_at,
        actor="t",
    )


def test_a_retried_item_is_queued_again_and_the_others_keep_their_outcome(desk: FrontDesk) -> None:
    job = desk.job(3)
    fail(desk, 2)
    desk.finish(job)
    retry(desk, job, 2)

    assert [item["status"] for item in items(desk, job)] == ["completed", "queued", "completed"]
    assert desk.client().get(f"{job}/items/2").json["error"] is None


def test_a_reader_reads_again_when_an_item_belongs_to_a_later_generation(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk.job(2)
    fail(desk, 2)
    desk.finish(job)
    read = desk.ledgers.__class__.read
    seen = []

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        ledger = read(*args, **kwargs)
        seen.append(ledger)
        if len(seen) == 1:  # between the reader's ledger and its items
            retry(desk, job, 2)
            desk.settle(job)
        return ledger

    services = desk.services()
    monkeypatch.setattr("shared.store.ledgers.LedgerStore.read", overtaken)

    reading, shown = services.items.one(desk.project, job.rpartition("/")[2], 2)

    assert reading.ledger.generation == 2
    assert shown.status == "completed"


def test_a_reader_gives_up_when_it_is_overtaken_every_time(desk: FrontDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = desk.job(2)
    fail(desk, 2)
    desk.finish(job)
    stale = desk.ledger(job)
    retry(desk, job, 2)
    desk.settle(job)
    monkeypatch.setattr("shared.store.ledgers.LedgerStore.read", lambda *_, **__: stale)

    for rest in ("/items", "/items/2", "/results"):
        assert desk.client().get(job + rest).status == 503
