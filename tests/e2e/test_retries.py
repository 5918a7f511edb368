"""Tries, waits and time limits through the queue: the real client over HTTP, real processors, the emulator."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from functions.processor.writing import Writer
from pressroom.local.claude import OfflineClaude
from shared.clock import from_iso
from shared.errors import ErrorCode
from shared.generation.client import ClaudeClient
from shared.generation.pricing import Price, PriceTable
from shared.jobs.statuses import ItemStatus
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.items import PastAttempt
    from shared.jobs.ledger import Ledger
    from tests.support.resources import QueueHandle, TableHandle

PRICES = PriceTable({"claude-test": Price(2_000_000, 10_000_000)}, "today")
ASKED_TO_WAIT, BROKEN, SILENT = 1, 2, 3
TOPICS = {
    ASKED_TO_WAIT: "Tea [[claude: status=429 retry_after=3 times=1]]",
    BROKEN: "Tea [[claude: status=500]]",
    SILENT: "Tea [[claude: hang times=1]]",
}
LIMIT_SECONDS = 5


def work(workshop: Workshop, client: ClaudeClient, job: Ledger) -> None:
    """One worker, until nothing of the job is open."""
    processor = replace(workshop.processor(), writer=Writer(client))
    while workshop.ledger(job).open:
        received = workshop.receive(wait_seconds=1)
        if received is None:
            continue
        message, delivery = received
        end = processor.advance(message, delivery=delivery, trace_id="trace-1", seconds_left=lambda: 900.0)
        if processor.finish(message, delivery, end):
            workshop.queue.client.delete_message(QueueUrl=workshop.queue.url, ReceiptHandle=delivery.receipt)


def told(attempts: tuple[PastAttempt, ...]) -> list[tuple[str, ErrorCode | None, int | None]]:
    errors = [attempt.error for attempt in attempts]
    return [
        (attempt.outcome, None if error is None else error.code, None if error is None else error.http_status)
        for attempt, error in zip(attempts, errors, strict=True)
    ]


@pytest.mark.emulator
@pytest.mark.acceptance(16)
@pytest.mark.acceptance(20)
def test_tries_are_bounded_and_wait_and_are_told_when_claude_fails(table: TableHandle, work_queue: QueueHandle) -> None:
    workshop = Workshop.over(table, work_queue)
    made = workshop.job(3, topic=TOPICS.__getitem__, concurrency=3, max_attempts=3, item_timeout_seconds=LIMIT_SECONDS)
    job = workshop.dispatch(made)
    with (
        OfflineClaude() as claude,
        ClaudeClient(api_key="key", base_url=claude.base_url, prices=PRICES) as client,
    ):
        workers = [threading.Thread(target=work, args=(workshop, client, job)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=120)
        calls = {
            position: [from_iso(call.time) for call in claude.calls if call.key == f"{job.job_id}:1:{position}"]
            for position in TOPICS
        }

    assert not any(worker.is_alive() for worker in workers)
    assert workshop.statuses(job) == [ItemStatus.COMPLETED, ItemStatus.FAILED, ItemStatus.COMPLETED]
    waited, broken, silent = (workshop.item(job, position).attempts for position in TOPICS)
    assert told(waited) == [("put_back", ErrorCode.RATE_LIMITED, 429), ("completed", None, None)]
    assert told(broken) == [("put_back", ErrorCode.PROVIDER_ERROR, 500)] * 2 + [
        ("failed", ErrorCode.PROVIDER_ERROR, 500)
    ]
    assert told(silent) == [("put_back", ErrorCode.TIMEOUT, None), ("completed", None, None)]
    assert [len(times) for times in calls.values()] == [2, 3, 2]
    first, second = calls[ASKED_TO_WAIT]
    assert (second - first).total_seconds() >= 3
    limit = silent[0].ended_at - silent[0].started_at  # type: ignore[operator]
    assert LIMIT_SECONDS - 0.1 <= limit.total_seconds() < LIMIT_SECONDS + 2
    assert all(before.ended_at <= after.started_at for before, after in pairwise(broken))  # type: ignore[operator]
