from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pressroom.cli.exits import ExitCode
from tests.support.fake_api import Answer, FakeApi

if TYPE_CHECKING:
    import subprocess

    from tests.pressroom.cli.conftest import Command, Start, Terminal

ROOT = Path(__file__).parents[3]


def creations(api: FakeApi) -> int:
    return len([asked for asked in api.calls("POST .*/jobs") if asked.query.get("dry_run") != "true"])


@pytest.fixture
def topics(tmp_path: Path) -> Path:
    path = tmp_path / "topics.txt"
    path.write_text("Green tea\nBlack tea\nWhite tea\n")
    return path


# -- the way it should go ----------------------------------------------------------------------------------


@pytest.mark.acceptance(44)
def test_prints_the_jobs_id_alone_and_shows_the_way_on_standard_error(
    command: Command, api: FakeApi, topics: Path
) -> None:
    ran = command("submit", topics)

    assert ran.code == 0
    assert ran.out == "job_1\n"
    assert "You had no project yet: made My project (prj_1)." in ran.err
    assert "Created job_1 with 3 items." in ran.err
    assert "job_1 queued: 0/3" in ran.err
    assert "job_1 completed: 3 completed of 3 items in 4:00; 30 tokens in, 300 out, $0.0030." in ran.err
    assert "Results: pressroom results job_1" in ran.err
    assert api.jobs["job_1"].body["name"] == "topics"


def test_sends_all_that_was_asked_for(command: Command, api: FakeApi, tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_text("custom_id,topic\ntea-1,Green tea\n")

    ran = command(
        *("submit", path, "--no-watch", "--kind", "outline", "--name", "Spring", "--tone", "friendly"),
        *("--set", "word_count=900", "-c", "4", "--drive", "queue", "--on-error", "stop", "--on-duplicate", "allow"),
        *("--max-attempts", "2", "--item-timeout", "60", "--deadline-minutes", "30", "--budget-usd", "1.5"),
        *("--model", "claude-haiku-4-5"),
    )

    assert ran.code == 0
    assert "Follow it: pressroom watch job_1" in ran.err
    assert api.jobs["job_1"].body == {
        "kind": "outline",
        "name": "Spring",
        "defaults": {"tone": "friendly", "word_count": 900},
        "items": [{"custom_id": "tea-1", "input": {"topic": "Green tea"}}],
        "options": {
            "concurrency": 4,
            "drive": "queue",
            "on_error": "stop",
            "on_duplicate": "allow",
            "max_attempts": 2,
            "item_timeout_seconds": 60,
            "deadline_minutes": 30,
            "budget_usd": 1.5,
            "model": "claude-haiku-4-5",
        },
    }


def test_leaves_options_to_the_server_when_none_are_given(command: Command, api: FakeApi, topics: Path) -> None:
    command("submit", topics, "--no-watch")
    assert set(api.jobs["job_1"].body) == {"kind", "name", "items"}


def test_reads_standard_input(command: Command, api: FakeApi) -> None:
    ran = command("submit", "-", "--format", "jsonl", "--no-watch", stdin=b'{"topic": "Green tea"}\n')
    assert ran.code == 0
    assert api.jobs["job_1"].body["items"] == [{"input": {"topic": "Green tea"}}]
    assert api.jobs["job_1"].body["name"] == "standard input"


def test_makes_one_job_of_several_files(command: Command, api: FakeApi, topics: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text('{"topic": "Oolong"}\n')
    command("submit", topics, more, "--no-watch")
    assert [item["input"]["topic"] for item in api.jobs["job_1"].body["items"]] == [
        "Green tea",
        "Black tea",
        "White tea",
        "Oolong",
    ]


def test_drives_the_job_when_the_client_is_to_drive(command: Command, api: FakeApi, topics: Path) -> None:
    ran = command("submit", topics, "--drive", "client")
    assert ran.code == 0
    assert len(api.calls("POST .*/process-next")) == 4
    assert api.jobs["job_1"].status == "completed"


def test_names_duplicates_by_their_lines(command: Command, topics: Path) -> None:
    topics.write_text("Green tea\nBlack tea\n\ngreen TEA\n")
    ran = command("submit", topics, "--no-watch")
    assert "1 item left out, because another says the same:" in ran.err
    assert f"{topics}, line 4 repeats {topics}, line 1" in ran.err


def test_estimates_and_creates_nothing_in_a_dry_run(command: Command, api: FakeApi, topics: Path) -> None:
    ran = command("submit", topics, "--dry-run")
    assert ran.code == 0
    assert "items\t3\n" in ran.out
    assert "cost\t$0.0300\n" in ran.out
    assert "Left this month: 98,750 items, $1,996.38." in ran.err
    assert "A dry run: nothing was created." in ran.err
    assert api.jobs == {}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_says_in_a_dry_run_what_would_refuse_the_job(
    command: Command, api: FakeApi, topics: Path, form: tuple[str, ...]
) -> None:
    api.refusal = {"code": "quota_exceeded", "detail": "2 are left.", "retry_after_seconds": 60}

    ran = command("submit", topics, "--dry-run", *form)

    assert ran.code == ExitCode.REFUSED
    assert "quota_exceeded" in (ran.out if form else ran.err)


def test_estimates_as_json(command: Command, topics: Path) -> None:
    ran = command("submit", topics, "--dry-run", "--json")
    assert json.loads(ran.out)["estimate"]["output_tokens"] == 2700


def test_sends_the_examples_that_come_with_the_project(command: Command, api: FakeApi) -> None:
    api.most_items = 50
    assert command("submit", ROOT / "examples" / "topics.txt", "--no-watch").code == 0
    assert len(api.jobs["job_1"].items) == 10


@pytest.mark.acceptance(44)
def test_shows_how_much_of_a_large_request_is_sent(api: FakeApi, terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("".join(f"{number} {'x' * 480}\n" for number in range(900)))
    code, shown = terminal("submit", "t.txt", "--no-watch")
    assert code == 0
    assert re.search(r"Sending ━+ [0-9/.]+ kB", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown))
    assert len(api.jobs["job_1"].items) == 900


# -- the same again ----------------------------------------------------------------------------------------


@pytest.mark.acceptance(44)
def test_makes_no_second_job_when_the_same_is_submitted_again(command: Command, api: FakeApi, topics: Path) -> None:
    command("submit", topics)
    ran = command("submit", topics)

    assert ran.code == 0
    assert ran.out == "job_1\n"
    assert "the same was submitted within the last 24 hours: it is job_1, and no second job was made" in ran.err
    assert list(api.jobs) == ["job_1"]


@pytest.mark.parametrize(
    "change",
    [("--again",), ("--tone", "friendly"), ("--name", "other"), ("--concurrency", "2"), ("--idempotency-key", "k")],
)
def test_makes_a_second_job_when_something_differs(
    command: Command, api: FakeApi, topics: Path, change: tuple[str, ...]
) -> None:
    command("submit", topics, "--no-watch")
    ran = command("submit", topics, "--no-watch", *change)
    assert ran.out == "job_2\n"
    assert len(api.jobs) == 2


def test_makes_a_second_job_in_another_project(command: Command, api: FakeApi, topics: Path) -> None:
    one, two = api.add_project("One"), api.add_project("Two")
    command("submit", topics, "--no-watch", "--project", one)
    command("submit", topics, "--no-watch", "--project", "Two")
    assert [job.project_id for job in api.jobs.values()] == [one, two]


def test_makes_no_second_job_when_another_project_came_in_between(command: Command, api: FakeApi, topics: Path) -> None:
    command("submit", topics, "--no-watch")
    api.add_project("Newer", created_at="2026-11-23T12:00:00.000Z")
    ran = command("submit", topics, "--no-watch")
    assert len(api.jobs) == 1
    assert "the oldest of your 2" in ran.err


def test_makes_one_job_when_answers_get_lost(command: Command, api: FakeApi, topics: Path) -> None:
    api.refuse("POST .*/jobs", Answer(0), times=2)
    api.refuse("POST .*/jobs", Answer(503, {}))
    assert command("submit", topics, "--no-watch").code == 0
    assert len(api.jobs) == 1


# -- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.acceptance(44)
def test_names_all_that_is_wrong_in_all_files_and_sends_nothing(command: Command, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("custom_id,topic,tone,word_count\nx,Tea,loud,900\nx,,friendly,many\n")
    (tmp_path / "b.jsonl").write_text('{"topic": "Tea"}\n{"topic":\n{"custom_id": "x", "topic": "a", "colour": 1}\n')
    (tmp_path / "c.txt").write_bytes(b"")

    ran = command("submit", "a.csv", "b.jsonl", "c.txt")

    assert ran.code == 2
    assert ran.out == ""
    assert "8 things are wrong; nothing was sent:" in ran.err
    for fault in (
        'a.csv, line 2: tone should be one of professional, friendly, formal, not "loud"',
        "a.csv, line 3: topic is missing",
        'a.csv, line 3: word_count should be a whole number, not "many"',
        "a.csv, line 3: custom_id 'x' is taken by a.csv, line 2",
        "b.jsonl, line 2: is no JSON: Expecting value at character 10",
        "b.jsonl, line 3: colour is no field of this kind",
        "b.jsonl, line 3: custom_id 'x' is taken by a.csv, line 2",
        "c.txt: it is empty",
    ):
        assert fault in ran.err
    assert creations(api) == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"", "t.txt: it is empty"),
        ("t.txt", b"\x89PNG\0\0", "t.txt: it is a binary file"),
        ("t.csv", b"topic,colour\na,b\n", "t.csv, line 1: unknown column 'colour'; this kind takes custom_id, topic"),
        ("t.csv", b"topic\n", "t.csv: it holds no items"),
        ("t.csv", "topic\ncafé".encode("latin-1"), "t.csv: line 2: byte 0xe9 is no UTF-8"),
        ("t.jsonl", b"{]", "t.jsonl, line 1: is no JSON"),
        ("t.jsonl", b'{"topic": "\\ud800"}', "t.jsonl, line 1: holds half of a surrogate pair"),
        ("t.jsonl", b'{"topic": "a", "x": {"y": "' + b"z" * 17_000 + b'"}}', "an item takes at most 16,384"),
        ("t.pdf", b"%PDF", "t.pdf: say how to read it: --format txt, csv or jsonl"),
    ],
    ids=range(9),
)
def test_names_what_is_wrong_with_a_file_and_sends_nothing(
    *, command: Command, api: FakeApi, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    ran = command("submit", name)
    assert ran.code == 2
    assert message in ran.err
    assert creations(api) == 0


def test_refuses_10_001_items_and_says_how_to_split_them(command: Command, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("".join(f"topic {number}\n" for number in range(10_001)))
    ran = command("submit", "t.txt")
    assert ran.code == 2
    assert "t.txt: 10,001 items, but a job takes at most 1,000: split them into 11 jobs" in ran.err
    assert creations(api) == 0


def test_refuses_a_request_that_is_larger_than_the_limit(command: Command, api: FakeApi, tmp_path: Path) -> None:
    api.most_items = 10_000
    (tmp_path / "t.txt").write_text("".join(f"{number} {'x' * 480}\n" for number in range(9_000)))
    ran = command("submit", "t.txt")
    assert ran.code == 2
    assert "the request would be 4," in ran.err
    assert "at most 4,194,304 are taken; nothing was sent" in ran.err
    assert creations(api) == 0


def test_counts_the_defaults_as_part_of_an_items_size(command: Command, tmp_path: Path, api: FakeApi) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"topic": "a", "keyword": "b"}) + "\n")
    ran = command("submit", "t.jsonl", "--set", f"tone={'x' * 17_000}")
    assert ran.code == 2
    assert creations(api) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.txt",), "gone.txt: No such file or directory"),
        ((".", "--format", "txt"), ".: Is a directory"),
        (("gone.txt", "also.csv"), "also.csv: No such file or directory"),
        (("-",), "standard input: say how to read it"),
        (("-", "-", "--format", "txt"), "standard input can be read once only"),
        (("-", "--format", "txt", "--again", "--idempotency-key", "k"), "contradict each other"),
        (("-", "--format", "txt", "--kind", "poem"), "there is no kind 'poem'; there are outline, pair"),
        (("-", "--format", "txt", "--set", "tone"), "--set tone: should be FIELD=VALUE"),
        (("-", "--format", "txt", "--set", "colour=red"), "--set colour is no field of this kind"),
        (("-", "--format", "txt", "--tone", "loud"), "--set tone should be one of professional"),
        (("-", "--format", "txt", "--concurrency", "0"), "Invalid value for '--concurrency'"),
        (("-", "--format", "txt", "--drive", "magic"), "Invalid value for '--drive'"),
        (("-", "--format", "xml"), "Invalid value for '--format'"),
        (("-", "--nonsense"), "No such option"),
        ((), "Missing argument"),
    ],
)
def test_refuses_bad_options_and_sends_nothing(
    command: Command, api: FakeApi, arguments: tuple[str, ...], message: str
) -> None:
    ran = command("submit", *arguments, stdin=b"Green tea\n")
    assert ran.code == 2
    assert message in ran.err
    assert creations(api) == 0


def test_shows_20_things_and_all_of_them_when_asked(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("topic,tone\n" + "a,loud\n" * 30)
    short, long = command("submit", "t.csv"), command("submit", "t.csv", "--verbose")
    assert "… and 10 more; --verbose shows all" in short.err
    assert short.err.count("loud") == 20
    assert long.err.count("loud") == 30


def test_tells_the_servers_refusal_by_the_lines_of_the_files(command: Command, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("topic,tone\na,friendly\n\nb,formal\n")
    ran = command("submit", "t.csv")
    assert ran.code == 2
    assert "Pressroom refused it: Some items are invalid." in ran.err
    assert "t.csv, line 4: tone: the house style forbids it" in ran.err
    assert api.jobs == {}


def test_tells_a_refused_option_by_its_name(command: Command, api: FakeApi, topics: Path) -> None:
    problem = {"detail": "One field is invalid.", "errors": [{"pointer": "/options/budget_usd", "detail": "too small"}]}
    api.refuse("POST .*/jobs", Answer(422, problem))
    assert "options.budget_usd: too small" in command("submit", topics).err


def test_obeys_no_escape_sequence_of_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("topic,tone\na,\x1b[31m[bold]loud\n")
    ran = command("submit", "t.csv")
    assert "\x1b" not in ran.err
    assert "[bold]loud" in ran.err


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (Answer(413, {"detail": "A request may have 10 bytes."}), 2, "A request may have 10 bytes."),
        (Answer(403, {"detail": "Viewers create no jobs."}), 3, "not allowed: Viewers create no jobs."),
        (
            Answer(429, {"detail": "60 an hour.", "retryable": True}, {"Retry-After": "1800"}),
            4,
            "Try again in 30 minutes.",
        ),
        (
            Answer(429, {"detail": "60 an hour.", "retryable": True}, {"Retry-After": "7200"}),
            4,
            "Try again in 2 hours.",
        ),
        (Answer(429, {"detail": "50 are left.", "retryable": False}), 4, "a limit is reached: 50 are left."),
        (Answer(500, {"detail": "Oh."}), 5, "Its request id is req-1."),
        (Answer(200, raw=b"<html>"), 5, "is this the address of a Pressroom API?"),
        (Answer(200, []), 5, "the answer is not Pressroom's"),
        (Answer(302, {}, {"Location": "https://sso.example/"}), 5, "points to https://sso.example/"),
    ],
)
def test_says_in_a_line_what_was_refused(
    *, command: Command, api: FakeApi, topics: Path, answer: Answer, code: int, message: str
) -> None:
    api.refuse("POST .*/jobs", answer)
    ran = command("submit", topics)
    assert ran.code == code
    assert message in ran.err
    assert ran.out == ""


# -- interruption ------------------------------------------------------------------------------------------


def test_says_that_the_same_command_makes_nothing_twice_when_interrupted_while_sending(
    api: FakeApi, start: Start, topics: Path
) -> None:
    process: list[subprocess.Popen[bytes]] = []

    def interrupt(asked: object) -> None:
        if api.calls("POST .*/jobs") and asked is api.calls("POST .*/jobs")[0]:
            process[0].send_signal(signal.SIGINT)

    api.on_ask = interrupt
    api.refuse("POST .*/jobs", Answer(503, {}, {"Retry-After": "20"}))
    process.append(start("submit", topics))
    _, shown = process[0].communicate(timeout=20)

    assert process[0].returncode == 130
    assert b"Run the same command again: what arrived is not made twice." in shown
    assert b"Traceback" not in shown
