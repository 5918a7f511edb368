from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pressroom.cli.options import Where
from pressroom.cli.session import connect
from tests.support.fake_api import Answer, FakeApi

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pressroom.cli.conftest import Command


def test_asks_for_a_local_token_in_the_users_name_when_there_is_none(command: Command, api: FakeApi) -> None:
    assert command("projects").code == 0
    assert api.calls("POST /local/token")[0].body == {"user": "alice"}


def test_uses_the_token_of_the_environment(command: Command, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.valid_tokens.add("mine")
    monkeypatch.setenv("PRESSROOM_TOKEN", " mine\n")
    assert command("projects").code == 0
    assert api.calls("POST /local/token") == []


def test_says_that_the_token_was_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSROOM_TOKEN", "wrong-secret")
    ran = command("projects")
    assert ran.code == 3
    assert "the token was refused: No valid token." in ran.err
    assert "pressroom login. Or set PRESSROOM_TOKEN" in ran.err
    assert "wrong-secret" not in ran.err


@pytest.mark.parametrize("token", ["two\nlines", "naïve", "nul\x07"])
def test_refuses_what_can_be_no_token(command: Command, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("PRESSROOM_TOKEN", token)
    ran = command("projects")
    assert ran.code == 3
    assert "PRESSROOM_TOKEN holds characters that no token has" in ran.err


def test_asks_nobody_elsewhere_for_a_token(command: Command, api: FakeApi) -> None:
    ran = command("projects", "--api-url", "https://pressroom.example")
    assert ran.code == 3
    assert "no token for https://pressroom.example" in ran.err
    assert api.asked == []


def test_says_that_nobody_hands_out_local_tokens(command: Command, api: FakeApi) -> None:
    api.local_tokens = False
    api.refuse("POST /local/token", Answer(404, {"detail": "No."}))
    ran = command("projects")
    assert ran.code == 3
    assert "hands out no local tokens" in ran.err


def test_warns_of_an_address_that_is_not_encrypted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRESSROOM_TOKEN", "mine")
    with connect(Where("http://pressroom.example")):
        pass
    assert "http://pressroom.example is not encrypted: the token travels in clear" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["", "pressroom", "ftp://x", "http://", "http://[", "http://x:99999", "http://a\nb"])
def test_refuses_what_is_no_address(command: Command, url: str) -> None:
    ran = command("projects", "--api-url", url)
    assert ran.code == 2
    assert "is no address" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("projects",),
        ("jobs",),
        ("watch", "job_1"),
        ("drive", "job_1"),
        ("results", "job_1"),
        ("token", "bob"),
        ("limits",),
    ],
)
def test_says_that_nobody_answers_and_what_to_do(command: Command, arguments: tuple[str, ...]) -> None:
    ran = command(*arguments, "--api-url", "http://127.0.0.1:9")
    assert ran.code == 5
    assert "no answer from http://127.0.0.1:9: Connection refused" in ran.err
    assert "Start it in another terminal: pressroom local" in ran.err


def test_tells_long_waits_and_with_verbose_all_of_them(command: Command, api: FakeApi) -> None:
    api.refuse("GET /v1/projects", Answer(503, {"detail": "Throttled."}))
    api.refuse("GET /v1/projects", Answer(429, {"detail": "Slowly."}, {"Retry-After": "5"}))
    ran = command("projects", "--verbose")
    assert ran.code == 0
    assert "503 : Throttled." in ran.err
    assert "Still trying: 429 : Slowly.; try 3 in 5" in ran.err


def test_tells_causes_and_request_ids_only_when_asked(command: Command, api: FakeApi) -> None:
    api.refuse("GET /v1/limits", Answer(500, {"detail": "Oh.", "code": "internal"}), times=2)
    assert "request id req-1" not in command("limits").err
    assert "500 internal request id req-1" in command("limits", "-v").err


# -- projects ----------------------------------------------------------------------------------------------


def test_takes_a_project_by_name_or_id(command: Command, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.add_project("One")
    two = api.add_project("Two")
    api.add_job(two, ["a"])
    assert "job_1" in command("jobs", "--project", "Two").out
    assert "job_1" in command("jobs", "-p", two).out
    monkeypatch.setenv("PRESSROOM_PROJECT", two)
    ran = command("jobs")
    assert "job_1" in ran.out
    assert ran.err == ""


def test_says_which_project_it_took_when_there_are_several(command: Command, api: FakeApi) -> None:
    api.add_project("Newer", created_at="2026-11-23T12:00:00.000Z")
    older = api.add_project("Older", created_at="2026-11-21T12:00:00.000Z")
    ran = command("jobs")
    assert f"Project: Older ({older}), the oldest of your 2: --project or PRESSROOM_PROJECT chooses" in ran.err


def test_refuses_a_name_that_no_project_or_two_have(command: Command, api: FakeApi) -> None:
    api.add_project("Same")
    api.add_project("Same")
    assert command("jobs", "--project", "None").code == 4
    ran = command("jobs", "--project", "Same")
    assert ran.code == 2
    assert "2 projects are called 'Same': give the id: prj_1, prj_2" in ran.err


def test_makes_a_project_and_prints_its_id(command: Command, api: FakeApi) -> None:
    ran = command("project", "create", "Spring")
    assert ran.code == 0
    assert ran.out == "prj_1\n"
    assert api.projects["prj_1"]["name"] == "Spring"


def test_prints_a_token(command: Command, api: FakeApi) -> None:
    ran = command("token", "bob")
    assert ran.code == 0
    assert ran.out.strip() in api.valid_tokens
    assert ran.err == ""


def test_takes_a_name_where_the_machine_knows_none(
    command: Command, api: FakeApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(_uid: int) -> None:
        raise KeyError(_uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert command("projects").code == 0
    assert api.calls("POST /local/token")[0].body == {"user": "me"}
    assert tmp_path.is_dir()
