"""Results: every format, in order, what is finished so far, an answer's worth at a time."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from functions.api import results
from shared.contracts.requests import ResultFormat
from shared.errors import ErrorCode, item_error
from shared.generation.answers import Generation
from shared.jobs.statuses import CancelReason
from tests.support.front_desk import OUTLINE, OutlineClaude
from tests.support.workshop import ScriptedClaude

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk


class LongClaude(OutlineClaude):
    """Answers at length."""

    def generate(self, *args: Any, **kwargs: Any) -> Generation:
        made = super().generate(*args, **kwargs)
        section = {"heading": "Water", "key_points": ['\u00e4"\n' * 190] * 12, "word_count": 300}
        long = OUTLINE | {"sections": [section] * 12}
        return Generation(
            output=json.dumps(long, ensure_ascii=False),
            model=made.model,
            claude_request_id=None,
            input_tokens=1,
            output_tokens=1,
            cost_microusd=1,
        )


def mixed(desk: FrontDesk) -> str:
    """A job with a completed, a failed and a cancelled item."""
    items = [
        {"custom_id": "tea-1", "input": {"topic": "Tea"}},
        {"input": {"topic": "=SUM(A1)", "custom_instructions": "-- none --"}},
        {"input": {"topic": "\uff1dLate"}},
    ]
    job = desk.client().post(desk.jobs, {"kind": "outline", "items": items}).headers["location"]
    desk.workshop.claude.errors[2].append(item_error(ErrorCode.REFUSED, "=cmd()"))
    desk.settle(job, items=2)
    desk.ledgers.cancel(desk.ledger(job), reason=CancelReason.USER, actor="t")
    desk.workshop.finalizer().close(desk.ledger(job))
    return job


def test_ndjson_has_a_line_for_every_item_with_what_became_of_it(desk: FrontDesk) -> None:
    answer = desk.client().get(f"{mixed(desk)}/results")

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "link" not in answer.headers
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["position"] for line in lines] == [1, 2, 3]
    assert lines[0]["custom_id"] == "tea-1"
    assert lines[0]["input"]["topic"] == "Tea"
    assert lines[0]["result"] == {"type": "completed", "output": OUTLINE}
    assert lines[0]["usage"]["output_tokens"] == 200
    assert lines[1]["result"]["type"] == "failed"
    assert lines[1]["result"]["error"]["code"] == "refused"
    assert lines[2]["result"] == {"type": "cancelled"}
    assert lines[2]["usage"] is None


def test_csv_has_a_row_for_every_item_and_no_formulas(desk: FrontDesk) -> None:
    answer = desk.client().get(f"{mixed(desk)}/results", query={"format": "csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["position"], row["custom_id"], row["status"]) for row in rows] == [
        ("1", "tea-1", "completed"),
        ("2", "", "failed"),
        ("3", "", "cancelled"),
    ]
    assert rows[0]["output.title"] == OUTLINE["title"]
    assert json.loads(rows[0]["output.sections"]) == OUTLINE["sections"]
    assert (rows[0]["output_tokens"], rows[0]["cost_usd"]) == ("200", "0.0033")
    assert rows[1]["input.topic"] == "'=SUM(A1)"
    assert rows[1]["input.custom_instructions"] == "'-- none --"
    assert rows[1]["input.word_count"] == "1200"
    assert (rows[1]["error_code"], rows[1]["error_message"]) == ("refused", "'=cmd()")
    assert rows[2]["cost_usd"] == ""
    assert rows[2]["input.topic"] == "'\uff1dLate"


def test_markdown_has_every_completed_item_and_says_where_one_is_missing(desk: FrontDesk) -> None:
    answer = desk.client().get(f"{mixed(desk)}/results", query={"format": "markdown"})

    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith(f"<!-- item 1 -->\n\n# {OUTLINE['title']}\n")
    assert "<!-- item 2: failed (refused) -->" in answer.text
    assert answer.text.endswith("<!-- item 3: cancelled -->\n\n")


def test_only_what_is_finished_is_told_while_the_job_runs(desk: FrontDesk) -> None:
    job = desk.job(6, options={"concurrency": 2})

    def positions() -> list[int]:
        text = desk.client().get(f"{job}/results").text
        return [json.loads(line)["position"] for line in text.splitlines()]

    assert positions() == []
    desk.settle(job, 1, items=2)
    assert positions() == [2, 4]
    desk.settle(job, 0, items=1)
    assert positions() == [1, 2, 4]


@pytest.mark.acceptance(36)
@pytest.mark.parametrize("form", ["ndjson", "csv", "markdown"])
def test_an_answer_ends_before_its_limit_and_the_link_leads_to_the_rest(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    assert results.MAX_BYTES == 4_000_000
    monkeypatch.setattr(results, "MAX_BYTES", 700_000)
    desk.workshop.claude = LongClaude()
    job = desk.job(10, options={"concurrency": 4})
    desk.finish(job)
    query: dict[str, str] | None = {"format": form}
    contents: list[bytes] = []
    while query is not None:
        answer = desk.client().get(f"{job}/results", query=query)
        assert len(answer.content) <= 700_000
        contents.append(answer.content)
        query = answer.next_query
        assert query is None or set(query) == {"format", "cursor"}

    assert len(contents) > 1
    assert [content.startswith(b"position,") for content in contents] == [form == "csv"] + [False] * (len(contents) - 1)
    whole = b"".join(contents).decode()
    if form == "ndjson":
        assert [json.loads(line)["position"] for line in whole.split("\n")[:-1]] == list(range(1, 11))
    elif form == "csv":
        assert [line.split(",")[0] for line in whole.split("\r\n")[1:-1]] == [str(n) for n in range(1, 11)]
    else:
        assert whole.count("<!-- item ") == 10


def test_an_output_of_another_version_of_the_kind_does_not_hold_up_the_others(desk: FrontDesk) -> None:
    job = desk.job(2)
    desk.settle(job)
    desk.workshop.claude = ScriptedClaude()  # whose answers do not fit
    desk.settle(job)

    text = desk.client().get(f"{job}/results", query={"format": "markdown"}).text

    assert text.startswith(f"<!-- item 1 -->\n\n# {OUTLINE['title']}\n")
    assert text.endswith("<!-- item 2: does not fit its kind any more -->\n\n")


def test_an_answer_reads_a_bounded_number_of_rows_when_little_is_finished(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_MAX_EVALUATED", 4)
    job = desk.job(12, options={"concurrency": 6})
    desk.settle(job, 5, items=2)

    first = desk.client().get(f"{job}/results")
    second = desk.client().get(f"{job}/results", query=first.next_query)
    third = desk.client().get(f"{job}/results", query=second.next_query)

    assert [answer.text.count("\n") for answer in (first, second, third)] == [0, 1, 1]
    assert third.next_query is None


def test_a_single_item_is_told_even_where_it_alone_is_too_large(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 10)
    job = desk.job(2)
    desk.finish(job)

    first = desk.client().get(f"{job}/results")
    second = desk.client().get(f"{job}/results", query=first.next_query)

    assert [json.loads(answer.text)["position"] for answer in (first, second)] == [1, 2]
    assert second.next_query is None


@pytest.mark.acceptance(41)
def test_a_cursor_of_another_job_or_format_is_refused(desk: FrontDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 10)
    job, other = desk.job(2), desk.job(2)
    desk.finish(job)
    query = desk.client().get(f"{job}/results").next_query or {}

    assert desk.client().get(f"{other}/results", query=query).status == 422
    assert desk.client().get(f"{job}/results", query={**query, "format": "csv"}).status == 422
    assert desk.client().get(f"{job}/results", query={"format": "xml"}).status == 422


@pytest.mark.acceptance(36)
def test_memory_is_bounded_by_the_answer_and_not_by_the_job(
    live_desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_BYTES", 400_000)
    live_desk.workshop.claude = LongClaude()

    def peak(items: int) -> int:
        job = live_desk.job(items, options={"concurrency": 4})
        live_desk.finish(job)
        exporter = live_desk.services().exporter
        tracemalloc.start()
        exporter.export(live_desk.project, job.rpartition("/")[2], form=ResultFormat.NDJSON, after=0)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    assert peak(120) < 1.5 * peak(30)
