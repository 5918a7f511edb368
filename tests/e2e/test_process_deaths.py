"""A process dies by SIGKILL at a call, and everybody else goes on: a sample of the crash matrix.

Each flow is tried behind its first write and before its last one, and some at one more point by chance; the whole
matrix is ``make crash-matrix``. What must then be so stands in :mod:`tests.support.killing.stage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.killing.flows import die_at
from tests.support.killing.registry import FLOWS, by_chance, sample
from tests.support.killing.theatre import Theatre, opened_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulator import Emulator
    from tests.support.killing.flows import Flow, Point

SEED = 1
FURTHER = 12
BETWEEN_WRITES = [(flow, point) for flow in FLOWS for point in sample(flow, 0, seed=SEED)]
CASES = [
    pytest.param(flow, point, id=f"{flow.name}, {point}")
    for flow, point in (*BETWEEN_WRITES, *by_chance(FURTHER, seed=SEED))
]


@pytest.fixture(scope="module")
def theatre(emulator: Emulator) -> Iterator[Theatre]:
    with opened_in(emulator) as theatre:
        yield theatre


@pytest.mark.acceptance(10)
@pytest.mark.acceptance(24)
@pytest.mark.acceptance(30)
@pytest.mark.acceptance(31)
@pytest.mark.acceptance(33)
@pytest.mark.parametrize(("flow", "point"), CASES)
def test_jobs_end_as_they_must_when_the_process_was_killed(theatre: Theatre, flow: Flow, point: Point) -> None:
    assert die_at(theatre, flow, point) in flow.ends
