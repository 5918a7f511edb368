"""The gateway: who gets through, what is only here, and what becomes of an api that fails."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.authorizer import Authorizer
from pressroom.local.errors import (
    HandlerError,
    InvocationTimeoutError,
    NoWorkerError,
    ServicesError,
    SignInError,
    WorkerDiedError,
)
from pressroom.local.gateway import Gateway
from pressroom.local.listener import Request, Response
from shared.contracts.sign_in import Scope
from tests.support.clock import ManualClock
from tests.support.tokens import Signer

if TYPE_CHECKING:
    from pressroom.local.token_requests import TokenRequest


class Api:
    """An api function that answers what a test wants, and remembers its events."""

    def __init__(self, answer: object = None) -> None:
        self.answer = {"statusCode": 200, "body": "{}"} if answer is None else answer
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: object, *, request_id: str, patience_seconds: float) -> Any:
        assert isinstance(event, dict)
        assert event["requestContext"]["requestId"] == request_id
        assert patience_seconds <= 30
        self.events.append(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def sign_in(request: TokenRequest) -> str:
    user = request.name
    if request.scopes is not None:
        return f"token-of-{user}-for-{' '.join(request.scopes)}"
    if user == "refused":
        raise SignInError("the user pool refuses the user name 'refused'")
    if user == "unlucky":
        raise ServicesError("the user pool does not answer")
    return f"token-of-{user}"


def ask(
    method: str,
    path: str,
    *,
    api: Api | None = None,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    refused: HTTPStatus | None = None,
) -> Response:
    signer = Signer()
    authorizer = Authorizer(signer.key_set, issuer=signer.issuer, is_client=signer.is_client)
    gateway = Gateway(api or Api(), claims=authorizer.claims, token=sign_in, claude_url=None, clock=ManualClock())
    request = Request(method, path, "", tuple((headers or {}).items()), body, "127.0.0.1", "HTTP/1.1", refused)
    return gateway.answer(request)


def bearer(**changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {Signer().token(**changes)}"}


def problem_of(response: Response) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(response.body)
    headers = dict(response.headers)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-Id"] == problem["request_id"]
    assert problem["status"] == response.status
    assert problem.keys() >= {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}
    return problem


def test_api_gets_the_claims_when_the_token_is_good() -> None:
    api = Api()

    response = ask("GET", "/v1/kinds", api=api, headers=bearer(username="bob"))

    assert response.status == 200
    assert api.events[0]["requestContext"]["authorizer"]["jwt"]["claims"]["username"] == "bob"
    assert dict(response.headers)["X-Request-Id"] == api.events[0]["requestContext"]["requestId"]


@pytest.mark.acceptance(41)
@pytest.mark.parametrize("headers", [{}, bearer(exp=1_000_000_000), bearer(token_use="id"), bearer(key_id="key-2")])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_request_is_401_and_the_api_hears_nothing_when_the_token_does_not_pass(
    method: str, headers: dict[str, str]
) -> None:
    api = Api()

    response = ask(method, "/v1/projects", api=api, headers=headers)

    assert (response.status, problem_of(response)["code"]) == (401, "unauthorized")
    assert dict(response.headers)["WWW-Authenticate"].startswith("Bearer")
    assert api.events == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/v1/health", "/v1/openapi.json", "/docs"])
def test_api_is_asked_without_a_token_when_the_route_is_open(method: str, path: str) -> None:
    api = Api()

    assert ask(method, path, api=api).status == 200
    assert api.events[0]["requestContext"]["http"]["method"] == "GET"
    assert "authorizer" not in api.events[0]["requestContext"]


def test_route_is_not_open_when_the_method_is_another() -> None:
    assert ask("POST", "/v1/health").status == 401


def test_request_id_is_the_apis_when_it_sends_one() -> None:
    api = Api({"statusCode": 200, "headers": {"x-request-id": "its-own"}, "body": "{}"})

    response = ask("GET", "/v1/health", api=api)

    assert [value for name, value in response.headers if name.lower() == "x-request-id"] == ["its-own"]


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (HandlerError("api", "KeyError", "secret detail"), 500, "internal_error"),
        ({"statusCode": "x"}, 500, "internal_error"),
        (RuntimeError("ours"), 500, "internal_error"),
        (WorkerDiedError("api"), 503, "unavailable"),
        (InvocationTimeoutError("api", 29), 503, "unavailable"),
        (NoWorkerError("api", 16), 503, "unavailable"),
    ],
)
def test_caller_gets_a_problem_without_a_trace_when_the_api_fails(failure: object, status: int, code: str) -> None:
    response = ask("GET", "/v1/kinds", api=Api(failure), headers=bearer())

    problem = problem_of(response)
    assert (response.status, problem["code"]) == (status, code)
    assert "secret" not in response.body.decode()
    if status == 503:
        assert problem["retryable"] is True
        assert dict(response.headers)["Retry-After"] == "1"


@pytest.mark.acceptance(8)
def test_request_is_413_when_the_listener_refused_its_body() -> None:
    response = ask("POST", "/v1/projects", headers=bearer(), refused=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    assert (response.status, problem_of(response)["code"]) == (413, "request_too_large")


@pytest.mark.acceptance(8)
def test_request_is_413_when_its_event_is_larger_than_lambda_takes() -> None:
    api = Api()
    body = b'"' * (4 * 1024 * 1024)  # each quotation mark is two characters of JSON

    response = ask("POST", "/v1/x", api=api, headers=bearer() | {"Content-Type": "application/json"}, body=body)

    assert response.status == 413
    assert api.events == []


def test_request_is_400_when_its_body_could_not_be_read() -> None:
    assert problem_of(ask("POST", "/v1/x", refused=HTTPStatus.BAD_REQUEST))["code"] == "bad_request"


def test_token_is_given_when_a_user_asks() -> None:
    response = ask("POST", "/local/token", body=b'{"user": "alice"}')

    assert (response.status, json.loads(response.body)) == (200, {"token": "token-of-alice"})
    assert "X-Request-Id" in dict(response.headers)


@pytest.mark.parametrize(
    ("scopes", "told"), [(b', "scopes": ["pressroom/jobs.read"]', "pressroom/jobs.read"), (b"", " ".join(Scope))]
)
def test_token_is_given_when_a_machine_asks(scopes: bytes, told: str) -> None:
    response = ask("POST", "/local/token", body=b'{"client": "nightly"' + scopes + b"}")

    assert json.loads(response.body) == {"token": f"token-of-nightly-for-{told}"}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"", [""]),
        (b"{", [""]),
        (b"\xff", [""]),
        (b"[]", [""]),
        (b"{}", ["/user"]),
        (b'{"user": 7}', ["/user"]),
        (b'{"user": ""}', ["/user"]),
        (b'{"user": "a b"}', ["/user"]),
        (b'{"user": "a\\u0000"}', ["/user"]),
        (b'{"user": "refused"}', ["/user"]),
        (b'{"user": "alice", "scopes": ["pressroom/jobs.read"]}', ["/scopes"]),
        (b'{"client": "", "user": "alice", "scopes": []}', ["/user", "/client", "/scopes"]),
        (
            b'{"client": "nightly", "scopes": ["pressroom/jobs.read", "jobs.read", 7, []]}',
            [f"/scopes/{n}" for n in "123"],
        ),
        (b'{"user": "alice", "role": "owner", "a/b": 1}', ["/role", "/a~1b"]),
        (json.dumps({"user": "x" * 129}).encode(), ["/user"]),
    ],
)
def test_token_is_refused_with_every_bad_field_when_the_body_is_bad(body: bytes, pointers: list[str]) -> None:
    response = ask("POST", "/local/token", body=body)

    assert response.status == 422
    assert [error["pointer"] for error in problem_of(response)["errors"]] == pointers


def test_token_is_503_when_the_pool_does_not_answer() -> None:
    assert ask("POST", "/local/token", body=b'{"user": "unlucky"}').status == 503


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/local/token", 405),
        ("GET", "/local/nothing", 404),
        ("GET", "/local", 404),
        ("GET", "/local/claude/calls", 404),
    ],
)
def test_local_route_is_a_problem_when_it_does_not_exist(method: str, path: str, status: int) -> None:
    response = ask(method, path)

    assert response.status == status
    problem_of(response)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8787", 200),
        ("localhost:8787", 200),
        ("LOCALHOST", 200),
        ("[::1]:8787", 200),
        ("evil.example:8787", 403),
        ("evil.example", 403),
    ],
)
def test_token_is_refused_when_a_page_elsewhere_names_this_machine(host: str, status: int) -> None:
    response = ask("POST", "/local/token", body=b'{"user": "alice"}', headers={"Host": host})

    assert response.status == status
