"""Twenty workers race on one job, through the queue and by invocation together."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shared.jobs.statuses import ItemStatus, JobStatus
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.support.resources import QueueHandle, TableHandle

ITEMS, THREADS = 200, 20


def _by_queue(workshop: Workshop, job: Ledger) -> None:
    while workshop.ledger(job).open:
        workshop.consume()


def _by_invocation(workshop: Workshop, job: Ledger) -> None:
    """What process-next does: pick a free lane, invoke for it."""
    while (seen := workshop.ledger(job)).open:
        lane = random.randrange(len(seen.lanes))
        if not seen.lanes[lane].exhausted:
            workshop.advance(workshop.message(job, lane, index=seen.lanes[lane].next))


@pytest.mark.acceptance(14)
@pytest.mark.acceptance(29)
@pytest.mark.parametrize("concurrency", [4, 16])
def test_every_item_has_one_outcome_when_twenty_workers_race(
    table: TableHandle, work_queue: QueueHandle, concurrency: int
) -> None:
    workshop = Workshop.over(table, work_queue)
    job = workshop.dispatch(workshop.job(ITEMS, concurrency=concurrency))
    failures: list[BaseException] = []

    def run(drive: object) -> None:
        try:
            drive(workshop, job)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001  a thread's failure must reach the test
            failures.append(error)

    drivers = [_by_queue if number % 2 else _by_invocation for number in range(THREADS)]
    threads = [threading.Thread(target=run, args=(drive,)) for drive in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    ledger = workshop.ledger(job)
    assert (ledger.completed, ledger.failed, ledger.queued, ledger.held, ledger.open) == (ITEMS, 0, 0, 0, 0)
    assert ledger.output_tokens == ITEMS * 200
    assert Counter(workshop.statuses(job)) == {ItemStatus.COMPLETED: ITEMS}
    assert Counter(workshop.claude.calls) == {f"{job.job_id}:1:{position}": 1 for position in range(1, ITEMS + 1)}
    tokens = [item.outcome.token for item in workshop.all_items(job) if item.outcome]
    assert len(set(tokens)) == ITEMS
    workshop.finalizer().close(ledger)
    assert workshop.ledger(job).status is JobStatus.COMPLETED
    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
