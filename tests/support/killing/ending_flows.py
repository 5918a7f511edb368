"""The finalizer's and the journal's runs: a generation ends and is told of, and the timeline is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.journal.write import Journal
from shared.store.events import EventStore
from shared.store.keys import EVENT_PREFIX, job_partition
from tests.support.killing.flows import Flow
from tests.support.killing.job_topics import BOTH, FIRST_LOST, GOOD, REFUSED
from tests.support.stream_records import records_of, story

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation, Stage

__all__ = ["FLOWS"]


def settled(*topics: str) -> Callable[[Stage], Invocation]:
    """The word of a job whose items are all settled."""

    def arrange(stage: Stage) -> Invocation:
        stage.create(topics or 2)
        stage.consume_all()
        return stage.ledger_record(stage.only())

    return arrange


def cancelled(stage: Stage) -> Invocation:
    """The word of a job that was cancelled before anything began."""
    job = stage.create(2)
    stage.ask("cancel", job)
    return stage.ledger_record(stage.only())


def paused(stage: Stage) -> Invocation:
    """The word of a job that was paused while its last item ran."""
    job = stage.create(1)
    invocation = stage.delivery()
    run = stage.run_of(invocation, waits_at="Claude")
    stage.theatre.executioner.carry_out(run, meanwhile=lambda: stage.ask("pause", job))
    return stage.ledger_record(stage.only())


def of_a_retry(stage: Stage) -> Invocation:
    """The word of a second generation."""
    stage.ask("retry", stage.ended_with_a_failure())
    stage.consume_all()
    return stage.ledger_record(stage.only())


def ended(stage: Stage) -> Invocation:
    """An old word of a job whose end was told since."""
    stage.create(2)
    stage.consume_all()
    word = stage.ledger_record(stage.only())
    stage.finish()
    return word


def told_in_part(stage: Stage) -> Invocation:
    """The word of a job whose first finalizer died before it told of the end."""
    stage.create(2)
    stage.consume_all()
    word = stage.ledger_record(stage.only())
    stage.die(word, at="Publish")
    return word


def a_life(stage: Stage) -> Invocation:
    """Every change of a job's ledger, in one batch."""
    return stage.journal_records(records_of(story()))


def timeline_is_whole(stage: Stage) -> None:
    """Every change is told, once."""
    journal = Journal(EventStore(stage.workshop.table), stage.workshop.items)
    expected = [row for record in records_of(story()) for row in journal.rows(record)]
    job_id = story()[0].job_id
    rows = list(stage.workshop.table.query(job_partition(job_id), prefix=EVENT_PREFIX, consistent=True))
    assert rows == sorted(expected, key=lambda row: str(row["sk"]))
    assert len(rows) > 20


FLOWS = (
    Flow(name="finalizer: a job completes", arrange=settled(), ends=[BOTH]),
    Flow(name="finalizer: a job ends with a failed item", arrange=settled(REFUSED, GOOD), ends=[FIRST_LOST]),
    Flow(name="finalizer: a cancelled job ends", arrange=cancelled, ends=["cancelled: 2 cancelled"]),
    Flow(name="finalizer: a paused job ends with its last item", arrange=paused, ends=["completed: 1 completed"]),
    Flow(name="finalizer: a second generation ends", arrange=of_a_retry, ends=[BOTH]),
    Flow(name="finalizer: a job has ended, and its end was told", arrange=ended, ends=[BOTH]),
    Flow(name="finalizer: a job has ended, and its end was not told", arrange=told_in_part, ends=[BOTH]),
    Flow(name="journal: a job's life is told", arrange=a_life, holds=timeline_is_whole, ends=["no job"]),
)
