"""A cancel reaches Claude while it writes: the real client, over HTTP, and a processor on the emulator."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from functions.processor.writing import Writer
from pressroom.local.claude import OfflineClaude
from shared.generation.client import ClaudeClient
from shared.generation.pricing import Price, PriceTable
from shared.jobs.statuses import CancelReason, ItemStatus, JobStatus
from shared.turns.dispositions import Acknowledge
from tests.support.waiting import eventually
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from shared.turns.dispositions import Disposition
    from tests.support.resources import QueueHandle, TableHandle

PRICES = PriceTable({"claude-test": Price(2_000_000, 10_000_000)}, "today")
SLOW, SILENT, QUICK, NEVER = 1, 2, 3, 4
TOPICS = {SLOW: "Tea [[claude: write=60]]", SILENT: "Tea [[claude: hang]]", QUICK: "Tea", NEVER: "Tea"}
NOTICED_SECONDS = 5.0
SLACK_SECONDS = 1.0
"""For a machine that does much else at the same time."""


def advance(workshop: Workshop, client: ClaudeClient, job: Ledger, lane: int) -> tuple[Disposition, float]:
    """One invocation, and when it was over."""
    processor = replace(workshop.processor(), writer=Writer(client))
    disposition = processor.advance(
        workshop.message(job, lane), delivery=None, trace_id="trace-1", seconds_left=lambda: 900.0
    )
    return disposition, time.monotonic()


@pytest.mark.emulator
@pytest.mark.acceptance(26)
def test_calls_end_within_seconds_and_finished_text_is_kept_when_their_job_is_cancelled(
    table: TableHandle, work_queue: QueueHandle
) -> None:
    workshop = Workshop.over(table, work_queue)
    job = workshop.job(len(TOPICS), topic=TOPICS.__getitem__, concurrency=3)
    with (
        OfflineClaude() as claude,
        ClaudeClient(api_key="key", base_url=claude.base_url, prices=PRICES) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        turns = [pool.submit(advance, workshop, client, job, lane) for lane in range(3)]
        quick, _ = turns[QUICK - 1].result(timeout=30)
        eventually(lambda: len(claude.calls) == 3)
        workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
        cancelled_at = time.monotonic()
        ends = [turn.result(timeout=30) for turn in turns[:2]]
        eventually(lambda: claude.left == (f"{job.job_id}:1:{SLOW}",))

    assert quick == Acknowledge(f"item {QUICK} completed")
    for disposition, ended_at in ends:
        assert disposition == Acknowledge("the job is being cancelled: the lane is free")
        assert ended_at - cancelled_at < NOTICED_SECONDS + SLACK_SECONDS
    after, finished = workshop.ledger(job), workshop.item(job, QUICK).outcome
    assert (after.status, after.held, after.open) == (JobStatus.CANCELLING, 0, 0)
    assert workshop.statuses(job) == [ItemStatus.CANCELLED] * 2 + [ItemStatus.COMPLETED, ItemStatus.CANCELLED]
    assert finished is not None
    assert after.input_tokens > finished.input_tokens, "what the stopped call had used is paid"
    assert after.output_tokens > finished.output_tokens
    assert after.cost_microusd == 2 * after.input_tokens + 10 * after.output_tokens
