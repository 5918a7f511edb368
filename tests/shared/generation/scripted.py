"""A server that gives every request one prepared answer, and remembers the requests."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

__all__ = ["Received", "Scripted", "scripted"]


@dataclass(frozen=True)
class Received:
    headers: Mapping[str, str]
    body: bytes
    path: str


@dataclass
class Scripted:
    url: str
    requests: list[Received] = field(default_factory=list)


@contextmanager
def scripted(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    seconds_a_byte: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Scripted]:
    """Serves until the block ends. With ``seconds_a_byte`` the body trickles."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            received = self.rfile.read(int(self.headers["content-length"]))
            told.requests.append(Received({k.lower(): v for k, v in self.headers.items()}, received, self.path))
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.close_connection = True
            if not seconds_a_byte:
                self.wfile.write(body)
                return
            for index in range(len(body)):
                if ended.wait(seconds_a_byte):
                    return
                try:
                    self.wfile.write(body[index : index + 1])
                except OSError:
                    return

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is part of the plan."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    told = Scripted(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
