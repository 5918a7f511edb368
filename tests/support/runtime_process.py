"""The local runtime as a process of its own, as ``pressroom local`` runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RuntimeProcess", "runtime_process", "start_runtime"]

_SERVE = "from pressroom.local.runtime import serve; serve(port=0)"


@dataclass(frozen=True, slots=True)
class RuntimeProcess:
    """A running runtime: its process, the line that it printed, and its API."""

    process: subprocess.Popen[str]
    line: str

    @property
    def base_url(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", self.line)
        assert found is not None, self.line
        return found[0]


def start_runtime(area: Path, *, aws_endpoint_url: str | None = None) -> subprocess.Popen[str]:
    """Starts one whose temporary directory is ``area``; does not wait."""
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    if aws_endpoint_url is not None:
        environ["AWS_ENDPOINT_URL"] = aws_endpoint_url
    return subprocess.Popen(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", _SERVE],
        cwd=Path(__file__).parents[2],
        env=environ | {"TMPDIR": str(area)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def runtime_process(area: Path, *, aws_endpoint_url: str | None = None) -> Iterator[RuntimeProcess]:
    """Starts one and waits until it is ready; kills it at the end."""
    process = start_runtime(area, aws_endpoint_url=aws_endpoint_url)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield RuntimeProcess(process, line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
