"""The sweeper's runs: every repair, of what others left undone, usually because they died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.jobs.repairs import LOOK_EVERY
from shared.jobs.statuses import JobStatus
from tests.support.killing.api_flows import large_creation
from tests.support.killing.flows import Flow
from tests.support.killing.job_topics import BOTH, FIRST_LOST, GOOD, REFUSED
from tests.support.killing.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation

__all__ = ["FLOWS"]

CUT = "cancelled: 2 cancelled"


def after(
    seconds: float, *, messages: bool = False, held: bool = False, **options: Any
) -> Callable[[Stage], Invocation]:
    """The minute in which a new job is ``seconds`` old, whose messages were lost, or were not."""

    def arrange(stage: Stage) -> Invocation:
        job = stage.create(2, **options)
        if held:
            stage.hold(job)
        if not messages:
            stage.lose_messages()
        stage.pass_time(seconds)
        return stage.minute()

    return arrange


def not_dispatched(stage: Stage) -> Invocation:
    """The minute after a creation that died before it sent a message."""
    stage.die(stage.creation(2, again=False), at="SendMessageBatch")
    stage.pass_time(70)
    return stage.minute()


def halted(on_error: str) -> Callable[[Stage], Invocation]:
    """The minute after a worker that failed an item and died before it wrote what follows."""

    def arrange(stage: Stage) -> Invocation:
        stage.create([REFUSED, GOOD], on_error=on_error)
        stage.die(stage.delivery(), at="UpdateItem cancel" if on_error == "stop" else "UpdateItem pause")
        stage.lose_messages()
        stage.pass_time(70)
        return stage.minute()

    return arrange


def cancelled_under_a_holder(stage: Stage, **options: Any) -> Invocation:
    """The minute after a cancelled job's holder died."""
    job = stage.create(2, **options)
    stage.hold(job)
    stage.ask("cancel", job)
    stage.pass_time()
    return stage.minute()


def retry_cancelled_under_a_holder(stage: Stage) -> Invocation:
    """Likewise in a second generation."""
    job = stage.ended_with_a_failure()
    stage.ask("retry", job)
    stage.hold(job)
    stage.ask("cancel", job)
    stage.pass_time()
    return stage.minute()


def at_rest(stage: Stage) -> Invocation:
    """The minute in which a job is due that somebody has paused: the sweeper will put it off until its deadline."""
    stage.ask("pause", stage.create(2, deadline_minutes=10_000))
    stage.lose_messages()
    stage.pass_time()
    return stage.minute()


def gone_on_without_messages(stage: Stage) -> None:
    """A person resumes the job, and the queue loses what that sent."""
    stage.ask("resume", stage.only())
    stage.lose_messages()


def looked_at_within_a_minute(stage: Stage) -> None:
    """Nobody but the sweeper can go on: it comes at once, not at the deadline."""
    job = stage.only()
    if job.status is not JobStatus.PAUSED:
        assert job.check_at is not None
        assert job.check_at <= stage.clock.now() + LOOK_EVERY


def not_finalized(stage: Stage) -> Invocation:
    """The minute after the last item was settled, of which the stream has told nobody."""
    stage.create(2)
    stage.consume_all()
    stage.pass_time(70)
    return stage.minute()


def not_told(stage: Stage) -> Invocation:
    """The minute after a finalizer that died before it told of a job's end."""
    stage.create(2)
    stage.consume_all()
    stage.die(stage.ledger_record(stage.only()), at="Publish")
    stage.pass_time(70)
    return stage.minute()


def abandoned(*, key: str | None) -> Callable[[Stage], Invocation]:
    """The minute after an intake that died before it was sealed."""

    def arrange(stage: Stage) -> Invocation:
        stage.die(large_creation(stage, key=key), at="UpdateItem seal")
        stage.pass_time()
        return stage.minute()

    return arrange


def two_jobs(stage: Stage) -> Invocation:
    """The minute in which one job needs a message and another its end."""
    stage.create(2)
    stage.consume_all()
    stage.create(2)
    stage.lose_messages()
    stage.pass_time()
    return stage.minute()


FLOWS = (
    Flow(name="sweeper: nothing is to be done", arrange=after(70, messages=True), ends=[BOTH]),
    Flow(name="sweeper: a creation that died is dispatched", arrange=not_dispatched, ends=[BOTH]),
    Flow(name="sweeper: an idle lane is sent for", arrange=after(700), ends=[BOTH]),
    Flow(name="sweeper: a lane whose holder died is sent for", arrange=after(700, held=True), ends=[BOTH]),
    Flow(
        name="sweeper: a job is handed to the queue whose client is silent",
        arrange=after(700, drive="client"),
        ends=[BOTH],
    ),
    Flow(name="sweeper: a job ends at its deadline", arrange=after(700, deadline_minutes=5), ends=[CUT]),
    Flow(
        name="sweeper: a job ends at its deadline under a holder that died",
        arrange=after(700, held=True, deadline_minutes=5),
        ends=[CUT],
    ),
    Flow(
        name="sweeper: a job is stopped that a dead worker has halted",
        arrange=halted("stop"),
        ends=["cancelled: 1 failed, 1 cancelled"],
    ),
    Flow(name="sweeper: a job is paused that a dead worker has halted", arrange=halted("pause"), ends=[FIRST_LOST]),
    Flow(name="sweeper: a lane of a cancelled job is closed", arrange=cancelled_under_a_holder, ends=[CUT]),
    Flow(
        name="sweeper: a lane of a cancelled job with a budget is closed",
        arrange=lambda stage: cancelled_under_a_holder(stage, budget_usd=5),
        ends=[CUT],
    ),
    Flow(
        name="sweeper: a lane of a cancelled retry is closed",
        arrange=retry_cancelled_under_a_holder,
        ends=[FIRST_LOST],
    ),
    Flow(name="sweeper: a job at rest is put off", arrange=at_rest, ends=[BOTH]),
    Flow(
        name="sweeper: a job at rest is resumed while it is looked at",
        arrange=at_rest,
        meanwhile=("UpdateItem look", gone_on_without_messages),
        afterwards=looked_at_within_a_minute,
        ends=[BOTH],
    ),
    Flow(
        name="sweeper: a job at rest is cancelled while it is looked at",
        arrange=at_rest,
        meanwhile=("UpdateItem look", Stage.cancel_all),
        afterwards=looked_at_within_a_minute,
        ends=[CUT],
    ),
    Flow(name="sweeper: a job is ended that the stream has forgotten", arrange=not_finalized, ends=[BOTH]),
    Flow(name="sweeper: an end is told that a finalizer did not live to tell", arrange=not_told, ends=[BOTH]),
    Flow(name="sweeper: an intake is removed", arrange=abandoned(key=None), ends=["no job"]),
    Flow(name="sweeper: an intake is removed with its key", arrange=abandoned(key="key-1"), ends=["no job"]),
    Flow(name="sweeper: two jobs are repaired in one run", arrange=two_jobs, ends=[f"{BOTH}; {BOTH}"]),
)
