"""The shared brake on real processors: what of Claude's limit is used, and what it refuses.

Every lane is a thread with a processor of its own, fed by the queue; the table and the queue are the emulator's, the
client is the real one, and Claude is the offline one with a rate limit. ``python -m benchmarks.brake`` runs longer
than ``python -m benchmarks`` does, and without a brake beside it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from functions.processor.braking import Admission
from functions.processor.writing import Writer
from pressroom.local.claude import OfflineClaude
from shared.clock import SystemClock, from_iso
from shared.generation.client import ClaudeClient
from shared.generation.pricing import Price, PriceTable
from tests.support.emulator import running_emulator
from tests.support.resources import fresh_queue, fresh_table
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from datetime import datetime

    from functions.processor.process import Processor
    from shared.contracts.messages import LaneMessage
    from shared.errors import ItemError
    from shared.jobs.ledger import Ledger
    from tests.support.emulator import Emulator

__all__ = ["ASKS", "LANES", "RATE", "REFUSED", "USED", "Braked", "measure"]

RATE: Final = 8.0
LANES: Final = (4, 32)
ASKS: Final = 1.5
"""What the lanes could ask at, in what Claude allows: the least for which the brake proves anything."""
USED: Final = 0.9
"""The least of what Claude allows that is to be used."""
REFUSED: Final = 0.05
"""Fewer of the calls are to be refused."""
_PRICES: Final = PriceTable({"claude-test": Price(1, 1)}, "today")
_ASKED: Final = 2.0
"""What the lanes could ask at is about so many times what Claude allows."""
_PROBE_SECONDS: Final = 8.0


@dataclass(frozen=True)
class Braked:
    """One run. Parts are of the time after settling in."""

    lanes: int
    could_ask: float
    """Calls a second of the same lanes where Claude allows all."""
    used: float
    refused: float
    failed: int
    """Items that failed, in the whole run."""


class _NoGate:
    """Lanes that run into the wall alone."""

    def admit(self, _: LaneMessage) -> Admission:
        return Admission(None)

    def heed(self, _: ItemError, __: Admission) -> None:
        """Nobody is told."""


def measure(lanes: int, *, settle_seconds: float, seconds: float, tells: bool = True, braked: bool = True) -> Braked:
    """Run ``lanes`` lanes at a Claude that allows :data:`RATE` requests a second.

    Args:
        lanes: of one job.
        settle_seconds: what is left out of the figures.
        seconds: what they are of.
        tells: Claude says what it allows, as the real one does.
        braked: False lets every lane find out by itself.
    """
    with running_emulator() as emulator:
        free = _run(emulator, lanes, None, _PROBE_SECONDS, tells=tells, braked=braked)
        run = _run(emulator, lanes, RATE, settle_seconds + seconds, tells=tells, braked=braked)
    begin = run.began.timestamp() + settle_seconds
    calls = [(at, allowed) for at, allowed in run.calls if begin <= at < begin + seconds]
    allowed = sum(allowed for _, allowed in calls)
    return Braked(
        lanes=lanes,
        could_ask=len(free.calls) / _PROBE_SECONDS,
        used=allowed / (RATE * seconds),
        refused=1 - allowed / len(calls),
        failed=run.failed,
    )


@dataclass(frozen=True)
class _Run:
    began: datetime
    calls: list[tuple[float, bool]]
    failed: int


def _run(emulator: Emulator, lanes: int, rate: float | None, seconds: float, *, tells: bool, braked: bool) -> _Run:
    latency = lanes / (RATE * _ASKED)
    dynamodb, sqs = emulator.client("dynamodb"), emulator.client("sqs")
    with (
        fresh_table(dynamodb) as table,
        fresh_queue(sqs) as queue,
        OfflineClaude(rate=rate, latency_seconds=latency, tells=tells) as claude,
        ClaudeClient(api_key="key", base_url=claude.base_url, prices=_PRICES) as client,
    ):
        workshop = Workshop.over(table, queue)
        job = workshop.dispatch(workshop.job(int(RATE * _ASKED * seconds * 1.5), concurrency=lanes, max_attempts=5))
        began = SystemClock().now()
        _drive(workshop, client, lanes, seconds, braked=braked)
        failed = _failed(workshop, job)
        calls = [(from_iso(call.time).timestamp(), call.status == 200) for call in claude.calls]  # noqa: PLR2004  OK
    dynamodb.close()
    sqs.close()
    return _Run(began, calls, failed)


def _failed(workshop: Workshop, job: Ledger) -> int:
    return workshop.ledger(job).failed


def _drive(workshop: Workshop, client: ClaudeClient, lanes: int, seconds: float, *, braked: bool) -> None:
    """A thread a lane, so long."""
    ended = threading.Event()

    def lane() -> None:
        processor = replace(workshop.processor(), writer=Writer(client))
        if not braked:
            processor = replace(processor, gate=_NoGate())  # type: ignore[arg-type]
        while not ended.is_set():
            _advance(workshop, processor)

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    ended.wait(seconds)
    ended.set()
    for thread in threads:
        thread.join()


def _advance(workshop: Workshop, processor: Processor) -> None:
    received = workshop.receive(wait_seconds=1)
    if received is None:
        return
    message, delivery = received
    disposition = processor.advance(message, delivery=delivery, trace_id="benchmark", seconds_left=lambda: 900.0)
    if processor.finish(message, delivery, disposition):
        workshop.queue.client.delete_message(QueueUrl=workshop.queue.url, ReceiptHandle=delivery.receipt)


def _print(what: str, run: Braked) -> None:
    print(
        f"{run.lanes:>3} lanes, {what:<32} could ask {run.could_ask / RATE:.1f} k; used {run.used:.0%} of k, "
        f"refused {run.refused:.1%} of the calls, {run.failed} items failed"
    )


if __name__ == "__main__":
    started = time.monotonic()
    for count in LANES:
        _print("Claude says what it allows,", measure(count, settle_seconds=60, seconds=60))
        _print("Claude does not say it,", measure(count, settle_seconds=60, seconds=60, tells=False))
        _print("no brake,", measure(count, settle_seconds=20, seconds=30, braked=False))
    print(f"k = {RATE:g} requests a second; {time.monotonic() - started:.0f} s in all")
