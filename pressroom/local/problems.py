"""What the gateway itself answers, in the shape of the API's contract (RFC 9457)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pressroom.local.listener import Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http import HTTPStatus

    from shared.errors import BadField

__all__ = ["problem"]


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    instance: str,
    request_id: str,
    retryable: bool = False,
    errors: Sequence[BadField] = (),
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """A problem of the contract, ``errors`` only where there are some."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "retryable": retryable,
    }
    if errors:
        body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return Response(
        status=int(status),
        body=json.dumps(body, ensure_ascii=False).encode(),
        headers=(("Content-Type", "application/problem+json"), ("X-Request-Id", request_id), *headers),
    )
