"""The most memory that each function holds, its clients and its first events included.

Lambda's own part of a process is not in it: the loop that hands the events over, a few megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import handled

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.handled import Handled, Stage

__all__ = ["CEILINGS", "measure"]

CEILINGS: Final = dict.fromkeys(handled.FUNCTIONS, 128 * 2 / 3) | {"processor": 256 * 2 / 3}
"""Megabytes: two thirds of the processor's 256 and of the 128 that the others could do with."""
_REFUSED: Final = 400


def measure(stage: Stage, function: str, bundle: Path, runtime: Path, *, items: int = 2) -> Handled:
    """Start ``function`` from its bundle and hand it its events about a job of ``items``.

    Raises:
        RuntimeError: it failed, or answered that it could not handle an event.
    """
    events = stage.events(function, items)
    took = handled.run(f"functions.{function}.handler", (bundle, runtime), stage.environ, events)
    for answer in took.answers:
        if answer.get("batchItemFailures") or answer.get("failed") or answer.get("statusCode", 0) >= _REFUSED:
            raise RuntimeError(f"{function} answered {answer}")
    return took
