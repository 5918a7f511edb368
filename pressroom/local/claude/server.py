"""The offline Claude: an HTTP server on loopback that speaks the Messages API, so that the real SDK code runs."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import select
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pressroom.local.claude.directives import Directive, DirectiveError, Fault, parse, plan
from pressroom.local.claude.messages import (
    BadRequestError,
    MessageRequest,
    error_body,
    events,
    message_body,
    read_request,
)
from shared.clock import SystemClock, to_iso

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from shared.clock import Clock

__all__ = ["CALLS_PATH", "HEALTH_PATH", "ITEM_HEADER", "REFUSED_KEY", "Call", "OfflineClaude"]

MESSAGES_PATH: Final = "/v1/messages"
CALLS_PATH: Final = "/local/claude/calls"
HEALTH_PATH: Final = "/health"
ITEM_HEADER: Final = "x-pressroom-item"
REFUSED_KEY: Final = "invalid"
"""The API key that is answered with 401; every other one is welcome."""
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
_IDLE_SECONDS: Final = 120.0
_HANG_SECONDS: Final = 3_600.0
_POLL_SECONDS: Final = 0.1
_TRICKLE_SECONDS: Final = 0.1
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One call to ``/v1/messages``. ``status`` is None while there is no answer, and for ever where none came."""

    time: str
    key: str
    status: int | None


class OfflineClaude:
    """The server. In a test: ``with OfflineClaude() as claude: ...`` and ``claude.base_url``.

    Args:
        port: 0 takes a free one.
        latency_seconds: how long an answer takes on average; half to one and a half times that, the same for
            the same item every time.
        clock: tells the time of a call.
    """

    def __init__(self, *, port: int = 0, latency_seconds: float = 0.0, clock: Clock | None = None) -> None:
        self._server = _Server(("127.0.0.1", port), self)
        self._latency_seconds = latency_seconds
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._seen: Counter[str] = Counter()
        self._requests = itertools.count(1)
        self._first_index = 0
        self.stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="offline-claude", daemon=True
        )

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls so far, oldest first."""
        with self._lock:
            return tuple(self._calls)

    def clear(self) -> None:
        """Forget the calls. How often an item was called is remembered: ``times`` goes on counting."""
        with self._lock:
            self._first_index += len(self._calls)
            self._calls.clear()

    def start(self) -> None:
        """Serve, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; open connections are closed."""
        self.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.stop()

    def received(self, key: str) -> int:
        """Note a call of the item ``key``; the number to give to :meth:`answered`."""
        with self._lock:
            self._calls.append(Call(to_iso(self._clock.now()), key, None))
            return self._first_index + len(self._calls) - 1

    def answered(self, number: int, status: int) -> None:
        """Note the status that the call ``number`` was answered with."""
        with self._lock:
            index = number - self._first_index
            if index >= 0:
                self._calls[index] = replace(self._calls[index], status=status)

    def times_called(self, key: str) -> int:
        """Count one more call of ``key``: how many there were, this one included."""
        with self._lock:
            self._seen[key] += 1
            return self._seen[key]

    def latency_seconds(self, key: str) -> float:
        """How long an answer to ``key`` takes."""
        return self._latency_seconds * (0.5 + _digest(key)[0] / 255)

    def request_id(self) -> str:
        """A new request's id."""
        return f"req_offline{next(self._requests):012d}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], claude: OfflineClaude) -> None:
        self.claude = claude
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the interface's own types
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  the interface's own type
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the interface's own types
        """Nothing to say where a client went away; anything else goes to standard error as usual."""
        if not self.claude.stopping.is_set() and not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "offline-claude"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = _IDLE_SECONDS
    server: _Server

    _ROUTES: ClassVar[frozenset[str]] = frozenset({MESSAGES_PATH, CALLS_PATH, HEALTH_PATH})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the interface's own name
        """Say nothing: the calls are listed at ``CALLS_PATH``."""

    def do_GET(self) -> None:
        """The calls, or whether the server is up."""
        match self.path.partition("?")[0]:
            case path if path == CALLS_PATH:
                items = [
                    {"time": call.time, "key": call.key, "status": call.status} for call in self.server.claude.calls
                ]
                self._json(_OK, {"items": items})
            case path if path == HEALTH_PATH:
                self._json(_OK, {"status": "ok"})
            case path:
                self._error(405 if path in self._ROUTES else 404, f"no GET {path} here")

    def do_DELETE(self) -> None:
        """Forget the calls."""
        path = self.path.partition("?")[0]
        if path != CALLS_PATH:
            self._error(405 if path in self._ROUTES else 404, f"no DELETE {path} here")
            return
        self.server.claude.clear()
        self.send_response(204)
        self.end_headers()

    def do_POST(self) -> None:
        """One call of the Messages API."""
        path = self.path.partition("?")[0]
        body = self._body()
        if body is None:
            return
        if path != MESSAGES_PATH:
            self._error(405 if path in self._ROUTES else 404, f"no POST {path} here")
            return
        self._call(body)

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._error(411, "a request needs a content-length")
            return None
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._error(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
            return None
        return self.rfile.read(int(length))

    def _call(self, body: bytes) -> None:
        claude = self.server.claude
        try:
            request = read_request(body)
            key = request.user_id or self.headers.get(ITEM_HEADER, "")
            directives = parse(request.text)
        except (BadRequestError, DirectiveError) as error:
            number = claude.received(self.headers.get(ITEM_HEADER, ""))
            claude.answered(number, 400)
            self._error(400, str(error))
            return
        number = claude.received(key)
        if not self._welcome():
            claude.answered(number, 401)
            self._error(401, "invalid x-api-key")
            return
        planned = plan(directives, claude.times_called(key or _digest(request.text).hex()))
        claude.stopping.wait(claude.latency_seconds(key) + planned.delay_seconds)
        self._answer(request, planned.fault, number)

    def _welcome(self) -> bool:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = self.headers.get("x-api-key", "") or bearer
        return key not in {"", REFUSED_KEY}

    def _answer(self, request: MessageRequest, fault: Directive | None, number: int) -> None:
        """Answer a call that was understood, noting the status first: whoever has the answer finds it listed."""
        match fault.fault if fault else None:
            case Fault.HANG:
                self._hang()
            case Fault.DISCONNECT:
                self._disconnect()
            case Fault.STATUS if fault is not None and fault.status is not None:
                self.server.claude.answered(number, fault.status)
                self._failure(fault, fault.status)
            case kind:
                self.server.claude.answered(number, _OK)
                self._message(request, kind)

    def _failure(self, fault: Directive, status: int) -> None:
        headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        self._error(
            status,
            f"The item's text asked the offline Claude for status {status}.",
            error_type=fault.error_type,
            error_code=fault.error_code,
            headers=headers,
        )

    def _message(self, request: MessageRequest, fault: Fault | None) -> None:
        request_id = self.server.claude.request_id()
        message = message_body(request, request_id, fault)
        match fault:
            case Fault.HTML:
                self._send(_OK, b"<html><body>Bad gateway</body></html>", request_id, "text/html; charset=utf-8")
            case Fault.CUT:
                self._cut(json.dumps(message).encode(), request_id)
            case Fault.TRICKLE:
                self._trickle(json.dumps(message).encode(), request_id)
            case _ if request.stream:
                self._stream(events(message), request_id)
            case _:
                self._send(_OK, json.dumps(message).encode(), request_id)

    def _hang(self) -> None:
        self._wait_for_the_client_to_leave(_HANG_SECONDS)
        self._disconnect()

    def _disconnect(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _wait_for_the_client_to_leave(self, seconds: float) -> bool:
        """Wait so long; whether the client left, or the server stops."""
        waited = 0.0
        while waited < seconds:
            if self.server.claude.stopping.wait(min(_POLL_SECONDS, seconds)):
                return True
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return True
            waited += _POLL_SECONDS
        return False

    def _cut(self, body: bytes, request_id: str) -> None:
        self.close_connection = True
        self._head(_OK, request_id, "application/json", {"connection": "close"})
        self.wfile.write(body[: len(body) // 2])

    def _trickle(self, body: bytes, request_id: str) -> None:
        self.close_connection = True
        self._head(_OK, request_id, "application/json", {"content-length": str(len(body))})
        for index in range(len(body)):
            self.wfile.write(body[index : index + 1])
            self.wfile.flush()
            if self._wait_for_the_client_to_leave(_TRICKLE_SECONDS):
                return

    def _stream(self, chunks: Iterable[bytes], request_id: str) -> None:
        self._head(_OK, request_id, "text/event-stream; charset=utf-8", {"transfer-encoding": "chunked"})
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _error(
        self,
        status: int,
        message: str,
        *,
        error_type: str | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        request_id = self.server.claude.request_id()
        body = error_body(status, message, request_id, error_type=error_type, error_code=error_code)
        self._send(status, json.dumps(body).encode(), request_id, headers=headers)

    def _json(self, status: int, document: object) -> None:
        self._send(status, json.dumps(document).encode(), self.server.claude.request_id())

    def _send(
        self,
        status: int,
        body: bytes,
        request_id: str,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._head(status, request_id, content_type, {"content-length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _head(self, status: int, request_id: str, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("request-id", request_id)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
