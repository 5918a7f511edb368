"""Workers: one event at a time in each, and what becomes of an event whose worker fails."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.children import inherited
from pressroom.local.errors import (
    HandlerError,
    InvocationTimeoutError,
    NoWorkerError,
    PoolClosedError,
    StartError,
    WorkerDiedError,
)
from pressroom.local.pool import Pool
from pressroom.local.zygote_process import Function
from tests.support.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def pool_of(handler: str, folder: Path, *, maximum: int = 2, timeout_seconds: float = 10) -> Iterator[Pool]:
    function = Function("worker", f"tests.support.handlers:{handler}", timeout_seconds=timeout_seconds, maximum=maximum)
    environ = inherited(os.environ | {"ANTHROPIC_API_KEY": "secret"}, folder)
    with closing(Pool(function, environ=environ, folder=folder, log=folder / "worker.log")) as pool:
        pool.start({"PRESSROOM_SETTING": "from the runtime"})
        yield pool


def test_handler_gets_event_context_and_settings_when_it_is_invoked(tmp_path: Path) -> None:
    with pool_of("echo", tmp_path) as pool:
        answer = pool.invoke({"topic": "Grüner Tee"}, request_id="request-1")

    assert answer["event"] == {"topic": "Grüner Tee"}
    assert answer["request_id"] == "request-1"
    assert (answer["function"], answer["memory_mb"]) == ("worker", 512)
    assert answer["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:worker"
    assert 9_000 < answer["remaining_ms"] <= 10_000
    assert answer["setting"] == "from the runtime"
    assert answer["key"] is None


def test_callers_get_their_own_answers_when_twenty_threads_share_a_handler_that_is_not_thread_safe(
    tmp_path: Path,
) -> None:
    def call(pool: Pool, caller: int) -> list[Any]:
        return [pool.invoke({"caller": caller, "turn": turn}) for turn in range(10)]

    with pool_of("keeps_its_event_in_a_global", tmp_path, maximum=4) as pool:
        with ThreadPoolExecutor(20) as executor:
            answers = list(executor.map(lambda caller: call(pool, caller), range(20)))
        size = pool.size

    assert answers == [[{"caller": caller, "turn": turn} for turn in range(10)] for caller in range(20)]
    assert size == 4


def test_pool_keeps_one_worker_when_events_come_one_after_another(tmp_path: Path) -> None:
    with pool_of("echo", tmp_path) as pool:
        pids = {pool.invoke({})["pid"] for _ in range(5)}

    assert len(pids) == 1


@pytest.mark.parametrize("how", ["exit", "die"])
def test_event_fails_and_the_next_one_gets_a_new_worker_when_the_worker_dies(tmp_path: Path, how: str) -> None:
    with pool_of("act", tmp_path, maximum=1) as pool:
        first = pool.invoke({"do": "nothing"})
        with pytest.raises(WorkerDiedError):
            pool.invoke({"do": how})
        second = pool.invoke({"do": "nothing"})

    assert first["pid"] != second["pid"]


def test_worker_dies_when_the_handler_exits(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool, pytest.raises(WorkerDiedError):
        pool.invoke({"do": "sys.exit"})


def test_next_event_gets_a_new_worker_when_an_idle_one_was_killed(tmp_path: Path) -> None:
    with pool_of("act", tmp_path, maximum=1) as pool:
        pid = pool.invoke({"do": "nothing"})["pid"]
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)

        assert pool.invoke({"do": "nothing"})["pid"] != pid


def test_next_event_is_handled_when_the_zygote_was_killed(tmp_path: Path) -> None:
    with pool_of("echo", tmp_path, maximum=1) as pool:
        before = pool.invoke({})
        os.kill(pool._zygote._process.pid, signal.SIGKILL)
        assert is_gone(before["pid"])

        after = pool.invoke({})

    assert after["setting"] == "from the runtime"


def test_worker_is_killed_when_the_functions_time_out_passes(tmp_path: Path) -> None:
    with pool_of("act", tmp_path, maximum=1, timeout_seconds=0.3) as pool:
        pid = pool.invoke({"do": "nothing"})["pid"]
        with pytest.raises(InvocationTimeoutError):
            pool.invoke({"do": "sleep", "seconds": 30})

        assert is_gone(pid)
        assert pool.invoke({"do": "nothing"})["pid"] != pid


def test_handler_error_names_type_and_message_and_the_worker_lives_when_the_handler_raises(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool:
        pid = pool.invoke({"do": "nothing"})["pid"]
        with pytest.raises(HandlerError) as raised:
            pool.invoke({"do": "raise", "message": "no such tea"})

        assert (raised.value.error_type, raised.value.error_message) == ("ValueError", "no such tea")
        assert pool.invoke({"do": "nothing"})["pid"] == pid
    assert "ValueError: no such tea" in (tmp_path / "worker.log").read_text()


def test_event_fails_when_the_answer_is_no_json(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool, pytest.raises(HandlerError, match="MarshalError"):
        pool.invoke({"do": "object"})


def test_handlers_output_goes_to_the_log_when_it_prints(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool:
        pool.invoke({"do": "write", "text": "a line of the handler"})

    assert "a line of the handler" in (tmp_path / "worker.log").read_text()


def test_caller_is_told_when_every_worker_stays_busy(tmp_path: Path) -> None:
    with pool_of("act", tmp_path, maximum=1) as pool, ThreadPoolExecutor(1) as executor:
        long = executor.submit(pool.invoke, {"do": "sleep", "seconds": 0.6})
        while not pool.size:
            time.sleep(0.01)
        with pytest.raises(NoWorkerError):
            pool.invoke({"do": "nothing"}, patience_seconds=0.1)

        assert "pid" in long.result()


def test_start_fails_with_the_reason_when_the_handler_cannot_be_imported(tmp_path: Path) -> None:
    function = Function("worker", "tests.support.no_such_module:handler", timeout_seconds=1, maximum=1)
    with (
        closing(Pool(function, environ=inherited(os.environ, tmp_path), folder=tmp_path, log=tmp_path / "log")) as pool,
        pytest.raises(StartError, match="no_such_module"),
    ):
        pool.start({})


def test_close_lets_the_event_in_hand_finish_when_it_is_within_the_grace(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool, ThreadPoolExecutor(1) as executor:
        pool.invoke({"do": "nothing"})
        event = executor.submit(pool.invoke, {"do": "sleep", "seconds": 0.3})
        time.sleep(0.1)
        pool.close(grace_seconds=5)

        assert "pid" in event.result()


def test_close_kills_the_worker_when_the_grace_is_over(tmp_path: Path) -> None:
    with pool_of("act", tmp_path) as pool, ThreadPoolExecutor(1) as executor:
        pid = pool.invoke({"do": "nothing"})["pid"]
        event = executor.submit(pool.invoke, {"do": "sleep", "seconds": 30})
        time.sleep(0.1)
        pool.close(grace_seconds=0.1)

        with pytest.raises(PoolClosedError):
            event.result()
        with pytest.raises(PoolClosedError):
            pool.invoke({"do": "nothing"})
        assert is_gone(pid)


def test_waiting_callers_are_told_when_the_pool_closes(tmp_path: Path) -> None:
    with pool_of("act", tmp_path, maximum=1) as pool, ThreadPoolExecutor(2) as executor:
        events = [executor.submit(pool.invoke, {"do": "sleep", "seconds": 30}) for _ in range(2)]
        time.sleep(0.2)
        pool.close()

        for event in events:
            with pytest.raises(PoolClosedError):
                event.result()
