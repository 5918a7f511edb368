"""An HTTP transport with a time limit for the whole call, and an ear for whether it is still wanted.

The timeouts of an HTTP client bound one read. A body that trickles, a byte a second, passes them for ever. Here
every operation on the socket gets what is left of the call, however many operations there are, so that the answer
is complete by then or :class:`httpx2.TimeoutException` is raised and the connection closed.

A read waits in slices. Between them it is asked whether the call was cancelled, also while nothing arrives: no
thread is needed to watch, and none can be left behind.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["AbandonedError", "DeadlineTransport", "never"]

_SLICE_SECONDS: Final = 0.5
"""So long a read waits before it is asked again whether anybody still wants it."""


class AbandonedError(Exception):
    """The call was cancelled while it was waited for; its connection is closed."""


def never() -> bool:
    """Whether the call was cancelled: of one that nobody can cancel."""
    return False


class _Deadline(threading.local):
    """When the calling thread's call must be over, on the monotonic clock, and whether it was cancelled."""

    at: float | None = None
    cancelled: Callable[[], bool] = staticmethod(never)

    def left(self, timeout: float | None) -> float | None:
        """The time that one operation may take: ``timeout``, or less."""
        if self.at is None:
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the call's time is over")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes, as soon as there are any.

        Raises:
            AbandonedError: the call was cancelled.
        """
        left = self._deadline.left(timeout)
        ends = None if left is None else time.monotonic() + left
        while True:
            if self._deadline.cancelled():
                raise AbandonedError
            left = _SLICE_SECONDS if ends is None else ends - time.monotonic()
            try:
                return self._inner.read(max_bytes, timeout=max(0.001, min(left, _SLICE_SECONDS)))
            except httpcore2.ReadTimeout:
                if ends is not None and time.monotonic() >= ends:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout=self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  the interface's own type
        return self._inner.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._inner = httpcore2.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        inner = self._inner.connect_tcp(
            host,
            port,
            timeout=self._deadline.left(timeout),
            local_address=local_address,
            socket_options=socket_options,
        )
        return _Stream(inner, self._deadline)


class DeadlineTransport(httpx2.HTTPTransport):
    """Sends requests for ``base_url``, through the environment's proxy if there is one for it."""

    def __init__(self, base_url: httpx2.URL) -> None:
        super().__init__(proxy=_proxy_for(base_url))
        self._deadline = _Deadline()
        # The pool takes a network backend, the transport around it has no parameter for one. A trickling answer
        # in the tests shows that this still takes effect.
        self._pool._network_backend = _Backend(self._deadline)  # noqa: SLF001

    @contextmanager
    def within(self, seconds: float, cancelled: Callable[[], bool] = never) -> Iterator[None]:
        """Everything that this thread sends and receives in the block must be over in ``seconds``.

        ``cancelled`` is asked about twice a second while an answer is waited for or arrives; it must be quick.
        Where it says so, :class:`AbandonedError` is raised.
        """
        self._deadline.at = time.monotonic() + seconds
        self._deadline.cancelled = cancelled
        try:
            yield
        finally:
            self._deadline.at = None
            self._deadline.cancelled = never


def _proxy_for(url: httpx2.URL) -> str | None:
    if proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
