"""One worker: a forked process that hands one event at a time to a handler, as Lambda does.

Powertools' resolver keeps the current event on its class, and handlers may keep clients in module globals: both are
right in Lambda, where one process serves one event at a time, and wrong in threads. So workers are processes.
"""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pressroom.local import frames

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["ACCOUNT_ID", "REGION", "Context", "serve"]

ACCOUNT_ID: Final = "000000000000"
"""The emulator's account."""
REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler gets beside its event, with the names of Lambda's own context."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    deadline: float
    """Monotonic seconds."""
    function_version: str = "$LATEST"
    client_context: None = None
    identity: None = None

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN in the emulator's account."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        """Where Lambda would write the log."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """Where Lambda would write the log."""
        return self.aws_request_id

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out; never negative."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def serve(connection: socket.socket, handler: Callable[[Any, Context], object]) -> None:
    """Handles events until the other side closes ``connection``.

    An event is ``{"event", "function", "request_id", "memory_mb", "timeout_seconds"}``, an answer ``{"result"}`` or
    ``{"error": {"type", "message"}}``.
    """
    while True:
        try:
            message = frames.receive(connection)
        except frames.FrameClosedError:
            return
        answer = _handle(handler, message)
        try:
            frames.send(connection, answer)
        except TypeError as error:  # Lambda: Runtime.MarshalError
            frames.send(connection, {"error": {"type": "MarshalError", "message": str(error)}})


def _handle(handler: Callable[[Any, Context], object], message: dict[str, Any]) -> dict[str, Any]:
    context = Context(
        function_name=message["function"],
        aws_request_id=message["request_id"],
        memory_limit_in_mb=message["memory_mb"],
        deadline=time.monotonic() + message["timeout_seconds"],
    )
    try:
        return {"result": handler(message["event"], context)}
    except Exception as error:  # noqa: BLE001  the outermost edge: what Lambda's runtime does with any exception
        print(f"[{context.aws_request_id}]", file=sys.stderr)  # noqa: T201  the function's log
        traceback.print_exc()
        return {"error": {"type": type(error).__name__, "message": str(error)}}
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
