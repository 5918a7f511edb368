"""The offline Claude: an HTTP server on loopback that speaks the Messages API, so that the real SDK code runs."""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from pressroom.local.claude.handler import (
    CALLS_PATH,
    HEALTH_PATH,
    ITEM_HEADER,
    MAX_BODY_BYTES,
    MESSAGES_PATH,
    REFUSED_KEY,
    Handler,
    digest,
)
from pressroom.local.claude.rate_limit import RateLimit
from shared.clock import SystemClock, to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from shared.clock import Clock

__all__ = [
    "CALLS_PATH",
    "HEALTH_PATH",
    "ITEM_HEADER",
    "MAX_BODY_BYTES",
    "MESSAGES_PATH",
    "REFUSED_KEY",
    "Call",
    "OfflineClaude",
]


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
        rate: requests a second that are allowed, the others get 429; None allows all.
        burst: how many of them may come at once; by default those of a second.
        tells: whether an answer says what is allowed and how much of it is left.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency_seconds: float = 0.0,
        clock: Clock | None = None,
        rate: float | None = None,
        burst: float | None = None,
        tells: bool = True,
    ) -> None:
        self._server = Server(("127.0.0.1", port), self)
        self._latency_seconds = latency_seconds
        self._clock: Clock = clock or SystemClock()
        self._limit = None if rate is None else RateLimit(rate, self._clock, burst=burst, tells=tells)
        self._left: list[str] = []
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

    @property
    def left(self) -> tuple[str, ...]:
        """The keys of the calls whose client went away while its answer was written, in that order."""
        with self._lock:
            return tuple(self._left)

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

    def admit(self) -> tuple[bool, Mapping[str, str]]:
        """Whether the rate limit allows one more call, and what its answer tells about the limit."""
        return (True, {}) if self._limit is None else self._limit.admit()

    def gone(self, key: str) -> None:
        """Note that the client of a call of ``key`` went away while its answer was written."""
        with self._lock:
            self._left.append(key)

    def times_called(self, key: str) -> int:
        """Count one more call of ``key``: how many there were, this one included."""
        with self._lock:
            self._seen[key] += 1
            return self._seen[key]

    def latency_seconds(self, key: str) -> float:
        """How long an answer to ``key`` takes."""
        return self._latency_seconds * (0.5 + digest(key)[0] / 255)

    def request_id(self) -> str:
        """A new request's id."""
        return f"req_offline{next(self._requests):012d}"


class Server(ThreadingHTTPServer):
    """The listening socket of ``claude``, a thread a connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], claude: OfflineClaude) -> None:
        self.claude = claude
        self._connections: set[socket.socket] = set()
        super().__init__(address, Handler)

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
