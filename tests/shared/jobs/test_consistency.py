from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode
from shared.jobs.consistency import contradictions, unsettled_lanes
from shared.jobs.statuses import FINAL, CancelReason, JobStatus
from tests.support.conditions import RULES
from tests.support.ledgers import make_lane, make_lease, make_ledger

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger

HELD = make_ledger(make_lane(1, lease=make_lease()), make_lane(), status=JobStatus.PROCESSING)


@pytest.mark.parametrize("status", JobStatus)
def test_ledger_agrees_with_itself_when_its_counts_follow_from_its_lanes(status: JobStatus) -> None:
    lanes = (make_lane(1), make_lane(1, lease=None if status in FINAL else make_lease()))
    over = status in {JobStatus.CANCELLING, *FINAL}
    reason = CancelReason.USER if over else None

    assert contradictions(make_ledger(*lanes, status=status, cancel_reason=reason)) == ()


def test_ledger_agrees_with_itself_when_every_item_was_settled() -> None:
    lanes = (make_lane(2), make_lane(2))
    errors = {ErrorCode.REFUSED: 1}

    assert contradictions(make_ledger(*lanes, status=JobStatus.PARTIALLY_FAILED, errors=errors)) == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_transition_leaves_no_contradiction_when_there_was_none(rule: object) -> None:
    allowed, result = rule.allowed, rule.result  # type: ignore[attr-defined]

    assert contradictions(result) == () or contradictions(allowed)


@pytest.mark.parametrize(
    "broken",
    [
        HELD.evolve(held=2, queued=1),
        HELD.evolve(open=2),
        HELD.evolve(completed=3),
        HELD.evolve(completed=0),
        HELD.evolve(completed=0, failed=1),
        HELD.with_lane(1, make_lane(1)),
        HELD.evolve(failed=-1),
        HELD.evolve(status=JobStatus.CANCELLING),
        HELD.evolve(status=JobStatus.COMPLETED),
    ],
)
def test_contradiction_is_told_when_somebody_wrote_by_hand(broken: Ledger) -> None:
    assert contradictions(broken)


@pytest.mark.parametrize(("generation", "told"), [(None, True), (1, True), (2, False), (3, False)])
def test_lane_is_told_when_the_item_that_it_left_has_no_outcome_of_this_generation(
    generation: int | None, told: bool
) -> None:
    ledger = HELD.evolve(generation=2)

    assert bool(unsettled_lanes(ledger, {0: generation})) is told
