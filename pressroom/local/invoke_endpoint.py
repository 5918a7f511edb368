"""Lambda's Invoke on loopback, for a function that invokes another (process-next).

``POST /2015-03-31/functions/<name>/invocations``. An ``Event`` is answered 202 before it runs and is not retried, as
our asynchronous invocations are configured.
"""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pressroom.local.errors import HandlerError, InvocationError
from pressroom.local.listener import Listener, Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pressroom.local.pool import Pool

__all__ = ["InvokeEndpoint"]

_PATH: Final = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations")
_MAX_EVENTS: Final = 64


class InvokeEndpoint:
    """The endpoint; what a boto3 Lambda client with its ``url`` talks to."""

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools
        self._executor = ThreadPoolExecutor(_MAX_EVENTS, thread_name_prefix="invoke")
        self._listener = Listener()
        self.url = self._listener.url

    def start(self) -> None:
        """Begins to answer."""
        self._listener.start(self._answer)

    def stop(self) -> None:
        """Takes no more."""
        self._listener.stop()

    def close(self) -> None:
        """Drops what has not begun and waits for the rest: end the workers first."""
        self._listener.close()
        self._executor.shutdown(cancel_futures=True)

    def _answer(self, request: Request) -> Response:
        found = _PATH.fullmatch(unquote(request.path))
        # A function is named by its name, its ARN, or either with a qualifier.
        name = re.sub(r"^arn:.*:function:", "", found["name"]).partition(":")[0] if found else ""
        pool = self._pools.get(name)
        if pool is None or request.method != "POST":
            return _error(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", f"Function not found: {name}")
        try:
            event = json.loads(request.body or b"{}")
        except ValueError:
            return _error(HTTPStatus.BAD_REQUEST, "InvalidRequestContentException", "The payload is no JSON")
        request_id = str(uuid.uuid4())
        if request.header("X-Amz-Invocation-Type") == "Event":
            try:
                self._executor.submit(self._run, pool, event, request_id)
            except RuntimeError:  # shut down
                return _error(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceException", "The runtime is ending")
            return Response(HTTPStatus.ACCEPTED, headers=(("x-amzn-RequestId", request_id),))
        return self._wait_for(pool, event, request_id)

    def _run(self, pool: Pool, event: object, request_id: str) -> None:
        with suppress(InvocationError):  # the pool has told it; there is nobody to answer
            pool.invoke(event, request_id=request_id)

    def _wait_for(self, pool: Pool, event: object, request_id: str) -> Response:
        headers: tuple[tuple[str, str], ...] = (("x-amzn-RequestId", request_id), ("X-Amz-Executed-Version", "$LATEST"))
        try:
            result: Any = pool.invoke(event, request_id=request_id)
        except InvocationError as error:
            kind = error.error_type if isinstance(error, HandlerError) else type(error).__name__
            result = {"errorType": kind, "errorMessage": str(error)}
            headers += (("X-Amz-Function-Error", "Unhandled"),)
        return Response(HTTPStatus.OK, json.dumps(result).encode(), headers)


def _error(status: HTTPStatus, code: str, message: str) -> Response:
    return Response(
        status,
        json.dumps({"Type": "User", "Message": message}).encode(),
        (("x-amzn-ErrorType", code), ("Content-Type", "application/json")),
    )
