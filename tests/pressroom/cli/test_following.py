from __future__ import annotations

import re
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_api import Answer, FakeApi

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command, Start, Terminal


@pytest.fixture
def project(api: FakeApi) -> str:
    return api.add_project("Blog")


def wait_for(api: FakeApi, route: str, times: int = 1) -> None:
    seen = threading.Event()

    def look(_: object) -> None:
        if len(api.calls(route)) >= times:
            seen.set()

    api.on_ask = look
    assert len(api.calls(route)) >= times or seen.wait(20)


def test_reaches_the_end_with_failures_and_says_which(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b [[fail]]", "c"])

    ran = command("watch", "job_1")

    assert ran.code == 1
    assert ran.out == ""
    assert "job_1 partially_failed: 2 completed, 1 failed of 3 items" in ran.err
    assert "refused: 1 item, the first is item 2" in ran.err
    assert "Why: pressroom items job_1 --status failed" in ran.err
    assert "Try them again: pressroom retry job_1" in ran.err


def test_ends_at_once_when_the_job_has_ended(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"]).settle(1)
    assert command("watch", "job_1").code == 0
    assert len(api.calls("GET .*/jobs/job_1")) == 1


@pytest.mark.parametrize("verb", ["watch", "drive"])
def test_ends_and_says_why_when_the_job_is_paused(command: Command, api: FakeApi, project: str, verb: str) -> None:
    api.add_job(project, ["a", "b"]).pause("billing")
    ran = command(verb, "job_1")
    assert ran.code == 1
    assert "job_1 is paused (billing): 0 completed, 2 not finished." in ran.err
    assert "Mend the account, then: pressroom resume job_1" in ran.err
    assert "Once it is resumed: pressroom watch job_1" in ran.err


def test_says_that_a_client_driven_job_must_be_driven(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"], drive="client")
    assert "advances only when it is driven: pressroom drive job_1" in command("watch", "job_1").err


@pytest.mark.acceptance(45)
@pytest.mark.parametrize("workers", [(), ("--workers", "3")])
def test_drives_to_the_same_end_as_the_queue(
    command: Command, api: FakeApi, project: str, workers: tuple[str, ...]
) -> None:
    topics = ["a", "b [[fail]]", "c", "d"]
    api.add_job(project, topics, concurrency=2)
    api.add_job(project, topics, concurrency=2, drive="client")

    watched, driven = command("watch", "job_1"), command("drive", "job_2", *workers)

    assert watched.code == driven.code == 1
    assert "3 completed, 1 failed of 4 items" in watched.err
    assert "3 completed, 1 failed of 4 items" in driven.err
    assert api.jobs["job_1"].counts() == api.jobs["job_2"].counts()


@pytest.mark.parametrize("verb", ["watch", "drive", "show", "items", "results"])
def test_says_that_there_is_no_such_job(command: Command, api: FakeApi, project: str, verb: str) -> None:
    ran = command(verb, "job_none")
    assert ran.code == 4
    assert "not found: It does not exist, or you are no member." in ran.err
    assert "PRESSROOM_PROJECT chooses another" in ran.err
    assert project in api.projects


def test_goes_on_watching_when_the_connection_breaks(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a", "b"])
    api.refuse("GET .*/jobs/job_1", Answer(0), times=3)
    assert command("watch", "job_1").code == 0


@pytest.mark.acceptance(45)
@pytest.mark.parametrize(
    ("verb", "route", "options", "message"),
    [
        ("watch", "GET .*/jobs/job_1", {}, b"job_1 goes on. Come back with: pressroom watch job_1"),
        ("drive", "POST .*/process-next", {}, b"job_1 goes on. Come back with: pressroom watch job_1"),
        (
            "drive",
            "POST .*/process-next",
            {"drive": "client", "concurrency": 3},
            b"Stopped driving job_1: it rests where it is. Go on with: pressroom drive job_1",
        ),
    ],
)
def test_leaves_the_job_running_and_says_how_to_come_back_when_interrupted(
    *, api: FakeApi, start: Start, project: str, verb: str, route: str, options: dict[str, object], message: bytes
) -> None:
    api.step, api.busy = 0, 10_000
    job = api.add_job(project, ["a", "b"], **options)
    process = start(verb, "job_1")
    wait_for(api, route, times=2)

    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=20)

    assert process.returncode == 130
    assert message in shown
    assert (b"Stop the job itself with: pressroom cancel job_1" in shown) is (b"goes on" in message)
    assert b"Traceback" not in shown
    assert job.status == "queued"
    assert not [asked for asked in api.asked if asked.path.endswith(("cancel", "pause"))]


def test_says_how_to_come_back_to_where_the_options_led(api: FakeApi, start: Start, project: str) -> None:
    api.step = 0
    api.add_job(project, ["a"])
    process = start("watch", "job_1", "--project", project, "--api-url", api.url, environ={"PRESSROOM_API_URL": ""})
    wait_for(api, "GET .*/jobs/job_1", times=2)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=20)
    assert f"pressroom watch job_1 --project {project} --api-url {api.url}" in shown.decode()


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_shows_a_live_bar_that_fits_the_terminal(api: FakeApi, terminal: Terminal, project: str, columns: int) -> None:
    api.add_job(project, ["a", "b [[fail]]", "c"])

    code, shown = terminal("watch", "job_1", columns=columns)

    assert code == 1
    assert "3/3" in shown
    assert "1 failed" in shown
    assert ("$0.0030" in shown.split("partially_failed:")[0]) is (columns == 100)
    bars = [
        line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines() if "3/3" in line and ":" not in line
    ]
    assert all(len(line.rstrip("\r")) <= columns for line in bars)


def test_shows_no_colour_when_none_is_wanted(api: FakeApi, terminal: Terminal, project: str) -> None:
    api.add_job(project, ["a"])
    _, shown = terminal("watch", "job_1", columns=80, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)


def test_writes_lines_to_a_terminal_that_cannot_move_its_cursor(api: FakeApi, terminal: Terminal, project: str) -> None:
    api.add_job(project, ["a"])
    code, shown = terminal("watch", "job_1", columns=80, TERM="dumb")
    assert code == 0
    assert "\x1b" not in shown
