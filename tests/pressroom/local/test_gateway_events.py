"""Requests as API Gateway's HTTP API hands them on, and answers as HTTP."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from pressroom.local import gateway_events
from pressroom.local.gateway_events import MalformedAnswerError
from pressroom.local.listener import Request

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def request_of(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/projects/prj_1/members/client%3Aabc",
        "query": "limit=2&status=active&status=failed&empty=",
        "headers": (
            ("Host", "127.0.0.1:8787"),
            ("User-Agent", "pressroom/0.1"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", "17"),
            ("Accept", "a"),
            ("ACCEPT", "b"),
            ("Cookie", "one=1; two=2"),
        ),
        "body": '{"name": "Grün"}'.encode(),
        "peer": "127.0.0.1",
        "protocol": "HTTP/1.1",
    }
    return Request(**(fields | changes))


def event_of(request: Request, claims: dict[str, Any] | None = None) -> dict[str, Any]:
    return gateway_events.event(request, request_id="request-1", now=NOW, claims=claims)


GOLDEN = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/v1/projects/prj_1/members/client:abc",
    "rawQueryString": "limit=2&status=active&status=failed&empty=",
    "cookies": ["one=1", "two=2"],
    "headers": {
        "host": "127.0.0.1:8787",
        "user-agent": "pressroom/0.1",
        "content-type": "application/json; charset=utf-8",
        "content-length": "17",
        "accept": "a,b",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
    },
    "queryStringParameters": {"limit": "2", "status": "active,failed", "empty": ""},
    "requestContext": {
        "accountId": "000000000000",
        "apiId": "local",
        "authorizer": {
            "jwt": {
                "claims": {"sub": "1-2-3", "username": "alice", "exp": "1795350000", "cognito:groups": "[a b]"},
                "scopes": None,
            }
        },
        "domainName": "127.0.0.1:8787",
        "domainPrefix": "local",
        "http": {
            "method": "POST",
            "path": "/v1/projects/prj_1/members/client:abc",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "pressroom/0.1",
        },
        "requestId": "request-1",
        "routeKey": "$default",
        "stage": "$default",
        "time": "22/Nov/2026:12:00:00 +0000",
        "timeEpoch": 1795348800250,
    },
    "body": '{"name": "Grün"}',
    "isBase64Encoded": False,
}


def test_event_is_the_gateways_when_a_request_has_everything() -> None:
    claims = {"sub": "1-2-3", "username": "alice", "exp": 1795350000, "cognito:groups": ["a", "b"]}

    assert event_of(request_of(), claims) == GOLDEN


def test_event_leaves_out_what_is_not_there_when_a_request_is_bare() -> None:
    event = event_of(request_of(method="GET", path="/v1/health", query="", headers=(), body=b""))

    assert not {"cookies", "queryStringParameters", "body"} & event.keys()
    assert "authorizer" not in event["requestContext"]
    assert event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/octet-stream", b"\x00\xff"), ("application/json", b"\xff\xfe"), ("multipart/form-data", b"text")],
)
def test_body_is_base64_when_it_is_no_text(content_type: str, body: bytes) -> None:
    event = event_of(request_of(headers=(("Content-Type", content_type),), body=body))

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_response_carries_status_headers_cookies_and_body_when_the_answer_has_them() -> None:
    response = gateway_events.response(
        {
            "statusCode": 202,
            "headers": {"Location": "/v1/jobs/1", "Content-Length": "999", "content-type": "application/json"},
            "multiValueHeaders": {"Link": ["<a>", "<b>"]},
            "cookies": ["a=1"],
            "body": '{"ä": 1}',
            "isBase64Encoded": False,
        }
    )

    assert response.status == 202
    assert response.body == '{"ä": 1}'.encode()
    assert response.headers == (
        ("Location", "/v1/jobs/1"),
        ("content-type", "application/json"),
        ("Link", "<a>"),
        ("Link", "<b>"),
        ("Set-Cookie", "a=1"),
    )


def test_response_is_decoded_when_the_answer_is_base64() -> None:
    answer = {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}

    assert gateway_events.response(answer).body == b"\x00\xff"


def test_response_is_a_200_of_json_when_the_answer_has_no_status() -> None:
    response = gateway_events.response({"hello": "world"})

    assert (response.status, response.body) == (200, b'{"hello": "world"}')


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "§", "isBase64Encoded": True},
    ],
)
def test_answer_is_refused_when_it_is_no_response(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedAnswerError):
        gateway_events.response(answer)
