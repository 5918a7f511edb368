"""Requests as API Gateway's HTTP API hands them to a Lambda function, and the function's answers as HTTP.

Payload format 2.0, see
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from pressroom.local.listener import Response
from pressroom.local.worker import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pressroom.local.listener import Request

__all__ = ["MalformedAnswerError", "claims_as_text", "event", "response"]

_API_ID: Final = "local"
_TEXT_TYPES: Final = ("text/", "application/json", "application/javascript", "application/xml")
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class MalformedAnswerError(Exception):
    """The function answered something that is no HTTP response."""


def event(request: Request, *, request_id: str, now: datetime, claims: Mapping[str, Any] | None) -> dict[str, Any]:
    """The event of a request; ``claims`` are the token's, None where the route asks for no token."""
    path = unquote(request.path)  # an HTTP API decodes the path, rawPath included, and leaves the query alone
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers:
        key = name.lower()
        if key == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        elif key not in _HOP_BY_HOP or key == "content-length":
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    headers["x-forwarded-for"] = request.peer
    headers["x-forwarded-proto"] = "http"
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": _API_ID,
        "domainName": headers.get("host", ""),
        "domainPrefix": _API_ID,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": request.peer,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
        "timeEpoch": int(now.timestamp() * 1000),
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": claims_as_text(claims), "scopes": None}}
    body = _Body.of(request.body, headers.get("content-type", ""))
    return (
        {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": request.query,
            "headers": headers,
            "requestContext": context,
            "isBase64Encoded": body.is_base64,
        }
        | ({"cookies": cookies} if cookies else {})
        | ({"queryStringParameters": _query(request.query)} if request.query else {})
        | ({"body": body.text} if request.body else {})
    )


def claims_as_text(claims: Mapping[str, Any]) -> dict[str, str]:
    """A token's claims as the gateway hands them on: all text, lists as ``[a b]``."""
    return {
        name: f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)
        for name, value in claims.items()
    }


def _query(query: str) -> dict[str, str]:
    """Decoded, repeated names joined by a comma."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


@dataclass(frozen=True, slots=True)
class _Body:
    text: str
    is_base64: bool

    @classmethod
    def of(cls, body: bytes, content_type: str) -> _Body:
        """Text types go as they are, everything else as base64."""
        if content_type.lower().startswith(_TEXT_TYPES):
            try:
                return cls(body.decode(), is_base64=False)
            except UnicodeDecodeError:
                pass  # a lie about the type: base64 keeps the bytes for the function to refuse
        return cls(base64.b64encode(body).decode(), is_base64=bool(body))


def response(answer: object) -> Response:
    """The HTTP response of what the function answered.

    As the gateway does, an answer without ``statusCode`` is the body of a 200.

    Raises:
        MalformedAnswerError: status, headers or body are not what format 2.0 says.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(200, json.dumps(answer).encode(), (("Content-Type", "application/json"),))
    try:
        headers = [(str(name), str(value)) for name, value in (answer.get("headers") or {}).items()]
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            headers += [(str(name), str(value)) for value in values]
        headers += [("Set-Cookie", str(cookie)) for cookie in answer.get("cookies") or ()]
        body = answer.get("body") or ""
        content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
        status = int(answer["statusCode"])
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise MalformedAnswerError(str(error)) from error
    if not any(name.lower() == "content-type" for name, _ in headers) and content:
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    return Response(status, content, tuple(pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP))
