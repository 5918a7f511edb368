"""What a million items cost on AWS: measured counts times :mod:`benchmarks.prices`. Arithmetic only.

A design is a bill of materials: how much of each priced thing one item takes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from benchmarks.prices import PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Invoked", "Shape", "bill", "durable", "express", "materials", "standard"]

FULL_CPU_MB: Final = 1_769
"""The memory that comes with one whole vCPU; less comes with so much less of it (Lambda's developer guide)."""
_GB: Final = 1024**3
_LAMBDA_LINES: Final = 290
"""Bytes of the lines START, END and REPORT that Lambda adds to the log of an invocation."""
_EXPRESS_MB: Final = 64
"""A small definition and payload; billed in steps of so much."""
_EXPRESS_STEP_SECONDS: Final = 0.1
_TRANSITIONS: Final = 2
"""One for the child that Distributed Map starts, one for the child's single task."""
_OPERATIONS: Final = 2
"""The start of an execution, and its one step."""
_KEPT_MONTHS: Final = 14 / 30
"""Lambda's default for keeping an execution's history."""


@dataclass(frozen=True)
class Shape:
    """What is not measured: how long Claude takes, and what a job is like."""

    waiting_seconds: float = 20.0
    """For Claude, an item."""
    call_seconds: float = 0.01
    """For an answer of AWS, a call."""
    output_bytes: int = 9 * 1024
    job_items: int = 1_000
    lanes: int = 16


@dataclass(frozen=True)
class Invoked:
    """A function's part in an item."""

    invocations: float
    """An item."""
    memory_mb: int
    cpu_seconds: float
    """An invocation, on a whole processor."""
    calls: float
    """Of AWS, an invocation, one after the other."""
    waiting_seconds: float = 0.0
    log_bytes: float = 0.0
    """An invocation, the function's own."""

    def seconds(self, shape: Shape) -> float:
        """How long an invocation takes: less than a whole processor's memory gets less of a processor."""
        share = min(1.0, self.memory_mb / FULL_CPU_MB)
        return self.cpu_seconds / share + self.calls * shape.call_seconds + self.waiting_seconds

    def materials(self, shape: Shape) -> Counter[str]:
        """What it takes, an item."""
        return Counter(
            {
                "lambda requests": self.invocations,
                "lambda time": self.invocations * self.seconds(shape) * self.memory_mb / 1024,
                "logs": self.invocations * (self.log_bytes + _LAMBDA_LINES) / _GB,
            }
        )


def materials(shape: Shape, functions: Mapping[str, Invoked], others: Mapping[str, float]) -> Counter[str]:
    """What an item of a design takes: its functions, and ``others`` by the names of their prices."""
    total: Counter[str] = Counter(others)
    for function in functions.values():
        total.update(function.materials(shape))
    return total


def standard(shape: Shape, task: Invoked) -> Counter[str]:
    """Step Functions' Distributed Map with a standard child for every item, whose one task is ``task``."""
    return materials(shape, {"task": task}, {"step transitions": _TRANSITIONS})


def express(shape: Shape, task: Invoked) -> Counter[str]:
    """The same with an express child, which ends after five minutes at the latest; starting it is a transition."""
    steps = ceil(round(task.seconds(shape) / _EXPRESS_STEP_SECONDS, 6))
    others = {
        "step transitions": 1,
        "express requests": 1,
        "express time": steps * _EXPRESS_STEP_SECONDS * _EXPRESS_MB / 1024,
    }
    return materials(shape, {"task": task}, others)


def durable(shape: Shape, task: Invoked) -> Counter[str]:
    """Lambda's durable functions: an execution for every item, whose one step waits for Claude."""
    written = shape.output_bytes / _GB
    others = {
        "durable operations": _OPERATIONS,
        "durable data written": written,
        "durable data kept": written * _KEPT_MONTHS,
    }
    return materials(shape, {"task": task}, others)


def bill(item: Mapping[str, float], items: int = 1_000_000) -> dict[str, float]:
    """Dollars for ``items`` of what one takes, the dearest first.

    Raises:
        KeyError: something has no price.
    """
    dollars = {name: units * items * PRICES[name].each for name, units in item.items()}
    return dict(sorted(dollars.items(), key=lambda line: -line[1]))
