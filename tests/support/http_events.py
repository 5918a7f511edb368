"""Requests as API Gateway's HTTP API hands them to the api's handler (payload format 2.0), and its answers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support.lambda_context import FakeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ApiClient", "HttpAnswer", "access_claims", "http_event", "machine_claims"]

REQUEST_ID: Final = "JKJaXmPLvHcESHA="


def access_claims(user: str) -> dict[str, str]:
    """The claims of a person's access token, as the gateway hands them on: all text."""
    return {
        "sub": f"sub-of-{user}",
        "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool",
        "client_id": "3n4b5urk1ft4fl3mg5e62d9ado",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "username": user,
        "exp": "1763814000",
    }


def machine_claims(*scopes: str, client_id: str = "1example23456789") -> dict[str, str]:
    """The claims of a machine's token (client credentials): no user, and the scopes that it was asked for with."""
    return {
        "sub": client_id,
        "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool",
        "client_id": client_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "exp": "1763814000",
    }


def http_event(
    method: str,
    path: str,
    *,
    claims: Mapping[str, str] | None = None,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    base64_encoded: bool = False,
) -> dict[str, Any]:
    """An event of payload format 2.0. Header names are lower case, as the gateway makes them."""
    sent = {"host": "api.example.com", "user-agent": "test", "x-forwarded-proto": "https", **(headers or {})}
    context: dict[str, Any] = {
        "accountId": "123456789012",
        "apiId": "r3pmxmplak",
        "domainName": "r3pmxmplak.execute-api.us-east-2.amazonaws.com",
        "domainPrefix": "r3pmxmplak",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "205.255.255.176",
            "userAgent": "test",
        },
        "requestId": REQUEST_ID,
        "routeKey": "$default",
        "stage": "$default",
        "time": "22/Nov/2026:12:00:00 +0000",
        "timeEpoch": 1795348800000,
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {name.lower(): value for name, value in sent.items()},
        "requestContext": context,
        "isBase64Encoded": base64_encoded,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = body
    return event


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the gateway would send; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> HttpAnswer:
        """The answer that ``response``, in payload format 2.0, makes."""
        body: str = response["body"]
        content = base64.b64decode(body, validate=True) if response["isBase64Encoded"] else body.encode()
        return cls(response["statusCode"], {name.lower(): v for name, v in response["headers"].items()}, content)

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.content)

    @property
    def text(self) -> str:
        """The body."""
        return self.content.decode()

    @property
    def pointers(self) -> dict[str, str]:
        """The bad fields of a problem."""
        return {bad["pointer"]: bad["detail"] for bad in self.json["errors"]}

    @property
    def next_query(self) -> dict[str, str] | None:
        """The query that the Link header says to go on with."""
        link = self.headers.get("link")
        if link is None:
            return None
        target, _, relation = link.partition(">; ")
        assert relation == 'rel="next"'
        return dict(parse_qsl(urlsplit(target.removeprefix("<")).query))


@dataclass(frozen=True)
class ApiClient:
    """Calls a handler as one user; None is nobody."""

    handler: Callable[[Mapping[str, Any], FakeContext], dict[str, Any]]
    user: str | None = "alice"
    milliseconds_left: int = 29_000
    last_event: dict[str, Any] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        json_body: object = None,
        *,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        claims: Mapping[str, str] | None = None,
        base64_encoded: bool = False,
    ) -> HttpAnswer:
        """One request."""
        sent = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body)
            sent.setdefault("content-type", "application/json")
        if claims is None and self.user is not None:
            claims = access_claims(self.user)
        event = http_event(
            method,
            path,
            claims=claims,
            body=body,
            headers=sent,
            query={name: str(value) for name, value in (query or {}).items()},
            base64_encoded=base64_encoded,
        )
        return self.send(event)

    def send(self, event: Mapping[str, Any]) -> HttpAnswer:
        """An event as it is."""
        return HttpAnswer.of(self.handler(event, FakeContext(milliseconds_left=self.milliseconds_left)))

    def get(self, path: str, **parts: Any) -> HttpAnswer:
        """GET."""
        return self.call("GET", path, **parts)

    def post(self, path: str, json_body: object = None, **parts: Any) -> HttpAnswer:
        """POST."""
        return self.call("POST", path, json_body, **parts)

    def put(self, path: str, json_body: object = None, **parts: Any) -> HttpAnswer:
        """PUT."""
        return self.call("PUT", path, json_body, **parts)

    def delete(self, path: str, **parts: Any) -> HttpAnswer:
        """DELETE."""
        return self.call("DELETE", path, **parts)
