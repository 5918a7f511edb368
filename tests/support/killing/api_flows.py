"""The api's runs: jobs are created, steered and retried by people, who ask again, or never come back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.support.killing.flows import Flow
from tests.support.killing.job_topics import BOTH, FIRST_LOST, REFUSED
from tests.support.killing.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation

__all__ = ["FLOWS", "LARGE", "large_creation"]

LARGE: Final = 197
"""Items of a job that is taken in by three transactions: 97, 99 and one."""
CUT: Final = "cancelled: 2 cancelled"
ALL_CUT: Final = f"cancelled: {LARGE} cancelled"


def large_creation(stage: Stage, *, key: str | None = None, again: bool = True) -> Invocation:
    """A request for a job that is taken in chunk by chunk; no messages are sent for it."""
    return stage.creation(LARGE, key=key, again=again, drive="client")


def creation_an_hour_later(stage: Stage) -> Invocation:
    """A request for a second job by somebody who may begin one an hour; the start of the first still fills the list."""
    stage.desk.settings["jobs_per_hour"] = 1
    stage.create(2)
    stage.finish()
    stage.pass_time(3_700)
    return stage.creation(2, key="key-1")


def left_in_intake(stage: Stage) -> Invocation:
    """The second request with a key whose first one died before it sealed the job."""
    stage.die(large_creation(stage, key="key-1"), at="UpdateItem seal")
    stage.pass_time()
    return large_creation(stage, key="key-1")


def steered(action: str, *before: str, again: bool = True, held: bool = False) -> Callable[[Stage], Invocation]:
    """A request for ``action`` for a job of two items for which others were asked ``before``."""

    def arrange(stage: Stage) -> Invocation:
        job = stage.create(2)
        if held:
            stage.hold(job)
        for earlier in before:
            stage.ask(earlier, job)
        return stage.request(action, job, again=again)

    return arrange


def resumed_with_more(stage: Stage) -> Invocation:
    """A request to resume a job whose budget was used up, with a larger one."""
    job = stage.create(2, budget_usd=stage.estimated_usd())
    stage.consume_all()
    return stage.request("resume", job, {"budget_usd": 5.0})


def bulk_cancel(*, again: bool) -> Callable[[Stage], Invocation]:
    """A request to cancel two jobs."""

    def arrange(stage: Stage) -> Invocation:
        jobs = [stage.create(2).job_id, stage.create(2).job_id]
        return stage.request("cancel", body={"job_ids": jobs}, again=again)

    return arrange


def retried(*, again: bool, key: str | None = None, **body: Any) -> Callable[[Stage], Invocation]:
    """A request to retry the item that was lost with its worker."""

    def arrange(stage: Stage) -> Invocation:
        return stage.request("retry", stage.ended_with_a_failure(), body, key=key, again=again)

    return arrange


def retried_with_more(stage: Stage) -> Invocation:
    """A request to retry an item of a job with a budget, with a larger one."""
    return stage.request("retry", stage.ended_with_a_failure(budget_usd=2.0), {"budget_usd": 5.0}, key="key-1")


def one_of_two_retried(stage: Stage) -> Invocation:
    """A request to retry one of two failed items."""
    job = stage.create([REFUSED, "Topic 2 [[claude: refusal]]"])
    stage.finish()
    return stage.request("retry", job, {"positions": [2]}, key="key-1")


def cancelled_retry(stage: Stage) -> Invocation:
    """A request to cancel a job that is being retried."""
    job = stage.ended_with_a_failure()
    stage.ask("retry", job)
    return stage.request("cancel", job)


def process_next(*, arrives: bool) -> Callable[[Stage], Invocation]:
    """A client's request for one item; then the client is gone."""

    def arrange(stage: Stage) -> Invocation:
        return stage.process_next(stage.create(2, drive="client"), arrives=arrives)

    return arrange


FLOWS = (
    Flow(
        name="api: a job is created, and the caller asks again",
        arrange=lambda stage: stage.creation(2, key="key-1"),
        ends=[BOTH],
    ),
    Flow(
        name="api: a job is created, and the caller never comes back",
        arrange=lambda stage: stage.creation(2, again=False),
        ends=[BOTH, "no job"],
    ),
    Flow(
        name="api: a job is created with more messages than a batch holds",
        arrange=lambda stage: stage.creation(11, key="key-1"),
        afterwards=Stage.cancel_all,
        ends=["cancelled: 11 cancelled"],
    ),
    Flow(
        name="api: a job is created when a start of long ago is forgotten",
        arrange=creation_an_hour_later,
        ends=[f"{BOTH}; {BOTH}"],
    ),
    Flow(
        name="api: a large job is taken in, and the caller asks again",
        arrange=partial(large_creation, key="key-1"),
        afterwards=Stage.cancel_all,
        ends=[ALL_CUT],
    ),
    Flow(
        name="api: a large job is taken in, and the caller never comes back",
        arrange=partial(large_creation, again=False),
        afterwards=Stage.cancel_all,
        ends=[ALL_CUT, "no job"],
    ),
    Flow(
        name="api: the intake of a dead process is gone on with",
        arrange=left_in_intake,
        afterwards=Stage.cancel_all,
        ends=[ALL_CUT],
    ),
    Flow(name="api: a job is paused, and the caller asks again", arrange=steered("pause"), ends=[BOTH]),
    Flow(
        name="api: a job is paused while a worker holds a lane",
        arrange=steered("pause", held=True, again=False),
        ends=[BOTH],
    ),
    Flow(name="api: a job is resumed, and the caller asks again", arrange=steered("resume", "pause"), ends=[BOTH]),
    Flow(
        name="api: a job is resumed, and the caller never comes back",
        arrange=steered("resume", "pause", again=False),
        ends=[BOTH],
    ),
    Flow(name="api: a job is resumed with a larger budget", arrange=resumed_with_more, ends=[BOTH]),
    Flow(name="api: a job is cancelled, and the caller asks again", arrange=steered("cancel"), ends=[CUT]),
    Flow(
        name="api: a job is cancelled, and the caller never comes back",
        arrange=steered("cancel", again=False),
        ends=[CUT, BOTH],
    ),
    Flow(
        name="api: a job is cancelled while a worker holds a lane",
        arrange=steered("cancel", held=True),
        ends=[CUT],
    ),
    Flow(name="api: a paused job is cancelled", arrange=steered("cancel", "pause"), ends=[CUT]),
    Flow(name="api: a job that is being retried is cancelled", arrange=cancelled_retry, ends=[FIRST_LOST]),
    Flow(
        name="api: two jobs are cancelled, and the caller asks again",
        arrange=bulk_cancel(again=True),
        ends=[f"{CUT}; {CUT}"],
    ),
    Flow(
        name="api: two jobs are cancelled, and the caller never comes back",
        arrange=bulk_cancel(again=False),
        ends=[f"{CUT}; {CUT}", f"{CUT}; {BOTH}", f"{BOTH}; {BOTH}"],
    ),
    Flow(
        name="api: a job is retried, and the caller asks again",
        arrange=retried(again=True, key="key-1"),
        ends=[BOTH],
    ),
    Flow(
        name="api: a job is retried, and the caller never comes back",
        arrange=retried(again=False),
        ends=[BOTH, FIRST_LOST],
    ),
    Flow(name="api: a job is retried with a larger budget", arrange=retried_with_more, ends=[BOTH]),
    Flow(name="api: one of two failed items is retried", arrange=one_of_two_retried, ends=["failed: 2 failed"]),
    Flow(
        name="api: process-next starts a processor",
        arrange=process_next(arrives=True),
        ends=[BOTH],
    ),
    Flow(
        name="api: process-next starts a processor that is lost",
        arrange=process_next(arrives=False),
        ends=[BOTH],
    ),
)
