"""A command line that talks to a fake Pressroom."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from pressroom.cli.app import run
from shared.clock import SystemClock
from tests.support.fake_api import FakeApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> Ran: ...


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        yield running


@pytest.fixture
def command(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs ``pressroom`` in this process, in an empty folder, without waiting where it would wait."""
    monkeypatch.setenv("PRESSROOM_API_URL", api.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("USER", "alice")
    monkeypatch.setenv("LOGNAME", "alice")
    monkeypatch.setattr(SystemClock, "sleep", lambda _self, _seconds: None)
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return Ran(int(code), shown.out, shown.err)

    return ran


@pytest.fixture
def start(api: FakeApi, tmp_path: Path) -> Iterator[Start]:
    """Starts ``pressroom`` as a process of its own, for signals, pipes and terminals."""
    processes: list[subprocess.Popen[bytes]] = []

    def started(
        *arguments: str | Path,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "pressroom.cli", *(str(argument) for argument in arguments)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PRESSROOM_API_URL": api.url, **(environ or {})},
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def terminal(start: Start) -> Terminal:
    """Runs ``pressroom`` at a terminal of that width: the exit code, and everything that a person saw."""

    def shown(*arguments: str | Path, columns: int = 80, **environ: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        variables = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "24", **environ}
        process = start(*arguments, stdout=theirs, stderr=theirs, environ=variables)
        os.close(theirs)
        pieces = []
        with suppress(OSError):  # a terminal that its program has left answers with an error
            while piece := os.read(ours, 4096):
                pieces.append(piece)
        os.close(ours)
        return process.wait(20), b"".join(pieces).decode()

    return shown


class Terminal(Protocol):
    def __call__(self, *arguments: str | Path, columns: int = ..., **environ: str) -> tuple[int, str]: ...


class Start(Protocol):
    def __call__(
        self,
        *arguments: str | Path,
        stdin: int = ...,
        stdout: int = ...,
        stderr: int = ...,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]: ...
