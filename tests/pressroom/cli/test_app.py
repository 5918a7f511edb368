from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

import pressroom.cli.showing
from pressroom.cli.exits import ExitCode

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command
    from tests.support.fake_api import FakeApi

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("submit", "watch", "drive", "pause", "resume", "cancel", "retry", "jobs", "show", "items", "results"),
    *("projects", "project", "kinds", "limits", "admin", "local", "token", "demo"),
)


def test_helps_with_every_command(command: Command) -> None:
    ran = command("--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert f" {name} " in ran.out
        helped = command(name, "--help")
        assert helped.code == 0
        assert "Usage: pressroom" in helped.out


def test_tells_every_exit_code_in_its_help(command: Command) -> None:
    shown = " ".join(command("--help").out.split())
    for code in ExitCode:
        assert f"{code.value} " in shown


def test_says_that_there_is_no_such_command(command: Command) -> None:
    ran = command("print")
    assert ran.code == 2
    assert "No such command 'print'" in ran.err


def test_tells_a_fault_of_its_own_in_a_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("the unforeseen")

    monkeypatch.setattr(pressroom.cli.showing, "show_limits", broken)
    ran = command("limits")
    assert ran.code == 70
    assert "this is a fault of Pressroom: RuntimeError: the unforeseen" in ran.err
    assert "test_app.py" in command("limits", "--verbose").err


def test_says_that_the_port_is_taken(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = command("local", "--port", str(taken.getsockname()[1]))
    assert ran.code == 2
    assert "is taken" in ran.err
    assert "--port" in ran.err


def test_says_that_the_runtime_is_not_installed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pressroom.local.runtime", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    for name in [name for name in sys.modules if name.startswith("pressroom.local")]:
        monkeypatch.delitem(sys.modules, name)
    ran = command("local")
    assert ran.code == 2
    assert "the local runtime is not installed here" in ran.err


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--help"], ("boto3", "botocore", "anthropic", "pressroom.local", "pressroom.client", "httpx2")),
        (["submit", "gone.txt"], ("boto3", "botocore", "anthropic", "pressroom.local", "shared.generation")),
    ],
)
def test_loads_only_what_a_command_needs(arguments: list[str], absent: tuple[str, ...], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pressroom.cli.app import run\n"
        f"run({arguments!r})\n"
        f"print('LOADED', [name for name in {absent!r} if name in sys.modules])"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert ran.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.acceptance(44)
def test_keeps_descriptors_constant_over_many_commands(command: Command, api: FakeApi, tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    (tmp_path / "t.txt").write_text("Green tea\n")
    command("submit", "t.txt")
    before = descriptors()
    for number in range(20):
        (tmp_path / "t.txt").write_text(f"Tea {number}\n")
        command("submit", "t.txt")
        command("submit", "gone.txt")
        command("results", "job_1", "--output", f"out-{number}")
        command("results", "job_1", "--output", "/nowhere/out")
    assert len(api.jobs) == 21
    assert descriptors() <= before + 1  # the fake server's own connections end a moment later
