"""A function's zygote and workers, seen from the runtime."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pressroom.local import frames
from pressroom.local.children import python, tail
from pressroom.local.errors import StartError
from pressroom.local.zygote import COMMAND, FORK, KILL, PID, QUIT, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Function", "Worker", "ZygoteProcess"]

_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function as the runtime drives it."""

    name: str
    handler: str
    """``module:function``."""
    timeout_seconds: float
    maximum: int
    """The most workers, which is the most events at once."""
    prepare: str = ""
    """``module:function`` that makes what all workers may inherit: clients without connections. Called once, with the
    settings in the environment, before the first worker."""
    memory_mb: int = 512


@dataclass(eq=False, slots=True)
class Worker:
    """A forked process and the socket that carries its events."""

    pid: int
    connection: socket.socket

    def is_alive(self) -> bool:
        """Whether an idle worker still waits for an event: it never sends unasked, so a readable socket is its end."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return not poll.poll(0)


class ZygoteProcess:
    """The process that forks the workers, seen from the runtime. Its commands are one at a time."""

    def __init__(self, function: Function, environ: Mapping[str, str], folder: Path, log: Path | None) -> None:
        self._function = function
        self._log = log
        self._lock = threading.Lock()
        self._ready = False
        self._control, theirs = socket.socketpair()
        with theirs, nullcontext(sys.stderr) if log is None else log.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                python("pressroom.local.zygote", function.handler, function.prepare, str(theirs.fileno()), str(folder)),
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Waits until the handler is imported.

        Raises:
            StartError: it could not be imported.
        """
        try:
            message = frames.receive(self._control, deadline=time.monotonic() + _START_SECONDS)
        except (frames.FrameClosedError, TimeoutError):
            message = {"ready": False}
        if not message["ready"]:
            raise StartError(f"{self._function.name} could not be loaded:\n{tail(self._log)}")
        self._ready = True

    def configure(self, environ: Mapping[str, str]) -> None:
        """Hands the workers of the future more environment variables."""
        body = json.dumps(dict(environ)).encode()
        with self._lock:
            self._control.sendall(COMMAND.pack(SETTINGS, len(body)) + body)

    def fork(self) -> Worker:
        """A new worker.

        Raises:
            OSError, FrameClosedError, TimeoutError: the zygote is gone.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [COMMAND.pack(FORK, 0)], [theirs.fileno()])
                answer = frames.receive_exactly(self._control, PID.size, deadline=time.monotonic() + _ANSWER_SECONDS)
        except BaseException:
            ours.close()
            raise
        return Worker(pid=PID.unpack(answer)[0], connection=ours)

    def kill(self, worker: Worker) -> None:
        """Kills a worker, whatever it does."""
        try:
            with self._lock:
                self._control.sendall(COMMAND.pack(KILL, worker.pid))
        except OSError:
            pass  # the zygote is gone, and its workers with it
        worker.connection.close()

    def close(self) -> None:
        """Ends it and its workers."""
        if not self._ready:
            self._process.kill()  # an import cannot be told to end, and there are no workers yet
        try:
            with self._lock:
                self._control.sendall(COMMAND.pack(QUIT, 0))
        except OSError:
            pass  # it is gone already
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()
