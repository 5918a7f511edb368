"""Clients that die, or lose an answer, at a call of the test's choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ReadTimeoutError

__all__ = ["Calls", "CrashError", "watched"]


class CrashError(BaseException):
    """The process died: no ``except Exception`` may outlive it."""


@dataclass
class Calls:
    """Every call to AWS, counted over all clients.

    Attributes:
        die_before: the process dies before this call (from 1) is made.
        die_after: it dies after the call was carried out, before the answer.
        lose: the answers of these calls are lost, and the caller is told of a time-out.
        made: the calls, by operation.
    """

    die_before: int = 0
    die_after: int = 0
    lose: frozenset[int] = frozenset()
    made: list[str] = field(default_factory=list)

    def carry_out(self, operation: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        self.made.append(operation)
        number = len(self.made)
        if number == self.die_before:
            raise CrashError
        answer = call(*args, **kwargs)
        if number == self.die_after:
            raise CrashError
        if number in self.lose:
            raise ReadTimeoutError(endpoint_url="https://aws")
        return answer


class _Watched:
    def __init__(self, client: Any, calls: Calls) -> None:
        self._client = client
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute) or name.startswith("_"):
            return attribute
        return lambda *args, **kwargs: self._calls.carry_out(name, attribute, *args, **kwargs)


def watched(client: Any, calls: Calls) -> Any:
    """``client``, its calls counted and disturbed by ``calls``."""
    return _Watched(client, calls)
