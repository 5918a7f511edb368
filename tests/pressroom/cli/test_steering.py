from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command
    from tests.support.fake_api import FakeApi


@pytest.fixture
def project(api: FakeApi) -> str:
    return api.add_project("Blog")


def test_pauses_and_says_how_to_go_on(command: Command, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a", "b"])

    ran = command("pause", "job_1")

    assert (ran.code, ran.out, job.status) == (0, "", "paused")
    assert "job_1 paused: 0 completed, 2 not finished." in ran.err
    assert "Nothing new starts until it is resumed: pressroom resume job_1" in ran.err


def test_resumes_with_a_larger_budget_and_says_how_to_follow(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"], budget_usd=1).pause("budget_exhausted")
    watched = command("watch", "job_1")

    ran = command("resume", "job_1", "--budget-usd", "2.5")

    assert "Raise its budget: pressroom resume job_1 --budget-usd MORE" in watched.err
    assert ran.code == 0
    assert "Follow it: pressroom watch job_1" in ran.err
    assert api.calls("POST .*/resume")[0].body == {"budget_usd": 2.5}


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("user", "Nothing new starts until it is resumed: pressroom resume job_1"),
        ("on_error", "Nothing new starts until it is resumed: pressroom resume job_1"),
        ("authentication", "Mend the account, then: pressroom resume job_1"),
        ("permission", "Mend the account, then: pressroom resume job_1"),
    ],
)
def test_names_the_command_that_lets_a_paused_job_go_on(
    command: Command, api: FakeApi, project: str, reason: str, told: str
) -> None:
    api.add_job(project, ["a"]).pause(reason)

    assert told in command("watch", "job_1").err


def test_resumes_a_client_driven_job_to_be_driven(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"], drive="client").pause("user")

    assert "Follow it: pressroom drive job_1" in command("resume", "job_1").err


def test_cancels_a_job_in_one_command(command: Command, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a", "b", "c"])
    job.settle(1)

    ran, again = command("cancel", "job_1"), command("cancel", "job_1")

    assert (ran.code, again.code) == (0, 0)
    assert "job_1 cancelled: 1 completed, 2 cancelled." in ran.err
    assert job.status == "cancelled"


def test_cancels_several_at_once_and_tells_of_each(command: Command, api: FakeApi, project: str) -> None:
    for _ in range(2):
        api.add_job(project, ["a"])
    api.jobs["job_2"].settle(1)

    ran = command("cancel", "job_1", "job_2")
    some = command("cancel", "job_1", "job_none", "--json")

    assert ran.code == 0
    assert ran.out.splitlines() == ["job\tresult", "job_1\tcancelled", "job_2\talready_final"]
    assert "1 cancelled, 1 had ended before, 0 not found." in ran.err
    assert len(api.calls("POST .*/jobs/cancel")) == 2
    assert some.code == 4
    assert json.loads(some.out)["summary"] == {"cancelled": 0, "already_final": 1, "not_found": 1}


def test_retries_what_failed_and_says_how_to_follow(command: Command, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a [[fail]]", "b", "c [[fail]]"])
    job.settle(3)

    ran = command("retry", "job_1", "--position", "3", "--code", "refused")

    assert ran.code == 0
    assert "job_1 tries 1 item again, 1 stay failed." in ran.err
    assert "Follow it: pressroom watch job_1" in ran.err
    assert api.calls("POST .*/retry")[0].body == {"error_codes": ["refused"], "positions": [3]}
    assert job.generation == 2


def test_retries_all_and_watches_to_the_end_when_asked(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a [[fail]]", "b"]).settle(2)
    api.jobs["job_1"].settled = False

    ran = command("retry", "job_1", "--watch")

    assert ran.code == 0
    assert "job_1 completed: 2 completed of 2 items; " in ran.err
    assert [asked.body for asked in api.calls("POST .*/retry")] == [{}, {}]


def test_drives_a_retry_that_no_queue_drives(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a [[fail]]"], drive="client").settle(1)

    ran = command("retry", "job_1", "--watch")

    assert ran.code == 0
    assert api.calls("POST .*/process-next")


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry"])
def test_prints_what_the_api_answered_when_asked(command: Command, api: FakeApi, project: str, verb: str) -> None:
    job = api.add_job(project, ["a [[fail]]"])
    if verb == "resume":
        job.pause("user")
    if verb == "retry":
        job.settle(1)

    assert json.loads(command(verb, "job_1", "--json").out)["id"] == "job_1"


@pytest.mark.acceptance(25)
@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry"])
def test_ends_with_its_code_when_the_state_does_not_allow_it(
    command: Command, api: FakeApi, project: str, verb: str
) -> None:
    api.add_job(project, ["a"]).settle(1)

    ran, missing = command(verb, "job_1"), command(verb, "job_none")

    assert (ran.code, missing.code) == (4, 4)
    assert "refused: The job is completed." in ran.err
    assert "not found" in missing.err


@pytest.mark.parametrize(
    "arguments", [("retry", "job_1", "--code", "nonsense"), ("retry", "job_1", "--position", "0"), ("cancel",)]
)
def test_sends_nothing_that_cannot_be_meant(command: Command, api: FakeApi, arguments: tuple[str, ...]) -> None:
    assert command(*arguments).code == 2
    assert api.asked == []


def test_tells_which_field_was_refused(command: Command, api: FakeApi, project: str) -> None:
    api.add_job(project, ["a"]).pause("user")

    ran = command("resume", "job_1", "--budget-usd", "3")

    assert ran.code == 2
    assert "/budget_usd: the job was created without a budget" in ran.err


def test_drives_a_job_that_is_paused_meanwhile_until_it_rests(command: Command, api: FakeApi, project: str) -> None:
    job = api.add_job(project, ["a", "b"], drive="client")
    api.on_ask = lambda asked: job.pause("user") if asked.path.endswith("process-next") else None

    ran = command("drive", "job_1")

    assert ran.code == 1
    assert "pressroom resume job_1" in ran.err
