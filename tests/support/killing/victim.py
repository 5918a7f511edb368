"""The process that is killed: one invocation of a real handler, with a kill switch at botocore's level.

It is forked from :mod:`tests.support.killing.zygote` and gets its run through a socket. Before each call to AWS, and
to Claude, it says which one it is about to make; a call that writes says which transition it is
(``UpdateItem claim``). At the call that the run names it sends itself SIGKILL: no ``except``, no ``finally``, no
buffer and no ``atexit`` outlives that. What it said before has left the process, so whoever listens knows how far it
came.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import secrets
import signal
import struct
import traceback
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.response import StreamingBody

from shared import aws
from shared.clock import SystemClock, from_iso, milliseconds
from shared.store.dynamodb import DynamoTable
from tests.support.lambda_context import FakeContext

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from shared.generation.answers import Generation

__all__ = ["ANSWER", "CLAUDE", "Run", "live", "one_shard", "receive", "send"]

ANSWER: Final = "the answer"
CLAUDE: Final = "Claude"
"""The name of a call to Claude among the calls to AWS."""
_LENGTH: Final = struct.Struct("!I")
_ACCEPTED: Final = 202
_LAST_LETTER: Final = 31
"""The bits of a ULID's last letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One invocation: which handler, in which environment, at what time, with what, and where it dies.

    Attributes:
        handler: the module whose ``handler`` is called.
        environ: further environment variables.
        now: the time that the process's clock shows, as :func:`shared.clock.to_iso` writes it.
        event: the event.
        milliseconds_left: what the context says.
        dies_before: the number of the call, from 1, before which the process dies; 0 for none.
        dies_at: the name of a call before which it dies, whatever its number; empty for none. With
            :data:`ANSWER` it dies when the handler has done everything, before anybody gets its answer.
        waits_at: the name of a call before which the process waits for a word, once; empty for none.
    """

    handler: str
    environ: Mapping[str, str]
    now: str
    event: Mapping[str, Any]
    milliseconds_left: int = 600_000
    dies_before: int = 0
    dies_at: str = ""
    waits_at: str = ""

    @property
    def dies(self) -> bool:
        """Whether it is to be killed at all."""
        return bool(self.dies_before or self.dies_at)

    def to_json(self) -> dict[str, Any]:
        """As it crosses the socket."""
        return asdict(self)


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """One message, whole."""
    body = json.dumps(message).encode()
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None where the other side is gone. Of one that died in the middle of a message too."""
    head = _exactly(connection, _LENGTH.size)
    body = None if head is None else _exactly(connection, _LENGTH.unpack(head)[0])
    if body is None:
        return None
    message: dict[str, Any] = json.loads(body)
    return message


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionResetError:  # it died with something of ours unread
            return None
        if not more:
            return None
        data += more
    return data


@dataclass
class _Switch:
    """Counts the calls, tells of each, and kills the process at one of them."""

    run: Run
    connection: socket.socket
    made: int = 0
    transition: str = ""
    waited: bool = False
    _clock: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._clock = from_iso(self.run.now)

    def begins(self, name: str, payload: object = None) -> None:
        """A call is about to be made."""
        self.made += 1
        send(self.connection, {"call": name, "payload": payload})
        if self.made == self.run.dies_before or name == self.run.dies_at:
            _die()
        if name == self.run.waits_at and not self.waited:
            self.waited = True
            receive(self.connection)

    # ------------------------------------------------------------------------------------------ at botocore's level

    def before_call(self, model: Any, params: Mapping[str, Any], **_: object) -> Any:
        """botocore's event before an operation: its own repeats of the request are not calls of ours."""
        name: str = model.name
        if name == "Invoke":  # the emulator knows no function: the other one is the test's to run, or to lose
            self.begins(name, json.loads(params["body"]))
            answer = {"StatusCode": _ACCEPTED, "Payload": StreamingBody(io.BytesIO(), 0)}
            return AWSResponse(params["url"], _ACCEPTED, HTTPHeaders(), None), answer
        self.begins(f"{name} {self.transition}".rstrip())
        return None

    # ------------------------------------------------------------------------------------------ the process's world

    def install(self) -> None:
        """Put the switch into this process: its AWS clients, its Claude, its clock, its chance."""
        hook: Any = self.before_call  # its type is said to return nothing; what it returns stands for an answer
        aws._session().register("before-call", hook)  # the session that makes the handlers' clients
        self._name_writes()
        self._watch_claude()
        self._set_clock()
        random.seed(0)  # jitter decides how often a waiting call looks: the same calls in every run
        patch.object(secrets, "randbits", one_shard(secrets.randbits)).start()

    def _name_writes(self) -> None:
        """The table's two ways to write know which transition they carry out; no other may be called meanwhile."""
        for method in ("update", "transact"):
            setattr(DynamoTable, method, self._naming(getattr(DynamoTable, method)))

    def _naming(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def named(table: DynamoTable, what: str, *args: Any, **kwargs: Any) -> Any:
            self.transition = what
            try:
                return write(table, what, *args, **kwargs)
            finally:
                self.transition = ""

        return named

    def _watch_claude(self) -> None:
        if not self.run.handler.startswith("functions.processor"):
            return
        client = importlib.import_module("shared.generation.client").ClaudeClient
        generate = client.generate

        def watched(claude: object, *args: Any, **kwargs: Any) -> Generation:
            self.begins(CLAUDE)
            written: Generation = generate(claude, *args, **kwargs)
            return written

        client.generate = watched

    def _set_clock(self) -> None:
        """The machine's clock stands still until somebody sleeps, which takes no time."""

        def now(_: SystemClock) -> datetime:
            return milliseconds(self._clock)

        def sleep(_: SystemClock, seconds: float) -> None:
            self._clock += timedelta(seconds=seconds)

        for name, method in {"now": now, "sleep": sleep}.items():
            setattr(SystemClock, name, method)


def one_shard(randbits: Callable[[int], int]) -> Callable[[int], int]:
    """``secrets.randbits`` as ids are made by, so that all of them end in the same letter.

    That letter is a job's place in the sweeper's list: the sweeper reads the same pages in every run.
    """
    return lambda bits: randbits(bits) & ~_LAST_LETTER


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(connection: socket.socket) -> None:
    """Read a run, carry it out, tell how it ended. In a process of its own: nothing is put back."""
    message = receive(connection)
    if message is None:
        return
    run = Run(**message)
    os.environ.update(run.environ)
    _Switch(run, connection).install()
    try:
        handler = importlib.import_module(run.handler).handler
        answer = handler(run.event, FakeContext(milliseconds_left=run.milliseconds_left))
    except BaseException:  # noqa: BLE001  the edge of the process: whoever listens is told
        send(connection, {"raised": traceback.format_exc()})
    else:
        if run.dies_at == ANSWER:
            _die()
        send(connection, {"answer": answer})
