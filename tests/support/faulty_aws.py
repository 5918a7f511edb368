"""AWS with faults: a proxy on loopback between the real clients and the emulator.

It passes every request on, unless its plan says otherwise. Lambda's Invoke, which the emulator would run in a place of
its own, it answers itself.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from tests.support.aws_faults import APPLIED, REFUSED, FalseAnswer, Fault, false_answer
from tests.support.aws_requests import AwsRequest
from tests.support.fault_plans import FaultPlan, NoFault
from tests.support.partial_answers import answer_partly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["FaultyAws", "Seen", "running_faulty_aws"]

HOST: Final = "127.0.0.1"
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: closing sends a reset."""
_UPSTREAM_SECONDS: Final = 60.0
_GIVE_UP_SECONDS: Final = 30.0
"""So long a client is left without an answer, should it not give up before."""
_HOP: Final = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came, its fault, and whether it was done all the same."""

    request: AwsRequest
    fault: Fault | None

    @property
    def applied(self) -> bool:
        """Whether the request was passed on, be it in part."""
        return self.fault is None or self.fault in APPLIED or self.fault is Fault.PARTLY

    def __str__(self) -> str:
        return f"{self.request}{f' [{self.fault}]' if self.fault else ''}"


@dataclass
class FaultyAws:
    """The proxy. ``plan`` is asked about every request; ``on_invoke`` is the function that Invoke starts."""

    upstream: str
    plan: FaultPlan = field(default_factory=NoFault)
    on_invoke: Callable[[Mapping[str, Any]], object] = lambda _: None
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self, plan: FaultPlan | None = None) -> None:
        """Forget what was seen, and go on under ``plan``; without one nothing goes wrong."""
        with self._lock:
            self.plan = NoFault() if plan is None else plan
            self.seen = []

    def calls(self) -> list[str]:
        """The operations that were asked for, in order, repeats included."""
        with self._lock:
            return [seen.request.operation for seen in self.seen]

    def decide(self, request: AwsRequest) -> Fault | None:
        """What becomes of ``request``."""
        with self._lock:
            fault = self.plan(request)
            self.seen.append(Seen(request, fault))
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    aws: FaultyAws

    def server_bind(self) -> None:
        """Without the base class's look-up of our own name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent: a client that went away is what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _upstream: http.client.HTTPConnection | None = None

    def do_POST(self) -> None:
        aws = cast("_Server", self.server).aws
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request = AwsRequest.read(self.path, self.headers, body)  # type: ignore[arg-type]  # as good as a mapping
        fault = aws.decide(request)
        if fault is Fault.RESET_BEFORE:
            self._reset()
            return
        if fault in REFUSED:
            self._send(false_answer(request, fault))
            return
        if fault is Fault.PARTLY:
            self._send(answer_partly(request, lambda part: self._pass_on(aws, request, part)))
            return
        answer = self._pass_on(aws, request, body)
        match fault:
            case None:
                self._send(answer)
            case Fault.SERVER_ERROR_AFTER:
                self._send(false_answer(request, fault))
            case Fault.CUT_ANSWER:
                self._send(answer, cut=True)
                self._reset()
            case Fault.TIMEOUT_AFTER:
                self.connection.settimeout(_GIVE_UP_SECONDS)
                with suppress(OSError):
                    self.connection.recv(1)  # ends when the client hangs up
                self._reset()
            case _:
                self._reset()

    def _pass_on(self, aws: FaultyAws, request: AwsRequest, body: bytes) -> FalseAnswer:
        if request.operation == "lambda.Invoke":
            aws.on_invoke(request.body)
            return FalseAnswer(202, (("x-amzn-RequestId", "invoked"),), b"")
        if self._upstream is None:
            parts = urlsplit(aws.upstream)
            self._upstream = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_UPSTREAM_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        self._upstream.request(self.command, self.path, body=body, headers=headers)
        response = self._upstream.getresponse()
        content = response.read()
        kept = tuple((name, value) for name, value in response.getheaders() if name.lower() not in _HOP)
        return FalseAnswer(response.status, kept, content)

    def _send(self, answer: FalseAnswer, *, cut: bool = False) -> None:
        """The answer; a cut one promises more than it holds."""
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + cut))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()

    def finish(self) -> None:
        """The connection's end: the one behind it ends too."""
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """No access log."""


@contextmanager
def running_faulty_aws(upstream: str) -> Iterator[FaultyAws]:
    """A proxy before the emulator at ``upstream``, until the end of the block."""
    server = _Server((HOST, 0), _Handler)
    server.aws = FaultyAws(upstream, url=f"http://{HOST}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.aws
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
