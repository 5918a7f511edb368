"""One connection of the offline Claude: requests in, answers and faults out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import select
import socket
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from pressroom.local.claude.directives import Directive, DirectiveError, Fault, Plan, parse, plan
from pressroom.local.claude.messages import (
    BadRequestError,
    MessageRequest,
    error_body,
    events,
    message_body,
    read_request,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pressroom.local.claude.server import Server

__all__ = [
    "CALLS_PATH",
    "HEALTH_PATH",
    "ITEM_HEADER",
    "MAX_BODY_BYTES",
    "MESSAGES_PATH",
    "REFUSED_KEY",
    "Handler",
    "digest",
]

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


def digest(text: str) -> bytes:
    """A number out of ``text``, the same every time."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "offline-claude"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = _IDLE_SECONDS
    server: Server

    _rate_headers: Mapping[str, str] = MappingProxyType({})
    """What the next answer tells about the rate limit."""
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
        allowed, self._rate_headers = claude.admit()
        if not allowed:
            claude.answered(number, 429)
            self._error(429, "This request would exceed your rate limit.")
            return
        planned = plan(directives, claude.times_called(key or digest(request.text).hex()))
        claude.stopping.wait(claude.latency_seconds(key) + planned.delay_seconds)
        self._answer(request, planned, number)

    def _welcome(self) -> bool:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = self.headers.get("x-api-key", "") or bearer
        return key not in {"", REFUSED_KEY}

    def _answer(self, request: MessageRequest, planned: Plan, number: int) -> None:
        """Answer a call that was understood, noting the status first: whoever has the answer finds it listed."""
        fault = planned.fault
        match fault.fault if fault else None:
            case Fault.HANG:
                self._hang()
            case Fault.DISCONNECT:
                self._disconnect()
            case Fault.STATUS if fault is not None and fault.status is not None:
                self.server.claude.answered(number, fault.status)
                self._failure(fault, fault.status)
            case _:
                self.server.claude.answered(number, _OK)
                self._message(request, planned)

    def _failure(self, fault: Directive, status: int) -> None:
        headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        self._error(
            status,
            f"The item's text asked the offline Claude for status {status}.",
            error_type=fault.error_type,
            error_code=fault.error_code,
            headers=headers,
        )

    def _message(self, request: MessageRequest, planned: Plan) -> None:
        request_id = self.server.claude.request_id()
        fault = planned.fault.fault if planned.fault else None
        message = message_body(request, request_id, fault)
        if fault is Fault.HTML:
            self._send(_OK, b"<html><body>Bad gateway</body></html>", request_id, "text/html; charset=utf-8")
        elif request.stream:
            error_type = planned.fault.error_type if planned.fault else None
            chunks = list(events(message, interrupted=fault is Fault.INTERRUPTED, error_type=error_type))
            self._stream(chunks, request_id, planned, request.user_id)
        else:
            self._whole(json.dumps(message).encode(), request_id, fault)

    def _whole(self, body: bytes, request_id: str, fault: Fault | None) -> None:
        if fault is Fault.CUT:
            self._cut(body, request_id)
        elif fault is Fault.TRICKLE:
            self._trickle(body, request_id)
        else:
            self._send(_OK, body, request_id)

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
            if self.server.claude.stopping.wait(min(_POLL_SECONDS, seconds - waited)):
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

    def _stream(self, chunks: Sequence[bytes], request_id: str, planned: Plan, key: str) -> None:
        """The answer's events, ``write_seconds`` from the first to the last; a cut one ends with half of them."""
        fault = planned.fault.fault if planned.fault else None
        pause = planned.write_seconds / len(chunks)
        if fault is Fault.TRICKLE:
            whole = b"".join(chunks)
            chunks, pause = [whole[index : index + 1] for index in range(len(whole))], _TRICKLE_SECONDS
        elif fault is Fault.CUT:
            self.close_connection = True
            chunks = chunks[: len(chunks) // 2]
        self._head(_OK, request_id, "text/event-stream; charset=utf-8", {"transfer-encoding": "chunked"})
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
            if pause and self._wait_for_the_client_to_leave(pause):
                self.close_connection = True
                self.server.claude.gone(key)
                return
        if fault is not Fault.CUT:
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
        for name, value in {**self._rate_headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self._rate_headers = {}
