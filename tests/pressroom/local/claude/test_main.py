"""The offline Claude as a process."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pressroom.local.claude import HEALTH_PATH, OfflineClaude

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 20


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running process and the address it printed; killed if the test left it alive."""
    command = [sys.executable, "-m", "pressroom.local.claude", *arguments]
    with subprocess.Popen(  # noqa: S603  our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stdout is not None
            yield started, started.stdout.readline().strip()
        finally:
            started.kill()


def healthy(line: str) -> bool:
    connection = http.client.HTTPConnection(line.removeprefix("listening on http://"), timeout=5)
    connection.request("GET", HEALTH_PATH)
    status = connection.getresponse().status
    connection.close()
    return status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    with process("--latency", "0") as (started, line):
        assert healthy(line)
        started.send_signal(number)
        assert started.wait(SECONDS) == 0
        assert started.stderr is not None
        assert started.stderr.read() == ""


def test_it_ends_with_its_parent() -> None:
    with process("--with-parent") as (started, line):
        assert healthy(line)
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(SECONDS) == 0


def test_it_outlives_its_input_unless_told() -> None:
    with process() as (started, line):
        assert started.stdin is not None
        started.stdin.close()
        assert healthy(line)
        assert started.poll() is None


def test_a_port_that_is_taken_is_said_in_a_line() -> None:
    with OfflineClaude() as other:
        port = other.base_url.rpartition(":")[2]
        with process("--port", port) as (started, line):
            assert line == ""
            assert started.wait(SECONDS) == 1
            assert started.stderr is not None
            assert started.stderr.read().startswith(f"cannot listen on port {port}: ")


def test_a_rate_that_is_none_is_said() -> None:
    for rate in ("0", "-1", "inf", "fast"):
        with process("--rate", rate) as (started, _):
            assert started.wait(SECONDS) == 2
            assert started.stderr is not None
            assert "--rate" in started.stderr.read()


def test_it_limits_the_rate_when_told_to() -> None:
    with process("--latency", "0", "--rate", "0.001") as (_, line):
        assert [asked(line) for _ in range(2)] == [200, 429]


def asked(line: str) -> int:
    connection = http.client.HTTPConnection(line.removeprefix("listening on http://"), timeout=5)
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
    connection.request("POST", "/v1/messages", body, {"x-api-key": "k"})
    status = connection.getresponse().status
    connection.close()
    return status
