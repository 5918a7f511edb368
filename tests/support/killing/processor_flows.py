"""The processor's runs: a lane is claimed or taken over, Claude is asked, and the turn ends in every way there is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.support.killing.flows import Flow
from tests.support.killing.job_topics import (
    BOTH,
    FIRST_LOST,
    FORBIDDEN_ONCE,
    GOOD,
    OVERLOADED_ONCE,
    REFUSED,
    SERVER_ERROR_ONCE,
)
from tests.support.killing.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation

__all__ = ["FLOWS"]

BRAKED_FOR_LONG: Final = "Topic 3 [[claude: status=429 retry_after=120 times=1]]"
CUT: Final = "cancelled: 2 cancelled"


def first_message(*topics: str, **options: Any) -> Callable[[Stage], Invocation]:
    """The first message of a new job."""

    def arrange(stage: Stage) -> Invocation:
        stage.create(topics or 2, **options)
        return stage.delivery()

    return arrange


def steer(action: str, stage: Stage) -> None:
    """The owner asks for ``action``."""
    stage.ask(action, stage.only())


def pause_and_resume(stage: Stage) -> None:
    """The owner pauses the job and resumes it at once."""
    steer("pause", stage)
    steer("resume", stage)


def left_behind(**options: Any) -> Callable[[Stage], Invocation]:
    """The message of a lane whose holder died."""

    def arrange(stage: Stage) -> Invocation:
        stage.hold(stage.create(2, **options))
        stage.pass_time()
        return stage.delivery()

    return arrange


def of_a_retry(stage: Stage) -> Invocation:
    """The message of a failed item that is retried."""
    stage.ask("retry", stage.ended_with_a_failure())
    return stage.delivery()


def halted(on_error: str) -> Callable[[Stage], Invocation]:
    """The message of a job that a failed item has halted, and whose worker died before it wrote what follows."""

    def arrange(stage: Stage) -> Invocation:
        stage.create([REFUSED, GOOD, "Topic 3"], on_error=on_error)
        stage.die(stage.delivery(), at="UpdateItem cancel" if on_error == "stop" else "UpdateItem pause")
        return stage.delivery()

    return arrange


def received_too_often(stage: Stage) -> Invocation:
    """A message that is received for the eighth time while its lane is busy."""
    stage.hold(stage.create(2))
    for _ in range(7):
        stage.delivery()
        stage.come_back()
    return stage.delivery()


def busy(stage: Stage) -> Invocation:
    """The message of a lane that somebody works."""
    stage.hold(stage.create(2))
    return stage.delivery()


def out_of_budget(stage: Stage) -> Invocation:
    """The message of a job whose budget does not cover another item."""
    stage.create(2, budget_usd=stage.estimated_usd())
    stage.consume()
    return stage.delivery()


def of_an_earlier_epoch(stage: Stage) -> Invocation:
    """A message of before a pause and a resume."""
    stage.create(2)
    pause_and_resume(stage)
    return stage.delivery()


def with_few_messages(stage: Stage) -> Invocation:
    """A message of a job that was resumed with one batch of them, of which few are left in the lane."""
    stage.create(12, concurrency=4)
    pause_and_resume(stage)
    while stage.consume_stale():
        """Those of before the pause."""
    return stage.delivery()


def braked(stage: Stage) -> Invocation:
    """A message that comes while the brake is on."""
    stage.create([OVERLOADED_ONCE, GOOD])
    stage.consume()
    stage.pass_time(30)
    return stage.delivery()


def two_refusals(stage: Stage) -> Invocation:
    """A message whose item is refused for longer than that of another job, which was refused first."""
    stage.create([BRAKED_FOR_LONG])
    invocation = stage.delivery()
    stage.create([OVERLOADED_ONCE])
    return invocation


def asked_by_process_next(stage: Stage) -> Invocation:
    """An invocation by process-next, which never comes again."""
    job = stage.create(2, drive="client")
    return stage.invocation(stage.workshop.message(job, index=0))


FLOWS = (
    Flow(name="processor: an item completes", arrange=first_message(), ends=[BOTH]),
    Flow(name="processor: an item completes within a budget", arrange=first_message(budget_usd=5), ends=[BOTH]),
    Flow(
        name="processor: an item completes and the next one waits",
        arrange=first_message(min_interval_seconds=30),
        ends=[BOTH],
    ),
    Flow(name="processor: an item fails", arrange=first_message(REFUSED, GOOD), ends=[FIRST_LOST]),
    Flow(
        name="processor: an item fails at its last attempt",
        arrange=first_message(SERVER_ERROR_ONCE, GOOD, max_attempts=1),
        ends=[FIRST_LOST],
    ),
    Flow(
        name="processor: an item fails and stops the job",
        arrange=first_message(REFUSED, GOOD, on_error="stop"),
        ends=["cancelled: 1 failed, 1 cancelled"],
    ),
    Flow(
        name="processor: an item fails and pauses the job",
        arrange=first_message(REFUSED, GOOD, on_error="pause"),
        ends=[FIRST_LOST],
    ),
    Flow(
        name="processor: a job is stopped that a dead worker has halted",
        arrange=halted("stop"),
        ends=["cancelled: 1 failed, 2 cancelled"],
    ),
    Flow(
        name="processor: a job is paused that a dead worker has halted",
        arrange=halted("pause"),
        ends=["partially_failed: 2 completed, 1 failed"],
    ),
    Flow(name="processor: an item is put back", arrange=first_message(SERVER_ERROR_ONCE, GOOD), ends=[BOTH]),
    Flow(
        name="processor: an item is put back within a budget",
        arrange=first_message(SERVER_ERROR_ONCE, GOOD, budget_usd=5),
        ends=[BOTH],
    ),
    Flow(
        name="processor: an item is put back in a paused job",
        arrange=first_message(SERVER_ERROR_ONCE, GOOD),
        meanwhile=("Claude", partial(steer, "pause")),
        ends=[BOTH],
    ),
    Flow(
        name="processor: an account error pauses the job",
        arrange=first_message(FORBIDDEN_ONCE, GOOD),
        ends=[BOTH],
        spared=1,
    ),
    Flow(
        name="processor: an account error pauses a job with a budget",
        arrange=first_message(FORBIDDEN_ONCE, GOOD, budget_usd=5),
        ends=[BOTH],
        spared=1,
    ),
    Flow(
        name="processor: an account error of before a resume",
        arrange=first_message(FORBIDDEN_ONCE, GOOD),
        meanwhile=("Claude", pause_and_resume),
        ends=[BOTH],
        spared=1,
    ),
    Flow(
        name="processor: an item completes in a cancelled job",
        arrange=first_message(),
        meanwhile=("Claude", partial(steer, "cancel")),
        ends=["cancelled: 1 completed, 1 cancelled", CUT],
    ),
    Flow(
        name="processor: an item is given up in a cancelled job",
        arrange=first_message(SERVER_ERROR_ONCE, GOOD),
        meanwhile=("Claude", partial(steer, "cancel")),
        ends=[CUT],
    ),
    Flow(
        name="processor: an item is given up in a cancelled job with a budget",
        arrange=first_message(SERVER_ERROR_ONCE, GOOD, budget_usd=5),
        meanwhile=("Claude", partial(steer, "cancel")),
        ends=[CUT],
    ),
    Flow(name="processor: a lane is taken over", arrange=left_behind(), ends=[BOTH]),
    Flow(name="processor: a lane is taken over within a budget", arrange=left_behind(budget_usd=5), ends=[BOTH]),
    Flow(
        name="processor: a lane is taken over from its last attempt",
        arrange=left_behind(max_attempts=1),
        ends=[FIRST_LOST],
    ),
    # The retried job allows one attempt, and the death is one.
    Flow(name="processor: an item of a retry completes", arrange=of_a_retry, ends=[BOTH, FIRST_LOST]),
    Flow(name="processor: a job is paused whose budget is used up", arrange=out_of_budget, ends=[BOTH]),
    Flow(
        name="processor: the queue is filled further by a claim",
        arrange=with_few_messages,
        afterwards=Stage.cancel_all,
        ends=["cancelled: 1 completed, 11 cancelled", "cancelled: 12 cancelled"],
    ),
    Flow(name="processor: an item waits for a start under the brake", arrange=braked, ends=[BOTH]),
    Flow(
        name="processor: an item is put back and everybody is braked",
        arrange=first_message(OVERLOADED_ONCE, GOOD),
        ends=[BOTH],
    ),
    Flow(
        name="processor: the brake is held for longer by a second refusal",
        arrange=two_refusals,
        meanwhile=("Claude", lambda stage: stage.consume()),
        ends=["completed: 1 completed; completed: 1 completed"],
    ),
    Flow(name="processor: a message waits for a busy lane", arrange=busy, ends=[BOTH]),
    Flow(name="processor: a message is replaced before it counts as dead", arrange=received_too_often, ends=[BOTH]),
    Flow(name="processor: a message of an earlier epoch goes", arrange=of_an_earlier_epoch, ends=[BOTH]),
    Flow(name="processor: an item that process-next asked for completes", arrange=asked_by_process_next, ends=[BOTH]),
)
