"""A function's workers: as many as there are events at once, up to a maximum."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from pressroom.local import frames
from pressroom.local.errors import (
    HandlerError,
    InvocationError,
    InvocationTimeoutError,
    NoWorkerError,
    PoolClosedError,
    StartError,
    WorkerDiedError,
)
from pressroom.local.zygote_process import Worker, ZygoteProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pressroom.local.zygote_process import Function

__all__ = ["Pool"]

_log: Final = logging.getLogger(__name__)

_GRACE_STEP_SECONDS: Final = 0.02


class Pool:
    """Runs events in workers, one event at a time in each. Safe to use from any number of threads.

    What fails is told in the runtime's log; callers need not tell it again.
    """

    def __init__(self, function: Function, *, environ: Mapping[str, str], folder: Path, log: Path | None) -> None:
        """Starts to import the handler; :meth:`start` waits for it.

        Args:
            function: what to run.
            environ: the whole environment of the handler's import.
            folder: the runtime's folder, which a killed runtime leaves to us to remove.
            log: the file that takes what the handler prints; None for our standard error.
        """
        self.function = function
        self.log = log
        self._environ = dict(environ)
        self._folder = folder
        self._change = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._starting = 0
        self._closed = False
        self._zygote_lock = threading.Lock()
        self._zygote = ZygoteProcess(function, self._environ, folder, log)

    def start(self, environ: Mapping[str, str]) -> None:
        """Waits until the handler is imported; its workers get ``environ`` on top.

        Raises:
            StartError: it could not be imported.
        """
        self._environ |= environ
        self._zygote.wait_until_ready()
        self._zygote.configure(environ)

    @property
    def size(self) -> int:
        """How many workers there are."""
        with self._change:
            return self._count()

    def invoke(self, event: object, *, request_id: str | None = None, patience_seconds: float | None = None) -> Any:  # noqa: ANN401  whatever JSON the handler answers
        """The handler's answer to ``event``; waits for a free worker (for ever, or ``patience_seconds``).

        Raises:
            HandlerError: the handler raised.
            WorkerDiedError: the worker ended under it.
            InvocationTimeoutError: the function's time-out passed.
            NoWorkerError: all workers stayed busy.
            PoolClosedError: the runtime is ending.
        """
        request_id = request_id or str(uuid.uuid4())
        try:
            return self._invoke(event, request_id, patience_seconds)
        except PoolClosedError:
            raise
        except InvocationError as error:
            _log.warning("%s (request %s%s)", error, request_id, f", log {self.log}" if self.log else "")
            raise

    def _invoke(self, event: object, request_id: str, patience_seconds: float | None) -> Any:  # noqa: ANN401
        worker = self._acquire(patience_seconds)
        healthy = False
        try:
            answer = self._exchange(worker, event, request_id)
            healthy = True
        finally:
            self._release(worker, healthy=healthy)
        if "error" in answer:
            raise HandlerError(self.function.name, answer["error"]["type"], answer["error"]["message"])
        return answer["result"]

    def close(self, *, grace_seconds: float = 0.0) -> None:
        """Takes no more events, gives those in hand ``grace_seconds``, then kills. Repeating is harmless."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        end = time.monotonic() + grace_seconds
        while self._is_busy() and time.monotonic() < end:
            time.sleep(_GRACE_STEP_SECONDS)
        with self._zygote_lock:
            self._zygote.close()
        with self._change:
            for worker in self._idle:
                worker.connection.close()
            self._idle.clear()

    def _is_busy(self) -> bool:
        with self._change:
            return bool(self._busy)

    def _count(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _acquire(self, patience_seconds: float | None) -> Worker:
        """An idle worker, or a new one while there are fewer than the maximum."""
        end = None if patience_seconds is None else time.monotonic() + patience_seconds
        with self._change:
            while not self._closed:
                while self._idle:
                    worker = self._idle.pop()  # the one used last: the others may sleep in peace
                    if worker.is_alive():
                        self._busy.add(worker)
                        return worker
                    worker.connection.close()
                if self._count() < self.function.maximum:
                    self._starting += 1
                    break
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise NoWorkerError(self.function.name, self.function.maximum)
                self._change.wait(left)
            else:
                raise PoolClosedError(self.function.name)
        return self._start_worker()

    def _start_worker(self) -> Worker:
        worker: Worker | None = None
        try:
            worker = self._fork()
        except (OSError, frames.FrameClosedError, StartError) as error:
            raise WorkerDiedError(self.function.name) from error
        finally:
            with self._change:
                self._starting -= 1
                if worker is not None:
                    self._busy.add(worker)
                else:
                    self._change.notify()
        return worker

    def _fork(self) -> Worker:
        """A worker of the zygote; of a new one if the old one was killed."""
        with self._zygote_lock:
            if self._closed:
                raise PoolClosedError(self.function.name)
            try:
                return self._zygote.fork()
            except (OSError, frames.FrameClosedError):
                self._zygote.close()
                self._zygote = ZygoteProcess(self.function, self._environ, self._folder, self.log)
                self._zygote.wait_until_ready()
                return self._zygote.fork()

    def _exchange(self, worker: Worker, event: object, request_id: str) -> dict[str, Any]:
        timeout_seconds = self.function.timeout_seconds
        message = {
            "event": event,
            "function": self.function.name,
            "request_id": request_id,
            "memory_mb": self.function.memory_mb,
            "timeout_seconds": timeout_seconds,
        }
        try:
            worker.connection.settimeout(timeout_seconds)
            frames.send(worker.connection, message)
            return frames.receive(worker.connection, deadline=time.monotonic() + timeout_seconds)
        except TimeoutError as error:
            raise InvocationTimeoutError(self.function.name, timeout_seconds) from error
        except (OSError, frames.FrameClosedError) as error:
            raise self._lost() from error

    def _lost(self) -> InvocationError:
        return PoolClosedError(self.function.name) if self._closed else WorkerDiedError(self.function.name)

    def _release(self, worker: Worker, *, healthy: bool) -> None:
        if not healthy:
            self._zygote.kill(worker)
        with self._change:
            self._busy.discard(worker)
            if healthy and not self._closed:
                self._idle.append(worker)
            elif healthy:
                worker.connection.close()
            self._change.notify()
