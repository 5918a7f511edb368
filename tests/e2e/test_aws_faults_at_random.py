"""Whole jobs while one call of AWS in five goes wrong, each in a way of its own, and people steer.

Nothing is lost, nothing happens twice, and the job ends. ``make faults SOAK_SEEDS=3`` runs more of them.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode, item_error
from shared.jobs.statuses import JobStatus
from tests.support.aws_faults import APPLIED
from tests.support.fault_plans import AtRandom, NoFault
from tests.support.invariants import History, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from tests.support.aws_faults import Fault
    from tests.support.plant import Plant

SEEDS = int(os.environ.get("SOAK_SEEDS", "1"))
ITEMS = 8
ROUNDS = 12
"""Rounds under faults; then they stop, and the job has to end by what is left."""


def request(plant: Plant, job: Ledger, path: str, body: object = None, **parts: object) -> int:
    """A request that may be refused by the job's state, and is repeated while it is not answered."""
    return plant.ask("POST", f"{plant.path(job)}{path}", body, **parts).status


def steer(plant: Plant, job: Ledger, choices: random.Random) -> None:
    """A person does something, or nothing."""
    match choices.randrange(8):
        case 0:
            assert request(plant, job, "/pause") in {200, 409}
        case 1:
            assert request(plant, job, "/resume") in {200, 409}
        case 2 if plant.ledger(job).status is not JobStatus.PAUSED:
            assert request(plant, job, "/process-next", {"wait_seconds": 1}) in {200, 202, 409}
        case 3:
            plant.bury(plant.ledger(job), choices.randrange(2))
        case 4:
            key = f"retry-{plant.ledger(job).generation}"
            assert request(plant, job, "/retry", headers={"Idempotency-Key": key}) in {202, 409}
        case _:
            pass


def a_round(plant: Plant, job: Ledger, choices: random.Random) -> None:
    """Somebody steers; the queue brings some messages, the stream and the schedule what is due; time passes."""
    steer(plant, job, choices)
    for _ in range(choices.randrange(4)):
        plant.consume()
    plant.round(job)
    check(plant.snapshot(job), History(max_attempts=5))
    plant.clock.advance(choices.choice([5, 40, 200, 700]))


@pytest.mark.parametrize("seed", range(1, 1 + 2 * SEEDS))
@pytest.mark.acceptance(30)
@pytest.mark.acceptance(31)
@pytest.mark.acceptance(33)
def test_nothing_is_lost_or_done_twice_when_one_call_in_five_goes_wrong(
    plant_for: Callable[[Fault | None], Plant], seed: int
) -> None:
    plant, plan, choices = plant_for(None), AtRandom(seed), random.Random(seed)
    plant.aws.reset(plan)
    for position in range(1, ITEMS + 1):
        codes = choices.choice([(), (), (ErrorCode.TIMEOUT,), (ErrorCode.REFUSED,), (ErrorCode.BILLING,)])
        plant.claude.errors[position] += [item_error(code, "no") for code in codes]

    answer = plant.create(ITEMS, concurrency=2, max_attempts=5)
    assert answer.status == 202, answer.text
    job = plant.ledger(answer.json["id"])
    for _ in range(ROUNDS):
        a_round(plant, job, choices)
    plant.aws.plan = NoFault()
    ledger = plant.drive(job)

    assert plant.only_job().job_id == job.job_id
    plant.verify(job, calls_an_item=5)
    assert ledger.completed + ledger.failed == ITEMS
    assert sum(plant.statuses(job).values()) == ITEMS
    assert set(plant.notifications()) == {f"{job.job_id}:{n}" for n in range(1, ledger.generation + 1)}
    assert any(fault in APPLIED for _, fault in plan.struck)
