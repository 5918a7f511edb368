"""The context object that Lambda hands to a handler."""

from __future__ import annotations

from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["FakeContext"]


class FakeContext(LambdaContext):
    """As much of it as handlers and their loggers ask for."""

    def __init__(self, request_id: str = "trace-1", *, milliseconds_left: int = 600_000) -> None:
        self._aws_request_id = request_id
        self._function_name = "pressroom-test"
        self._memory_limit_in_mb = 256
        self._invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:pressroom-test"
        self._milliseconds_left = milliseconds_left

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # the library types it as a static method
        """What the time-out leaves."""
        return self._milliseconds_left
