from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_api import Answer, FakeApi

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command, Terminal


@pytest.fixture
def project(api: FakeApi) -> str:
    return api.add_project("Blog")


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_lists_jobs_newest_first_as_lines_that_programs_can_cut(command: Command, api: FakeApi, project: str) -> None:
    for _ in range(3):
        api.add_job(project, ["a", "b"])
    api.jobs["job_2"].settle(2)

    ran = command("jobs")

    assert ran.code == 0
    head, *rows = table(ran.out)
    assert head == ["id", "name", "kind", "status", "done", "failed", "cost", "created"]
    assert [row[0] for row in rows] == ["job_3", "job_2", "job_1"]
    assert rows[1] == ["job_2", "prepared", "outline", "completed", "2/2", "0", "$0.0020", "2026-11-22 12:00"]
    assert "Project: Blog (prj_1)" in ran.err


def test_lists_jobs_of_a_status_and_says_when_there_are_more(command: Command, api: FakeApi, project: str) -> None:
    for _ in range(5):
        api.add_job(project, ["a"])
    api.jobs["job_5"].settle(1)

    ran = command("jobs", "--status", "active", "--limit", "2")

    assert [row[0] for row in table(ran.out)[1:]] == ["job_4", "job_3"]
    assert "There are more than these 2: --limit 0 shows all." in ran.err
    assert len(table(command("jobs", "--limit", "0").out)) == 6


def test_shows_one_job(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b [[fail]]", "c"]).settle(2)
    lines = dict(row[:2] for row in table(command("show", "job_1").out))
    assert lines["status"] == "processing"
    assert lines["progress"] == "2/3, 66 %"
    assert lines["items"] == "1 completed, 1 failed, 1 not finished"
    assert lines["error"] == "refused: 1, the first is item 2"
    assert lines["option drive"] == "queue"
    assert lines["estimated completion"] == "2026-11-22 12:05:00 UTC"


def test_lists_items_with_their_errors(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b [[fail]]", "c"]).settle(2)
    assert table(command("items", "job_1").out)[1:] == [
        ["1", "", "completed", "a", ""],
        ["2", "", "failed", "b [[fail]]", "refused: Claude refused."],
        ["3", "", "queued", "c", ""],
    ]
    assert len(table(command("items", "job_1", "--status", "failed").out)) == 2


def test_lists_projects_kinds_limits_and_the_fields_of_a_kind(command: Command, project: str) -> None:
    assert table(command("projects").out)[1] == [project, "Blog", "owner", "2026-11-22 12:00"]
    assert table(command("kinds").out)[1][0] == "outline"
    assert ["items_per_job.max", "1,000"] in table(command("limits").out)
    assert table(command("kinds", "outline").out)[1:] == [
        ["topic", "yes", "", "string", "What it is about."],
        ["tone", "", "professional", "professional, friendly, formal", ""],
        ["keyword", "", "", "string", ""],
        ["word_count", "", "1200", "100 to 4000", ""],
    ]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("jobs", "--json"), None),
        (("show", "job_1", "--json"), "counts"),
        (("items", "job_1", "--json"), "position"),
        (("projects", "--json"), None),
        (("kinds", "--json"), None),
        (("kinds", "outline", "--json"), "input_schema"),
        (("limits", "--json"), "bytes_per_item"),
    ],
)
def test_prints_json_with_every_field_of_the_answer(
    command: Command, api: FakeApi, project: str, arguments: tuple[str, ...], key: str | None
) -> None:
    api.add_job(project, ["a"])
    ran = command(*arguments)
    assert ran.code == 0
    value = json.loads(ran.out)
    assert isinstance(value, list) if key is None else key in value


def test_takes_control_characters_out_of_a_table(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["\x1b[2Jevil\ttab\nline"])
    (row,) = table(command("items", "job_1").out)[1:]
    assert row[3] == "\N{REPLACEMENT CHARACTER}[2Jevil\N{REPLACEMENT CHARACTER}tab\N{REPLACEMENT CHARACTER}line"


def test_says_what_to_do_when_there_is_no_project(command: Command) -> None:
    assert "pressroom project create NAME makes one" in command("projects").err


def test_says_that_there_is_no_such_kind(command: Command) -> None:
    ran = command("kinds", "poem")
    assert ran.code == 4
    assert "there is no kind 'poem'" in ran.err


def test_tells_a_status_that_the_server_refuses(command: Command, api: FakeApi, project: str) -> None:
    problem = {"detail": "One field is invalid.", "errors": [{"pointer": "/query/status", "detail": "is none"}]}
    api.refuse(f"GET /v1/projects/{project}/jobs", Answer(422, problem))
    ran = command("jobs", "--status", "lazy")
    assert ran.code == 2
    assert "/query/status: is none" in ran.err


@pytest.mark.parametrize(
    ("columns", "shown", "left_out"),
    [
        (120, ("cost", "created", "kind", "name"), ()),
        (64, ("name", "failed"), ("created", "kind")),
        (46, ("id", "status"), ("name", "failed")),
    ],
)
def test_leaves_out_columns_for_which_the_terminal_is_too_narrow(
    *, api: FakeApi, project: str, terminal: Terminal, columns: int, shown: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    api.add_job(project, ["a"]).id = "job_01JD9ZQ5XKQ3V7Y1M8N4R6T2WA"
    _, text = terminal("jobs", columns=columns)
    (head,) = [line for line in text.splitlines() if "status" in line]
    assert all(name in head for name in shown)
    assert not any(name in head for name in left_out)
    assert "job_01JD9ZQ5XKQ3V7Y1M8N4R6T2WA" in text


def test_obeys_no_markup_of_a_name(api: FakeApi, project: str, terminal: Terminal) -> None:
    api.add_job(project, ["[red]a[/red] :smile:"])
    _, text = terminal("items", "job_1")
    assert "[red]a[/red] :smile:" in text


def test_shows_what_is_left_of_the_quota(command: Command, project: str) -> None:
    ran = command("usage", "--project", project)

    assert table(ran.out) == [
        ["quota", "limit", "used", "reserved", "remaining"],
        ["items", "100,000", "1,200", "50", "98,750"],
        ["usd", "$2,000.00", "$0.1234", "$3.50", "$1,996.38"],
    ]
    assert "the next month begins at 2026-12-01 00:00 UTC" in ran.err
    assert json.loads(command("usage", "--json").out)["items"]["used"] == 1_200
