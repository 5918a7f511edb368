"""``pressroom doctor`` as it is typed; what it finds in a real deployment is in ``tests/e2e/test_deployed.py``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pressroom.admin.doctor import Doctor, Finding, Trouble
from pressroom.cli.app import run as pressroom
from pressroom.cli.exits import ExitCode
from shared.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

SOUND = Finding("stack")
WRONG = Finding("schedule", (Trouble("the rule that runs the sweeper is disabled", "aws events enable-rule --name r"),))


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the doctor will find."""
    found = [SOUND]

    def look(_: Doctor) -> Iterator[Finding]:
        yield from found

    monkeypatch.setattr(Doctor, "look", look)
    return found


def run(*arguments: str) -> int:
    return pressroom(["doctor", "--stage", "dev", "--region", "eu-west-1", *arguments])


def test_doctor_ends_well_when_nothing_is_wrong(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert findings == [SOUND]
    assert run() == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.out == "stack: ok\n"
    assert "as it should be" in captured.err


def test_doctor_names_the_command_that_helps_when_something_is_wrong(
    findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    findings.append(WRONG)
    assert run() == ExitCode.INCOMPLETE
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "stack: ok",
        "schedule: WRONG",
        "  the rule that runs the sweeper is disabled",
        "  helps: aws events enable-rule --name r",
    ]
    assert "1 of 2 checks" in captured.err


def test_doctor_answers_in_json_when_asked(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    findings.append(WRONG)
    assert run("--json") == ExitCode.INCOMPLETE
    stack, schedule = json.loads(capsys.readouterr().out)
    assert stack == {"check": "stack", "ok": True, "troubles": []}
    assert (schedule["check"], schedule["ok"]) == ("schedule", False)
    assert schedule["troubles"][0]["helps"] == "aws events enable-rule --name r"


def test_key_is_not_looked_for_when_claude_is_on_bedrock() -> None:
    class Lambda:
        """One function; no other service could be asked."""

        def get_function_configuration(self, **_: str) -> dict[str, Any]:
            return {"Environment": {"Variables": self.variables}, "ResponseMetadata": {}}

        variables: ClassVar = {"PRESSROOM_CLAUDE_KEY_SECRET": "", "PRESSROOM_BEDROCK_MODELS_JSON": '{"a": "b"}'}

    doctor = Doctor("dev", {"lambda": Lambda()}, SystemClock())
    assert list(doctor._key()) == []
    Lambda.variables["PRESSROOM_BEDROCK_MODELS_JSON"] = ""
    assert [trouble.what for trouble in doctor._key()] == [
        "the processor's environment names no secret with Claude's key"
    ]


def test_doctor_says_so_when_aws_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--endpoint-url", "http://127.0.0.1:9") == ExitCode.UNREACHABLE
    assert "127.0.0.1:9" in capsys.readouterr().err
