"""Starting and ending the runtime: nothing beyond loopback, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pressroom.local.errors import PartDiedError, PortTakenError, ServicesError
from pressroom.local.listener import Listener
from pressroom.local.runtime import LocalRuntime
from shared.errors import SettingsError
from tests.support.local_api import LocalApi
from tests.support.processes import descendants_of, is_gone, listening_addresses
from tests.support.runtime_process import runtime_process, start_runtime
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.emulator import Emulator


def environ_with(**changes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"} | changes


def test_runtime_says_one_line_and_leaves_nothing_when_it_is_told_to_end(tmp_path: Path) -> None:
    with runtime_process(tmp_path) as runtime:
        health = LocalApi(runtime.base_url).ask("GET", "/v1/health")
        below = descendants_of(runtime.process.pid)
        begun = time.monotonic()
        runtime.process.send_signal(signal.SIGINT)
        stdout, stderr = runtime.process.communicate(timeout=20)
        took = time.monotonic() - begun

    assert health.status == 200
    assert (runtime.process.returncode, stdout, stderr) == (0, "", "")
    assert len(below) >= 5  # the emulator, the offline Claude and a zygote for each function
    assert all(is_gone(pid) for pid in below)
    assert list(tmp_path.iterdir()) == []
    assert took < 30


def test_runtime_leaves_nothing_when_it_is_killed(tmp_path: Path) -> None:
    with runtime_process(tmp_path) as runtime:
        api = LocalApi(runtime.base_url).as_user("alice")
        assert api.ask("GET", "/v1/projects").status == 200  # so that there are workers
        below = descendants_of(runtime.process.pid)
        runtime.process.kill()

        assert all(is_gone(pid) for pid in below)
        eventually(lambda: not list(tmp_path.iterdir()))


def test_runtime_ends_when_it_is_terminated_with_a_request_under_way(tmp_path: Path) -> None:
    with runtime_process(tmp_path) as runtime:
        api = LocalApi(runtime.base_url).as_user("alice")
        project = api.project()
        job = api.job(project, [{"topic": "Tea [[claude: delay=60]]"}])
        eventually(lambda: len(api.claude_calls()) == 1)
        assert api.ask("GET", job).body["counts"]["processing"] == 1
        begun = time.monotonic()
        runtime.process.terminate()

        assert runtime.process.wait(20) == 0
        assert time.monotonic() - begun < 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after_seconds", [0.3, 1.0])
def test_nothing_is_left_when_the_runtime_is_ended_while_it_starts(
    tmp_path: Path, number: signal.Signals, after_seconds: float
) -> None:
    process = start_runtime(tmp_path)
    try:
        eventually(lambda: bool(list(tmp_path.glob("pressroom-local-*"))))
        time.sleep(after_seconds)
        below = descendants_of(process.pid)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    finally:
        process.kill()

    assert stderr == ""
    assert "Traceback" not in stdout
    assert all(is_gone(pid) for pid in below)
    eventually(lambda: not list(tmp_path.iterdir()))


def test_every_socket_is_on_loopback_when_the_runtime_runs(tmp_path: Path) -> None:
    with runtime_process(tmp_path) as runtime:
        addresses = listening_addresses([runtime.process.pid, *descendants_of(runtime.process.pid)])

    assert len(addresses) >= 4  # the API, Invoke, the emulator, the offline Claude
    assert set(addresses) == {"127.0.0.1"}


def test_start_fails_at_once_when_the_port_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with closing(Listener()) as other:
        begun = time.monotonic()
        with pytest.raises(PortTakenError, match=str(other.port)), LocalRuntime(port=other.port):
            pass

    assert time.monotonic() - begun < 15
    assert list(tmp_path.iterdir()) == []


def test_start_fails_clearly_and_leaves_nothing_when_the_services_do_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runtime = LocalRuntime(environ=environ_with(AWS_ENDPOINT_URL="http://127.0.0.1:9"))
    with pytest.raises(ServicesError, match="http://127\\.0\\.0\\.1:9"), runtime:
        pass

    assert list(tmp_path.iterdir()) == []
    with socket.socket() as free:
        free.bind(("127.0.0.1", int(runtime.base_url.rpartition(":")[2])))


def test_start_fails_naming_the_variable_when_a_limit_is_no_number(emulator: Emulator) -> None:
    environ = environ_with(AWS_ENDPOINT_URL=emulator.endpoint_url, PRESSROOM_MAX_ITEMS_PER_JOB="many")

    with pytest.raises(SettingsError, match="PRESSROOM_MAX_ITEMS_PER_JOB"), LocalRuntime(environ=environ):
        pass


@pytest.mark.acceptance(7)
def test_limits_are_the_environments_when_it_names_them(emulator: Emulator) -> None:
    environ = environ_with(AWS_ENDPOINT_URL=emulator.endpoint_url, PRESSROOM_MAX_ITEMS_PER_JOB="2")
    with LocalRuntime(environ=environ) as runtime:
        api = LocalApi(runtime.base_url, runtime.token("alice"))

        assert api.ask("GET", "/v1/limits").body["items_per_job"]["max"] == 2


def test_offline_claude_is_not_started_when_there_is_a_key(emulator: Emulator) -> None:
    environ = environ_with(AWS_ENDPOINT_URL=emulator.endpoint_url, ANTHROPIC_API_KEY="key-of-a-test")
    with LocalRuntime(environ=environ) as runtime:
        assert runtime.claude_url is None
        assert LocalApi(runtime.base_url).ask("GET", "/local/claude/calls").status == 404


def test_wait_ends_with_the_reason_when_the_emulator_dies() -> None:
    with LocalRuntime(environ=environ_with()) as runtime:
        runtime._parts[0]._child.process.kill()

        with pytest.raises(PartDiedError, match="ministack"):
            runtime.wait()
