"""The client library on a front desk, without a socket: what it sends is what the real api answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from tests.support.http_events import ApiClient

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk

__all__ = ["direct"]


def direct(desk: FrontDesk) -> httpx2.MockTransport:
    """A transport to ``desk``; the bearer token is the caller's name."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        user = request.headers["authorization"].removeprefix("Bearer ")
        body = request.read().decode()
        told = ApiClient(desk.respond, user=user).call(
            request.method,
            request.url.path,  # decoded, as the gateway hands it on
            body=body or None,
            headers=dict(request.headers),
            query=dict(request.url.params),
        )
        return httpx2.Response(told.status, headers=dict(told.headers), content=told.content)

    return httpx2.MockTransport(answer)
