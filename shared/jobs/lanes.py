"""Which positions a lane walks. Positions start at 1, lanes and indexes at 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.jobs.ledger import Lane

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["deal", "first_generation_lanes", "index_of", "lane_of", "position_of"]


def position_of(lane: int, lanes: int, index: int) -> int:
    """The position at ``index`` of ``lane`` in generation 1: the lane walks ``l+1, l+1+n, l+1+2n …``."""
    return lane + index * lanes + 1


def lane_of(position: int, lanes: int) -> int:
    """The lane that walks ``position`` in generation 1."""
    return (position - 1) % lanes


def index_of(position: int, lanes: int) -> int:
    """The index of ``position`` in its lane in generation 1."""
    return (position - 1) // lanes


def first_generation_lanes(total: int, lanes: int) -> tuple[Lane, ...]:
    """The lanes of a new job: ``total`` positions dealt to ``lanes`` lanes, fewer if there are fewer items."""
    n = min(lanes, total)
    return tuple(Lane(next=0, end=len(range(lane, total, n))) for lane in range(n))


def deal(positions: Sequence[int], lanes: int) -> tuple[tuple[int, ...], ...]:
    """The lists of positions of a later generation, one a lane, in order.

    The number of lanes is fixed at creation, so some lists may be empty.
    """
    ordered = sorted(positions)
    return tuple(tuple(ordered[lane::lanes]) for lane in range(lanes))
