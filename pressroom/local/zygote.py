"""A function's zygote: a process that imports the handler once and forks a worker whenever it is asked.

Importing the processor takes seconds (the anthropic SDK), forking milliseconds. The zygote stays single-threaded and
makes no connection, so that a fork is safe. It is what ties the workers to the runtime: its control socket closes
when the runtime ends, however it ends; then it kills its workers, and after a runtime that was killed it also
removes the runtime's folder. Should the zygote itself be killed, its workers notice by a pipe that only it holds.

Run as ``python -m pressroom.local.zygote <module:function> <module:prepare or nothing> <control fd> <folder>``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pressroom.local import frames, worker

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMAND", "FORK", "KILL", "QUIT", "SETTINGS", "remove_folder"]

COMMAND: Final = struct.Struct("!cI")
"""A command: what, and a number. ``FORK`` carries the worker's socket and is answered with the pid."""
SETTINGS: Final = b"E"
"""The number is the length of a JSON object that follows: environment variables."""
FORK: Final = b"F"
KILL: Final = b"K"
"""The number is the worker's pid. A pid that this zygote has not reaped cannot be somebody else's."""
QUIT: Final = b"Q"
PID: Final = struct.Struct("!I")


class Zygote:
    """The process's state: the handler, the control socket and the living workers."""

    def __init__(
        self,
        handler: Callable[[Any, worker.Context], object],
        prepare: Callable[[], object] | None,
        control: socket.socket,
    ) -> None:
        self._handler = handler
        self._prepare = prepare
        self._control = control
        self._workers: set[int] = set()
        self._lifeline, self._held = os.pipe()

    def run(self) -> bool:
        """Serves commands to the end; says whether it was told to end (else the runtime was killed)."""
        while True:
            try:
                command, number, sockets = self._next()
            except frames.FrameClosedError:
                return False
            self._reap()
            if command == FORK:
                self._control.sendall(PID.pack(self._fork(sockets[0])))
            elif command == KILL and number in self._workers:
                os.kill(number, signal.SIGKILL)
            elif command == SETTINGS:
                self._configure(json.loads(frames.receive_exactly(self._control, number)))
            elif command == QUIT:
                return True

    def _configure(self, environ: dict[str, str]) -> None:
        """Takes settings, and makes once what would be dear to make in each worker."""
        os.environ.update(environ)
        if self._prepare is not None:
            try:
                self._prepare()
            except Exception:  # noqa: BLE001  the first event meets the same error, and its caller is told
                traceback.print_exc()
        gc.collect()
        gc.freeze()  # else the workers' collections copy every page they inherited

    def end_workers(self) -> None:
        """Kills what still runs and waits for it."""
        self._reap()
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
        for pid in self._workers:
            os.waitpid(pid, 0)

    def _next(self) -> tuple[bytes, int, list[int]]:
        """A command never comes in two reads with its socket in the second: the socket goes with the first byte."""
        try:
            data, sockets, _, _ = socket.recv_fds(self._control, COMMAND.size, 1)
        except ConnectionError as error:
            raise frames.FrameClosedError from error
        if not data:
            raise frames.FrameClosedError
        if len(data) < COMMAND.size:
            data += frames.receive_exactly(self._control, COMMAND.size - len(data))
        command, number = COMMAND.unpack(data)
        return command, number, sockets

    def _reap(self) -> None:
        for pid in list(self._workers):
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                self._workers.discard(pid)

    def _fork(self, fd: int) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_worker(fd)
        os.close(fd)
        self._workers.add(pid)
        return pid

    def _become_worker(self, fd: int) -> NoReturn:
        code = 1
        try:
            self._control.close()
            os.close(self._held)
            threading.Thread(target=_end_with, args=(self._lifeline,), daemon=True).start()
            with socket.socket(fileno=fd) as connection:
                worker.serve(connection, self._handler)
            code = 0
        except Exception:  # noqa: BLE001  the outermost edge of the worker's process
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _end_with(lifeline: int) -> NoReturn:
    """Ends the worker when nobody holds the other end of ``lifeline`` any more: the zygote is gone."""
    os.read(lifeline, 1)
    os._exit(1)


def remove_folder(folder: Path) -> None:
    """Removes the folder of a runtime that was killed; several processes of it may try at once."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _load(specification: str) -> Callable[..., object]:
    """The function that ``module:function`` names."""
    module_name, _, function_name = specification.partition(":")
    function: Callable[..., object] = getattr(importlib.import_module(module_name), function_name)
    return function


def _main(handler_name: str, prepare_name: str, control_fd: int, folder: Path) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's signals are the runtime's, which ends us in order
    control = socket.socket(fileno=control_fd)
    try:
        handler = _load(handler_name)
        prepare = _load(prepare_name) if prepare_name else None
    except Exception:  # noqa: BLE001  the outermost edge: the runtime shows what the log holds
        traceback.print_exc()
        sys.stderr.flush()
        frames.send(control, {"ready": False})
        return
    zygote = Zygote(handler, prepare, control)
    try:
        frames.send(control, {"ready": True})
        told = zygote.run()
    except OSError:
        told = False  # the runtime was killed between two messages
    zygote.end_workers()
    if not told:
        remove_folder(folder)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
