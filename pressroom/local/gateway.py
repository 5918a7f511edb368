"""The HTTP API of the local runtime: API Gateway's part, and the few routes that exist only here.

In AWS the gateway answers its own errors in its own shape; here they have the shape of the API's contract.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as UrlRequest

from pressroom.local import gateway_events
from pressroom.local.authorizer import TokenRefusedError
from pressroom.local.errors import HandlerError, InvocationError, ServicesError, SignInError
from pressroom.local.listener import Request, Response
from pressroom.local.problems import problem
from pressroom.local.token_requests import BadTokenRequestError, TokenRequest, read_token_request
from shared.errors import BadField

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock

__all__ = ["Gateway", "Invoke"]

_log: Final = logging.getLogger(__name__)

OPEN_PATHS: Final = frozenset({"/v1/health", "/v1/openapi.json", "/docs"})
"""What needs no token, beside ``/local/``."""
MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Lambda takes no larger event."""
_PATIENCE_SECONDS: Final = 29.0
_CLAUDE_SECONDS: Final = 10.0
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_RETRY: Final = (("Retry-After", "1"),)


class Invoke(Protocol):
    """Hands an event to the api function."""

    def __call__(self, event: object, *, request_id: str, patience_seconds: float) -> Any:  # noqa: ANN401  JSON
        """The handler's answer.

        Raises:
            InvocationError: there is none.
        """
        ...


class Gateway:
    """Answers requests; :meth:`answer` may run in any number of threads."""

    def __init__(
        self,
        invoke: Invoke,
        *,
        claims: Callable[[str | None], dict[str, Any]],
        token: Callable[[TokenRequest], str],
        claude_url: str | None,
        clock: Clock,
    ) -> None:
        """Takes the gateway's collaborators.

        Args:
            invoke: hands an event to the api function.
            claims: checks an ``Authorization`` header; raises TokenRefusedError.
            token: signs a person or a machine in; raises SignInError.
            claude_url: where the offline Claude is; None when the real one is used.
            clock: tells the event's time.
        """
        self._invoke = invoke
        self._claims = claims
        self._token = token
        self._claude_url = claude_url
        self._clock = clock

    def answer(self, request: Request) -> Response:
        """The answer to a request; every one carries ``X-Request-Id``."""
        exchange = _Exchange(request, str(uuid.uuid4()))
        try:
            response = self._route(exchange)
        except Exception:  # noqa: BLE001  the outermost edge of a request
            _log.exception("a request could not be answered (%s)", exchange.request_id)
            response = exchange.problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something broke.")
        if not any(name.lower() == "x-request-id" for name, _ in response.headers):
            response = replace(response, headers=(*response.headers, ("X-Request-Id", exchange.request_id)))
        return response

    def _route(self, exchange: _Exchange) -> Response:
        request = exchange.request
        if request.refused is not None:
            return exchange.refusal(request.refused)
        if request.path == "/local" or request.path.startswith("/local/"):
            return self._local(exchange)
        claims: dict[str, Any] | None = None
        if not (request.method in {"GET", "HEAD"} and request.path in OPEN_PATHS):
            try:
                claims = self._claims(request.header("Authorization"))
            except TokenRefusedError as error:
                return exchange.problem(
                    HTTPStatus.UNAUTHORIZED,
                    "unauthorized",
                    str(error),
                    headers=(("WWW-Authenticate", 'Bearer realm="pressroom"'),),
                )
            except ServicesError as error:
                _log.warning("%s", error)
                return exchange.unavailable()
        return self._call(exchange, claims)

    def _call(self, exchange: _Exchange, claims: dict[str, Any] | None) -> Response:
        request = exchange.request
        if request.method == "HEAD":  # the same answer, of which the listener sends no body
            request = replace(request, method="GET")
        event = gateway_events.event(request, request_id=exchange.request_id, now=self._clock.now(), claims=claims)
        if len(json.dumps(event)) > MAX_EVENT_BYTES:
            return exchange.refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            answer = self._invoke(event, request_id=exchange.request_id, patience_seconds=_PATIENCE_SECONDS)
            return gateway_events.response(answer)
        except (HandlerError, gateway_events.MalformedAnswerError):
            return exchange.problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal_error",
                "The request could not be handled; its id leads to the log.",
                retryable=True,
            )
        except InvocationError:
            return exchange.unavailable()

    def _local(self, exchange: _Exchange) -> Response:
        request = exchange.request
        host = (request.header("Host") or "localhost").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in _LOOPBACK_HOSTS:  # a page elsewhere that names this machine by its own name
            return exchange.problem(HTTPStatus.FORBIDDEN, "forbidden", "These routes are for this machine only.")
        if request.path == "/local/token":
            return self._sign_in(exchange) if request.method == "POST" else exchange.not_allowed("POST")
        if request.path == "/local/claude/calls" and self._claude_url is not None:
            if request.method in {"GET", "HEAD", "DELETE"}:
                return _claude_calls(exchange, self._claude_url)
            return exchange.not_allowed("GET, DELETE")
        return exchange.problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such route.")

    def _sign_in(self, exchange: _Exchange) -> Response:
        try:
            request = read_token_request(exchange.request.body)
            return exchange.json({"token": self._token(request)})
        except BadTokenRequestError as error:
            return exchange.invalid(*error.errors)
        except SignInError as error:
            return exchange.invalid(BadField("/user" if request.scopes is None else "/client", str(error)))
        except ServicesError as error:
            _log.warning("%s", error)
            return exchange.unavailable()


class _Exchange:
    """A request, its id, and the answers that the gateway itself gives."""

    def __init__(self, request: Request, request_id: str) -> None:
        self.request = request
        self.request_id = request_id

    def json(self, body: object) -> Response:
        return Response(HTTPStatus.OK, json.dumps(body).encode(), (("Content-Type", "application/json"),))

    def problem(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        retryable: bool = False,
        errors: tuple[BadField, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        return problem(
            status,
            code,
            detail,
            instance=self.request.path,
            request_id=self.request_id,
            retryable=retryable,
            errors=errors,
            headers=headers,
        )

    def invalid(self, *errors: BadField) -> Response:
        return self.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "The request is not valid.", errors=errors)

    def not_allowed(self, allowed: str) -> Response:
        return self.problem(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"This route takes {allowed}.",
            headers=(("Allow", allowed),),
        )

    def refusal(self, status: HTTPStatus) -> Response:
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return self.problem(status, "request_too_large", "The request is too large.")
        return self.problem(status, "bad_request", "The request's body could not be read.")

    def unavailable(self) -> Response:
        return self.problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "The service is not available just now. Try again.",
            retryable=True,
            headers=_RETRY,
        )


def _claude_calls(exchange: _Exchange, claude_url: str) -> Response:
    """What the offline Claude says about its calls."""
    method = "GET" if exchange.request.method == "HEAD" else exchange.request.method
    question = UrlRequest(f"{claude_url}/local/claude/calls", method=method)  # noqa: S310  our own child's address
    try:
        with build_opener(ProxyHandler({})).open(question, timeout=_CLAUDE_SECONDS) as answer:
            content_type = answer.headers.get("Content-Type", "application/json")
            return Response(answer.status, answer.read(), (("Content-Type", content_type),))
    except (URLError, OSError) as error:
        _log.warning("the offline Claude does not answer: %s", error)
        return exchange.unavailable()
