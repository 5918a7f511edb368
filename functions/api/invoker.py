"""Starting the processor for process-next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda.client import LambdaClient

    from shared.contracts.messages import LaneMessage

__all__ = ["Invoker", "LambdaInvoker"]


class Invoker(Protocol):
    """Starts the processor."""

    def invoke(self, message: LaneMessage) -> None:
        """Ask the processor to advance a lane, without waiting for it."""
        ...


@dataclass(frozen=True)
class LambdaInvoker:
    """Invokes the processor's function asynchronously. ``client`` makes the client at its first use."""

    client: Callable[[], LambdaClient]
    function: str

    def invoke(self, message: LaneMessage) -> None:
        """Ask the processor to advance a lane.

        Raises:
            RequestError: 503, Lambda did not take it, or did not say so; a second start changes nothing.
        """
        try:
            answer = self.client().invoke(
                FunctionName=self.function, InvocationType="Event", Payload=message.to_json().encode()
            )
            # Read to its end, or the connection is lost to the next call; what breaks off there is no answer either.
            answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            raise RequestError(
                503,
                "processor_unavailable",
                "The processor did not say that it was started; ask again. Nothing is done twice.",
                retryable=True,
                retry_after_seconds=1,
            ) from error
