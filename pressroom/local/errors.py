"""What can go wrong in the local runtime.

::

    PressroomError
    └── LocalRuntimeError
        ├── PortTakenError          somebody listens on the port already
        ├── StartError              a part did not start; the message says which and what it printed
        ├── PartDiedError           a part of the running runtime ended by itself
        ├── ServicesError           the AWS endpoint is not there, or holds something we cannot use
        ├── FilterPatternError      an event filter that this runtime cannot match
        ├── SignInError             a user name that the user pool refuses
        └── InvocationError         an event that was not handled
            ├── HandlerError        the handler raised
            ├── WorkerDiedError     the worker's process ended under it
            ├── InvocationTimeoutError  the function's time-out passed; the worker was killed
            ├── NoWorkerError       every worker stayed busy for longer than the caller waits
            └── PoolClosedError     the runtime is ending
"""

from __future__ import annotations

from shared.errors import PressroomError

__all__ = [
    "FilterPatternError",
    "HandlerError",
    "InvocationError",
    "InvocationTimeoutError",
    "LocalRuntimeError",
    "NoWorkerError",
    "PartDiedError",
    "PoolClosedError",
    "PortTakenError",
    "ServicesError",
    "SignInError",
    "StartError",
    "WorkerDiedError",
]


class LocalRuntimeError(PressroomError):
    """The root of the runtime's own errors; the message is for a person."""


class PortTakenError(LocalRuntimeError):
    """Somebody listens on the port already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken: end what listens there, or choose another with --port")
        self.port = port


class StartError(LocalRuntimeError):
    """A part did not start. The message says which one, and the end of what it printed."""


class PartDiedError(LocalRuntimeError):
    """A part of the running runtime ended by itself. The message says which one, and the end of what it printed."""


class ServicesError(LocalRuntimeError):
    """The AWS endpoint does not answer, or holds something that we cannot use."""


class FilterPatternError(LocalRuntimeError):
    """An event filter uses an operator that this runtime does not match."""


class SignInError(LocalRuntimeError):
    """The user pool refused the user's name."""


class InvocationError(LocalRuntimeError):
    """An event was not handled: for its sender, what Lambda calls a function error."""


class HandlerError(InvocationError):
    """The handler raised.

    Attributes:
        error_type: the name of its exception's class.
        error_message: its text.
    """

    def __init__(self, function: str, error_type: str, error_message: str) -> None:
        super().__init__(f"{function} raised {error_type}: {error_message}")
        self.error_type = error_type
        self.error_message = error_message


class WorkerDiedError(InvocationError):
    """The worker's process ended while it held the event."""

    def __init__(self, function: str) -> None:
        super().__init__(f"a worker of {function} died with an event in hand")


class InvocationTimeoutError(InvocationError):
    """The function's time-out passed; the worker was killed, as Lambda does."""

    def __init__(self, function: str, timeout_seconds: float) -> None:
        super().__init__(f"{function} did not answer within {timeout_seconds:g} s and was killed")


class NoWorkerError(InvocationError):
    """Every worker stayed busy for longer than the caller waits."""

    def __init__(self, function: str, maximum: int) -> None:
        super().__init__(f"all {maximum} workers of {function} are busy")


class PoolClosedError(InvocationError):
    """The runtime is ending; the event was not handled, or was cut off."""

    def __init__(self, function: str) -> None:
        super().__init__(f"{function} is ending")
