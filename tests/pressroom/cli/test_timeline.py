from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command, Start, Terminal
    from tests.support.fake_api import Asked, FakeApi, FakeJob

HEAD = ["time", "event", "item", "from", "to", "attempt", "actor", "detail"]


@pytest.fixture
def job(api: FakeApi) -> FakeJob:
    """A job that has ended, and its timeline."""
    job = api.add_job(api.add_project("Blog"), ["a"])
    job.tell("job.created", to="queued", actor="user:alice", detail="1 item")
    started = {"from": "processing", "to": "failed"}
    job.tell("item.settled", position=1, attempt=2, detail="refused", **started)
    job.tell("job.edited", actor=None, detail="status")
    job.settle(1)
    job.tell("job.notified", actor="finalizer")
    return job


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


EVENTS = [
    ["2026-11-22 12:00:01.500", "job.created", "", "", "queued", "", "user:alice", "1 item"],
    ["2026-11-22 12:00:02.500", "item.settled", "1", "processing", "failed", "2", "processor", "refused"],
    ["2026-11-22 12:00:03.500", "job.edited", "", "", "", "", "?", "status"],
    ["2026-11-22 12:00:04.500", "job.notified", "", "", "", "", "finalizer", ""],
]


@pytest.mark.acceptance(38)
@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_timeline_is_lines_that_programs_can_cut_when_it_is_piped(
    command: Command, job: FakeJob, options: tuple[str, ...]
) -> None:
    ran = command("events", job.id, *options)

    assert ran.code == 0
    assert table(ran.out) == [HEAD, *EVENTS]


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_timeline_is_one_object_a_line_when_json_is_asked_for(
    command: Command, job: FakeJob, options: tuple[str, ...]
) -> None:
    ran = command("events", job.id, "--json", *options)

    assert [json.loads(line) for line in ran.out.splitlines()] == job.events


def test_timeline_grows_line_by_line_when_it_is_followed(command: Command, api: FakeApi) -> None:
    job = api.add_job(api.add_project("Blog"), ["a"])
    coming = ["job.created", "item.started", "item.settled", "job.notified"]

    def happen(asked: Asked) -> None:
        if asked.path.endswith("/events") and coming:
            job.tell(coming.pop(0))
            if not coming:
                job.settle(1)

    api.on_ask = happen

    assert [row[1] for row in table(command("events", job.id, "--follow").out)[1:]] == [
        "job.created",
        "item.started",
        "item.settled",
        "job.notified",
    ]


def test_empty_timeline_says_why_when_the_journal_has_not_come_yet(command: Command, api: FakeApi) -> None:
    job = api.add_job(api.add_project("Blog"), ["a"])
    ran = command("events", job.id)

    assert table(ran.out) == [HEAD]
    assert "follows the job" in ran.err


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_timeline_has_columns_when_a_person_looks(terminal: Terminal, job: FakeJob, options: tuple[str, ...]) -> None:
    code, shown = terminal("events", job.id, *options, columns=120)

    assert code == 0
    line = next(line for line in shown.splitlines() if "item.settled" in line)
    assert line.split() == " ".join(EVENTS[1]).split()
    assert "\t" not in line


def test_following_ends_and_says_how_to_come_back_when_interrupted(api: FakeApi, start: Start) -> None:
    job = api.add_job(api.add_project("Blog"), ["a"])
    job.tell("job.created")
    process = start("events", job.id, "--follow")
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"time\t")
    assert b"job.created" in process.stdout.readline()
    process.send_signal(signal.SIGINT)

    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert f"pressroom events {job.id} --follow".encode() in err
    assert b"goes on" in err


def test_command_is_refused_when_there_is_no_such_job(command: Command, job: FakeJob) -> None:
    for options in ((), ("--follow",)):
        ran = command("events", f"{job.id}0", *options)
        assert ran.code == 4
