"""The dead letters' runs: what the queue gave up is sent again, settled, kept or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.killing.flows import Flow
from tests.support.killing.job_topics import BOTH, FIRST_LOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation, Stage

__all__ = ["FLOWS"]


def letter(
    *, held: bool = False, waits: bool = False, action: str = "", **options: Any
) -> Callable[[Stage], Invocation]:
    """The letter of a new job's lane, which has lost all its messages.

    Args:
        held: a worker had claimed the lane before.
        waits: that worker's lease has run out since.
        action: what the owner asks for meanwhile.
        options: the job's.
    """

    def arrange(stage: Stage) -> Invocation:
        job = stage.create(2, **options)
        message = stage.workshop.message(job)
        if held:
            stage.hold(job)
        if waits:
            stage.pass_time()
        if action:
            stage.ask(action, job)
        stage.lose_messages()
        stage.bury(message)
        return stage.delivery(dead_letters=True)

    return arrange


def the_fourth(stage: Stage) -> Invocation:
    """The letter of a lane whose message has died three times since its item began."""
    job = stage.create(2)
    for _ in range(3):
        stage.lose_messages()
        stage.bury(stage.workshop.message(job))
        stage.handle_letters()
    stage.lose_messages()
    stage.bury(stage.workshop.message(job))
    return stage.delivery(dead_letters=True)


FLOWS = (
    Flow(name="dead_letters: a message is sent again", arrange=letter(), ends=[BOTH]),
    Flow(
        name="dead_letters: a message of a lane whose holder died is sent again",
        arrange=letter(held=True, waits=True),
        ends=[BOTH],
    ),
    Flow(
        name="dead_letters: an item whose attempts are used up fails",
        arrange=letter(held=True, waits=True, max_attempts=1),
        ends=[FIRST_LOST],
    ),
    Flow(
        name="dead_letters: an item whose attempts are used up fails within a budget",
        arrange=letter(held=True, waits=True, max_attempts=1, budget_usd=5),
        ends=[FIRST_LOST],
    ),
    Flow(
        name="dead_letters: an item fails whose message was sent again three times",
        arrange=the_fourth,
        ends=[FIRST_LOST, BOTH],  # whoever the sweeper sends for may be faster than the letter that comes back
    ),
    Flow(
        name="dead_letters: a failed item stops the job",
        arrange=letter(held=True, waits=True, max_attempts=1, on_error="stop"),
        ends=["cancelled: 1 failed, 1 cancelled"],
    ),
    Flow(name="dead_letters: a letter waits for a busy lane", arrange=letter(held=True), ends=[BOTH]),
    Flow(
        name="dead_letters: a letter of a cancelled job goes",
        arrange=letter(action="cancel"),
        ends=["cancelled: 2 cancelled"],
    ),
)
