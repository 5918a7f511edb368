"""HTTP/1.1 on loopback: reads a request whole, hands it to a function, writes its answer. A thread a connection."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import urlsplit

from pressroom.local.errors import PortTakenError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOST", "MAX_BODY_BYTES", "Listener", "Request", "Response"]

_log: Final = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
MAX_BODY_BYTES: Final = 10 * 1024 * 1024
"""An HTTP API takes no more."""
_DRAIN_BYTES: Final = 64 * 1024 * 1024
"""So much of a body that is too large is read and thrown away, so that the client hears the answer."""
_CHUNK: Final = 1 << 16
_IDLE_SECONDS: Final = 75.0
_NO_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    """Still percent-encoded."""
    query: str
    headers: tuple[tuple[str, str], ...]
    """In order, as spelled."""
    body: bytes
    peer: str
    """The client's address."""
    protocol: str
    refused: HTTPStatus | None = None
    """Why the body could not be read: 400 or 413; the connection ends after the answer."""

    def header(self, name: str) -> str | None:
        """The header's values joined by a comma; None without one."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; length and connection headers are added."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = field(default=())


class _UnreadableBodyError(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True
    app: Callable[[Request], Response]

    def server_bind(self) -> None:
        """Without the base class's look-up of our own name, which may take seconds."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  the base class's
        """A client that went away is no event; everything else is our own fault."""
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request could not be answered")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    wbufsize = -1
    server_version = "pressroom"
    sys_version = ""

    def _answer(self) -> None:
        body, refused = b"", None
        try:
            body = self._read_body()
        except _UnreadableBodyError as error:
            refused, self.close_connection = error.status, True
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers=tuple(self.headers.items()),
            body=body,
            peer=str(self.client_address[0]),
            protocol=self.request_version,
            refused=refused,
        )
        self._write(cast("_Server", self.server).app(request))

    def __getattr__(self, name: str) -> Callable[[], None]:
        """``do_GET`` and the like: which methods a route takes is the API's to say, so any method reaches it."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status not in _NO_BODY:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status not in _NO_BODY:
            self.wfile.write(response.body)

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        text = self.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdecimal()):
            raise _UnreadableBodyError(HTTPStatus.BAD_REQUEST)
        length = int(text)
        if length > MAX_BODY_BYTES:
            self._drain(length)
        return self._read(length)

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(_CHUNK).split(b";")[0], 16)
            except ValueError:
                raise _UnreadableBodyError(HTTPStatus.BAD_REQUEST) from None
            if size < 0 or total + size > _DRAIN_BYTES:
                raise _UnreadableBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if size == 0:
                break
            part = self._read(size)
            self.rfile.readline(_CHUNK)
            total += size
            if total <= MAX_BODY_BYTES:
                parts.append(part)
        while self.rfile.readline(_CHUNK).strip():
            pass  # trailers
        if total > MAX_BODY_BYTES:
            raise _UnreadableBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return b"".join(parts)

    def _read(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise _UnreadableBodyError(HTTPStatus.BAD_REQUEST)
        return body

    def _drain(self, length: int) -> NoReturn:
        left = min(length, _DRAIN_BYTES)
        while left > 0:
            part = self.rfile.read(min(left, _CHUNK))
            if not part:
                break
            left -= len(part)
        raise _UnreadableBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """No access log."""


class Listener:
    """A server on loopback. It holds its port from construction; connections wait until :meth:`start`."""

    def __init__(self, *, port: int = 0) -> None:
        """Takes the port; 0 takes any.

        Raises:
            PortTakenError: somebody listens there already.
        """
        try:
            self._server = _Server((HOST, port), _Handler)
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                raise PortTakenError(port) from error
            raise
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="listener", daemon=True
        )

    @property
    def port(self) -> int:
        """The port."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def start(self, app: Callable[[Request], Response]) -> None:
        """Begins to answer with ``app``, which may run in any number of threads."""
        self._server.app = app
        self._thread.start()

    def stop(self) -> None:
        """Takes no new connections; answers in the making go out."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()

    def close(self) -> None:
        """Gives the port back."""
        self.stop()
        self._server.server_close()
