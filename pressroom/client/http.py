"""One call over HTTP: authorized, tried again where that does no harm, and every failure a typed error."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import httpx2

from pressroom.client.errors import ClientError, ConnectionFailedError, Problem, UnexpectedAnswerError, api_error
from pressroom.client.retrying import Retry, RetryPolicy, is_worth_repeating
from shared.errors import BadField

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.clock import Clock

__all__ = ["Call", "Http", "compact", "is_loopback", "parsed"]

_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 30.0
_UPLOAD_CHUNK_BYTES: Final = 64 * 1024
_NOT_MODIFIED: Final = 304
_UNAUTHORIZED: Final = 401
_ERRORS: Final = 400
_SNIPPET: Final = 200

_NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_HOPELESS: Final = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What to send.

    Attributes:
        wait_seconds: how long the server was asked to hold its answer back; the patience grows by it.
        repeatable: whether sending it twice does what sending it once does.
        on_sent: told the bytes sent so far and the bytes in all, while the body goes out.
        policy: another patience than the client's own.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait_seconds: float = 0.0
    repeatable: bool = True
    on_sent: Callable[[int, int], None] | None = None
    policy: RetryPolicy | None = None


class Http:
    """Sends calls to one address. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str] | None,
        *,
        transport: httpx2.BaseTransport | None,
        policy: RetryPolicy,
        clock: Clock,
        jitter: Callable[[float, float], float],
        on_retry: Callable[[Retry], None] | None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.jitter = jitter
        self.policy = policy
        self._on_retry = on_retry
        self._ask_token = token if callable(token) else None
        self._token = None if callable(token) else token
        self._client = httpx2.Client(
            transport=transport,
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            headers={"User-Agent": "pressroom-client"},
            # Nothing is redirected, so plain HTTP stays plain: the 20 ms of loading certificates would be for nothing.
            verify=not base_url.startswith("http:"),
            # A proxy of the environment has no business with this machine's own loopback.
            trust_env=not is_loopback(base_url),
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def send(self, call: Call) -> httpx2.Response:
        """The answer, 2xx or 304.

        Raises:
            ApiError: Pressroom refused, and trying again did not help or would not.
            ConnectionFailedError: no answer came.
            UnexpectedAnswerError: the answer is none of Pressroom's.
        """
        policy = call.policy or self.policy
        may_refresh = self._ask_token is not None
        for attempt in count(1):
            try:
                response = self._send_once(call)
            except httpx2.TransportError as error:
                failure: ClientError = ConnectionFailedError(self.base_url, _reason(error))
                again = not isinstance(error, _HOPELESS) and (call.repeatable or isinstance(error, _NEVER_SENT))
                asked_seconds = None
            else:
                if response.is_success or response.status_code == _NOT_MODIFIED:
                    return response
                problem = _problem(response)
                if problem.status == _UNAUTHORIZED and may_refresh:
                    may_refresh, self._token = False, None  # it may just have expired: ask for a new one, once
                    continue
                failure = api_error(problem)
                again = is_worth_repeating(problem, repeatable=call.repeatable)
                asked_seconds = problem.retry_after_seconds
            if not again or attempt >= policy.attempts or (asked_seconds or 0.0) > policy.longest_wait_seconds:
                raise failure
            self._wait_before(Retry(attempt + 1, self._delay(policy, attempt, asked_seconds), failure))
        raise AssertionError("unreachable")

    def json(self, call: Call) -> Any:  # noqa: ANN401  JSON
        """The answer's JSON; raises what :meth:`send` raises."""
        return parsed(self.send(call))

    def _send_once(self, call: Call) -> httpx2.Response:
        headers = dict(call.headers)
        if self._token is None and self._ask_token is not None:
            self._token = self._ask_token()
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content: Iterator[bytes] | None = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            headers["Content-Length"] = str(len(call.body))
            content = _chunks(call.body, call.on_sent)
        try:
            return self._client.request(
                call.method,
                self.base_url + call.path,
                params=call.params or None,
                headers=headers,
                content=content,
                timeout=httpx2.Timeout(_READ_SECONDS + call.wait_seconds, connect=_CONNECT_SECONDS),
            )
        except httpx2.InvalidURL as error:
            raise ConnectionFailedError(self.base_url, f"that is no address: {error}") from error
        except httpx2.DecodingError as error:
            raise UnexpectedAnswerError(f"{self.base_url} sent what cannot be read: {error}") from error

    def _delay(self, policy: RetryPolicy, attempt: int, asked_seconds: float | None) -> float:
        return (asked_seconds or 0.0) + policy.backoff_seconds(attempt, self.jitter)

    def _wait_before(self, retry: Retry) -> None:
        if self._on_retry is not None:
            self._on_retry(retry)
        self.clock.sleep(retry.delay_seconds)


def is_loopback(base_url: str) -> bool:
    """Whether the address is this very machine."""
    try:
        host = httpx2.URL(base_url).host
    except httpx2.InvalidURL:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parsed(response: httpx2.Response) -> Any:  # noqa: ANN401  JSON
    """The answer's JSON.

    Raises:
        UnexpectedAnswerError: it is none.
    """
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{response.url.host} answered {response.status_code} with something that is not JSON: is this the "
            "address of a Pressroom API?"
        ) from error


def _chunks(body: bytes, on_sent: Callable[[int, int], None] | None) -> Iterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(body), _UPLOAD_CHUNK_BYTES):
        chunk = bytes(view[start : start + _UPLOAD_CHUNK_BYTES])
        yield chunk
        if on_sent is not None:
            on_sent(start + len(chunk), len(body))


def _problem(response: httpx2.Response) -> Problem:
    """The answer as a problem, whoever wrote it: Pressroom, a gateway, or a proxy in between."""
    if response.status_code < _ERRORS:
        target = response.headers.get("location", "")
        raise UnexpectedAnswerError(
            f"{response.url.host} answered {response.status_code}" + (f" and points to {target}" if target else "")
        )
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {"detail": response.text[:_SNIPPET].strip()}
    retryable = body.get("retryable")
    return Problem(
        status=response.status_code,
        code=str(body.get("code") or ""),
        # "message" is what API Gateway's own answers carry.
        detail=str(body.get("detail") or body.get("message") or body.get("title") or response.reason_phrase),
        errors=_bad_fields(body.get("errors")),
        request_id=str(response.headers.get("x-request-id") or body.get("request_id") or ""),
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after_seconds=_seconds(response.headers.get("retry-after")),
        body=body,
    )


def _bad_fields(errors: object) -> tuple[BadField, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        BadField(str(error.get("pointer", "")), str(error.get("detail", "")))
        for error in errors
        if isinstance(error, dict)
    )


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds; a date, which Pressroom never sends, counts as none."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def _reason(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "it took too long"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror  # what the system says, without the number before it
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def compact(body: object) -> bytes:
    """The JSON that is sent: the same body is always the same bytes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
