"""Every flow, in the order of the table."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from tests.support.killing import (
    api_flows,
    deletion_flows,
    ending_flows,
    letter_flows,
    preset_flows,
    processor_flows,
    project_flows,
    sweeper_flows,
)
from tests.support.killing.flows import points_of
from tests.support.killing.victim import ANSWER, CLAUDE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.killing.flows import Flow, Point

__all__ = ["FLOWS", "by_chance", "is_write", "sample", "written_in"]

FLOWS: Final[tuple[Flow, ...]] = (
    *api_flows.FLOWS,
    *project_flows.FLOWS,
    *preset_flows.FLOWS,
    *processor_flows.FLOWS,
    *letter_flows.FLOWS,
    *sweeper_flows.FLOWS,
    *ending_flows.FLOWS,
    *deletion_flows.FLOWS,
)

_READS: Final = frozenset({ANSWER, CLAUDE, "BatchGetItem", "GetItem", "Query"})


def is_write(call: str) -> bool:
    """Whether the call may change something in the table, a queue, a topic or another function."""
    return call not in _READS


def written_in(calls: Iterable[str]) -> set[str]:
    """The transitions that the calls carry out."""
    return {transition for call in calls if (transition := call.partition(" ")[2])}


def sample(flow: Flow, further: int, *, seed: int) -> tuple[Point, ...]:
    """Some points of a flow: behind its first write, before its last one, and ``further`` others by chance.

    Where they are one write or one point, that before or behind it is the second.
    """
    points = points_of(flow)
    writes = [index for index, point in enumerate(points) if is_write(point.call)]
    chosen = {writes[0] + 1, writes[-1]} if writes else set()
    if len(chosen) == 1:
        chosen.add(writes[-1] + 1)
    others = sorted(set(range(len(points))) - chosen)
    chosen |= set(random.Random(f"{seed}:{flow.name}").sample(others, min(further, len(others))))
    return tuple(points[index] for index in sorted(chosen))


def by_chance(count: int, *, seed: int) -> tuple[tuple[Flow, Point], ...]:
    """``count`` points of all flows that are in no :func:`sample` of none further."""
    others = [(flow, point) for flow in FLOWS for point in points_of(flow) if point not in sample(flow, 0, seed=seed)]
    return tuple(random.Random(seed).sample(others, min(count, len(others))))
