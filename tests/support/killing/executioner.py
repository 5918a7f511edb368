"""Processes to kill, seen from the test: starts them, listens to them, and says how they ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.killing.victim import ANSWER, receive, send
from tests.support.killing.zygote import STATUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.support.killing.victim import Run

__all__ = ["Ended", "Executioner", "KillingError", "running_executioner"]

_PATIENCE_SECONDS: Final = 60.0


class KillingError(AssertionError):
    """A process did not end as it was to end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: killed, or with an answer.

    Attributes:
        calls: what it said it was about to call, in order; the last one of a run that died before it was not made.
        payloads: what it handed to other functions.
        answer: of the handler; None where it was killed.
    """

    calls: tuple[str, ...]
    payloads: tuple[Mapping[str, Any], ...]
    killed: bool
    answer: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Executioner:
    """Runs one process after the other."""

    control: socket.socket

    def carry_out(self, run: Run, *, meanwhile: Callable[[], object] | None = None) -> Ended:
        """One run; ``meanwhile`` happens while it waits, if it was told to.

        Raises:
            KillingError: it did not die where it was to die, or died of something else.
        """
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(_PATIENCE_SECONDS)
            with theirs:
                socket.send_fds(self.control, [b"f"], [theirs.fileno()])
            send(ours, run.to_json())
            messages = list(_listen(ours, run, meanwhile))
        status = STATUS.unpack(self.control.recv(STATUS.size, socket.MSG_WAITALL))[0]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        ended = {name: message[name] for message in messages for name in ("answer", "raised") if name in message}
        if "raised" in ended:
            raise KillingError(f"{run.handler} raised:\n{ended['raised']}")
        calls = tuple(message["call"] for message in messages if "call" in message)
        if killed != run.dies or killed == ("answer" in ended):
            raise KillingError(f"{run.handler} ended with wait status {status} after {calls}, not as it was told to")
        if killed and run.dies_at != ANSWER:
            messages.pop()  # the call that it was about to make
        payloads = tuple(message["payload"] for message in messages if message.get("payload") is not None)
        return Ended(calls, payloads, killed, ended.get("answer"))


def _listen(connection: socket.socket, run: Run, meanwhile: Callable[[], object] | None) -> Iterator[dict[str, Any]]:
    """What the process says, to its end. ``meanwhile`` happens in any case: nobody asks whether a process lives."""
    waits = meanwhile
    while (message := receive(connection)) is not None:
        yield message
        if waits is not None and message.get("call") == run.waits_at:
            waits()
            waits = None
            with suppress(BrokenPipeError, ConnectionResetError):  # it died before it waited
                send(connection, {})
    if waits is not None:
        waits()


@contextmanager
def running_executioner(environ: Mapping[str, str]) -> Iterator[Executioner]:
    """Starts the process that forks; ``environ`` is its whole environment. It is gone at the end."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            zygote = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-m", "tests.support.killing.zygote", str(theirs.fileno())],
                cwd=Path(__file__).parents[3],
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            yield Executioner(ours)
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            zygote.wait()
