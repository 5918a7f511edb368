"""The sweeper of the state machine: the real one, whose writes are steps of the machine, and whose messages are the
crew's. Others act between its reading and its writing, and its look may be written much later.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from aws_lambda_powertools import Logger

from functions.sweeper.sweep import Plan, Sweeper
from shared.contracts.messages import LaneMessage
from shared.ending.closing import Closer
from shared.queue.dispatch import WorkQueue
from shared.store.intake import IntakeStore
from shared.store.keys import job_id_of, watch_shard
from shared.store.ledgers import LedgerStore
from shared.store.watch import WatchList
from tests.support import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_sqs.client import SQSClient

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.jobs.statuses import CancelReason, PauseReason
    from shared.store.keys import Key
    from tests.support.crew import Crew
    from tests.support.steps import Step

__all__ = ["sweeper_of"]


class _LoudLogger(Logger):
    """What goes wrong at one job is that job's trouble alone; here it is the test's."""

    def exception(self, *_: Any, **__: Any) -> NoReturn:
        error = sys.exc_info()[1]
        assert error is not None
        raise error


_LOGGER = _LoudLogger(service="test", level="CRITICAL")


@dataclass(frozen=True)
class _SteppingLedgers(LedgerStore):
    """Does every transition as a step of the machine; ``look`` leaves the last one to somebody who is woken later."""

    crew: Crew
    asleep: bool = False

    def _step(self, step: Step) -> Ledger:
        if not self.crew.do(step):
            assert self.crew.world.refused is not None
            raise self.crew.world.refused
        return self.crew.ledger

    def cancel(self, ledger: Ledger, *, reason: CancelReason, check_at: datetime | None = None, actor: str) -> Ledger:
        assert actor
        return self._step(steps.cancel(ledger, reason=reason, check_at=check_at))

    def pause(self, ledger: Ledger, *, reason: PauseReason, actor: str) -> Ledger:
        assert actor
        return self._step(steps.pause(ledger, reason=reason))

    def close(self, ledger: Ledger, *, lane: int, now: datetime, actor: str) -> Ledger:
        assert actor
        return self._step(steps.close(ledger, lane=lane, now=now))

    def handoff(self, ledger: Ledger, *, actor: str) -> Ledger:
        assert actor
        return self._step(steps.handoff(ledger))

    def dispatched(self, ledger: Ledger, *, cursor: int, actor: str) -> Ledger:
        assert actor
        return self._step(steps.dispatched(ledger, cursor=cursor))

    def finalize(self, ledger: Ledger, *, now: datetime, actor: str) -> Ledger:
        assert actor
        return self._step(steps.finalize(ledger, now=now))

    def notified(self, ledger: Ledger, *, actor: str) -> Ledger:
        assert actor
        return self._step(steps.notified(ledger))

    def look(self, ledger: Ledger, *, new: datetime, paused_in: int | None = None) -> Ledger:
        step = steps.look(ledger, new=new, paused_in=paused_in)
        if self.asleep:
            self.crew.postpone(step)
            return ledger
        return self._step(step)


@dataclass(frozen=True)
class _OneJob(WatchList):
    """What is due of the index, as far as it is the machine's job: other examples' jobs may stand there unfinished."""

    job_id: str = ""

    def due(self, until: datetime, *, first_shard: int, page: int) -> Iterator[list[Key]]:
        assert first_shard >= 0
        for key in self._shard(int(watch_shard(self.job_id)), until, page):
            if job_id_of(key["sk"]) == self.job_id:
                yield [key]


@dataclass(frozen=True)
class _Post:
    """The queue, as far as somebody who only sends sees it."""

    crew: Crew

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        for entry in request["Entries"]:
            message = LaneMessage.from_json(entry["MessageBody"])
            self.crew.receive(message.lane, message.epoch, entry["MessageDeduplicationId"])
        return {}


@dataclass(frozen=True)
class _Board:
    """The topic."""

    told: list[str]

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        assert attributes
        self.told.append(json.loads(body)["id"])


@dataclass(frozen=True)
class _InterruptedSweeper(Sweeper):
    """``meanwhile`` happens between what it has read and what it does about it."""

    meanwhile: Callable[[], None] = lambda: None

    def plan(self, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
        planned = super().plan(ledger, spec, now)
        self.meanwhile()
        return planned


def _meter(name: str, count: int) -> NoReturn:
    raise AssertionError(f"{name}: {count}")


def sweeper_of(crew: Crew, *, meanwhile: Callable[[], None], asleep: bool) -> Sweeper:
    """A sweeper, as a cold start makes one. It alarms at a ledger that no rule explains, and so would the test."""
    world = crew.world
    ledgers = _SteppingLedgers(world.table, crew, asleep)
    return _InterruptedSweeper(
        watch=_OneJob(world.table, world.ledger.job_id),
        ledgers=ledgers,
        items=world.items,
        intake=IntakeStore(world.table),
        queue=WorkQueue(cast("SQSClient", _Post(crew)), "queue"),
        closer=Closer(ledgers, world.items, _Board(world.history.told), world.clock, actor="sweeper"),
        clock=world.clock,
        logger=_LOGGER,
        meter=_meter,
        meanwhile=meanwhile,
    )
