"""One run: every job that is due is looked at, what nobody else finishes is done, and the next look is set.

A look decides by :func:`shared.jobs.repairs.repairs` and carries out what comes of it. Every repair may be refused,
because somebody was faster, and every run may die at any point: the next look is set last, so the next run begins
where this one ended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.sweeper.settings import SECONDS_FOR_THE_LAST
from shared.errors import (
    QueueUnavailableError,
    StoreUnavailableError,
    TopicUnavailableError,
    TransitionRefusedError,
)
from shared.jobs.consistency import contradictions, unsettled_lanes
from shared.jobs.ids import new_ulid
from shared.jobs.repairs import (
    LOOK_EVERY,
    Cancel,
    CloseLane,
    Dispatch,
    Facts,
    Finalize,
    HandOff,
    Notify,
    PauseOnError,
    RemoveIntake,
    Repair,
    SendAgain,
    next_look,
    repairs,
    soon,
)
from shared.jobs.statuses import JobStatus, PauseReason
from shared.log_keys import names_in_key
from shared.queue.dispatch import message_for, slots_ahead
from shared.queue.queues import LEASE_MARGIN_SECONDS
from shared.store.dynamodb import RefusedError
from shared.store.keys import WATCH_SHARDS
from shared.store.ledgers import refused_ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger

    from shared.clock import Clock
    from shared.ending.closing import Closer
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.queue.dispatch import WorkQueue
    from shared.store.intake import IntakeStore
    from shared.store.items import ItemStore
    from shared.store.ledgers import LedgerStore
    from shared.store.watch import Watched, WatchList

__all__ = ["ACTOR", "AHEAD", "Plan", "Sweeper", "Swept", "plan_of"]

ACTOR: Final = "sweeper"
AHEAD: Final = timedelta(seconds=15)
"""What is due a moment after a run is looked at now: runs are not exactly a minute apart, and the bound would not hold
if a job had to wait for the run after the next."""
_PAGE: Final = 25
"""Jobs that are read together: few, so that none of the ledgers is old when its turn comes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a look comes to: repairs in their order, and everything about the rows that no rule explains."""

    repairs: tuple[Repair, ...]
    mismatches: tuple[str, ...]


def plan_of(items: ItemStore, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
    """What a look at the job would do. Reads the items that the lanes settled last, and writes nothing."""
    settled = {} if ledger.status is JobStatus.INTAKE else items.last_settled(ledger)
    facts = Facts(
        on_error=spec.options.on_error,
        lease=timedelta(seconds=spec.options.item_timeout_seconds + LEASE_MARGIN_SECONDS),
        cursor_limit=slots_ahead(ledger),
        settled_at={lane: item.completed_at for lane, item in settled.items() if item.completed_at is not None},
    )
    generations = {lane: item.generation for lane, item in settled.items()}
    return Plan(repairs(ledger, facts, now), (*contradictions(ledger), *unsettled_lanes(ledger, generations)))


@dataclass(slots=True)
class Swept:
    """What a run has done. ``is_whole`` where it has looked at everything that was due."""

    looked: int = 0
    failed: int = 0
    mismatched: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    is_whole: bool = False
    is_topic_silent: bool = False
    """A notification got no answer: every further one would take as long, and keep the other jobs waiting."""


@dataclass(frozen=True)
class Sweeper:
    """Looks at jobs. Nothing is kept between runs. ``meter`` counts what alarms look at."""

    watch: WatchList
    ledgers: LedgerStore
    items: ItemStore
    intake: IntakeStore
    queue: WorkQueue
    closer: Closer
    clock: Clock
    logger: Logger
    meter: Callable[[str, int], None]
    jobs_a_run: int = 5_000

    def sweep(self, seconds_left: Callable[[], float]) -> Swept:
        """Look at all that is due, as far as the time goes."""
        started, swept = self.clock.now(), Swept()

        def go_on() -> bool:
            return seconds_left() > SECONDS_FOR_THE_LAST

        first_shard = int(started.timestamp() // LOOK_EVERY.total_seconds()) % WATCH_SHARDS
        try:
            for keys in self.watch.due(started + AHEAD, first_shard=first_shard, page=_PAGE):
                for watched in self.watch.read(keys):
                    if swept.looked >= self.jobs_a_run or not go_on():
                        return swept
                    swept.looked += 1
                    self._look_safely(watched, started, swept, go_on)
            swept.is_whole = True
        except StoreUnavailableError as error:
            # The list itself: what was looked at is told all the same, and the next run begins anew.
            self.logger.warning("the list of what is due got no answer", exc_info=error)
        return swept

    def _look_safely(self, watched: Watched, started: datetime, swept: Swept, go_on: Callable[[], bool]) -> None:
        """Look at one job; what goes wrong is its trouble alone."""
        try:
            ledger = watched.ledger()
            if ledger is not None and ledger.check_at is not None and ledger.check_at <= started + AHEAD:
                self._look(ledger, watched.spec(), started, swept, go_on)
        except TopicUnavailableError as error:
            swept.failed += 1
            swept.is_topic_silent = True
            self.logger.warning("an end could not be told of", **names_in_key(watched.key), exc_info=error)
            self._put_off(watched, started)
        except (StoreUnavailableError, QueueUnavailableError) as error:
            swept.failed += 1  # the next run finds it where it is
            self.logger.warning("a look was cut short", **names_in_key(watched.key), exc_info=error)
        except Exception:
            # The edge of one job: a row that cannot be read, or a fault of ours, must not keep the others waiting.
            swept.failed += 1
            self.logger.exception("a job could not be looked at", code="internal_error", **names_in_key(watched.key))
            self._put_off(watched, started)

    def _put_off(self, watched: Watched, started: datetime) -> None:
        try:
            self.watch.put_off(watched, started + LOOK_EVERY)
        except (TransitionRefusedError, StoreUnavailableError) as error:
            self.logger.info("the next run looks at it again", **names_in_key(watched.key), exc_info=error)

    def _look(self, ledger: Ledger, spec: JobSpec, started: datetime, swept: Swept, go_on: Callable[[], bool]) -> None:
        names: dict[str, Any] = {
            "project": ledger.project_id,
            "job": ledger.job_id,
            "generation": ledger.generation,
        }
        plan = self.plan(ledger, spec, started)
        if plan.mismatches:
            swept.mismatched += 1
            self.meter("LedgerMismatch", 1)
            self.logger.error(
                "a ledger and its items disagree; nothing was changed",
                code="ledger_mismatch",
                **names,
                version=ledger.version,
                mismatches=plan.mismatches,
            )
        after = ledger
        for repair in plan.repairs:
            if not go_on():
                return  # it is due still, and the next run begins with it
            name = type(repair).__name__
            try:
                if swept.is_topic_silent and isinstance(repair, Finalize | Notify):
                    self._end_untold(repair, after)
                after = self._carry_out(repair, after, spec, started, go_on)
            except RefusedError as refused:
                self.logger.info("somebody was faster", repair=name, **names)
                after = refused_ledger(refused) or after
            else:
                swept.repaired[name] += 1
                self.logger.info("repaired", repair=str(repair), **names)
        if go_on():
            self._set_next(ledger, after, started)

    def _end_untold(self, repair: Finalize | Notify, ledger: Ledger) -> None:
        """The job ends now all the same; that it did is for the next run to tell."""
        if isinstance(repair, Finalize):
            self.closer.end(ledger)
        raise TopicUnavailableError("the topic has not answered in this run")

    def plan(self, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
        """What a look at the job comes to."""
        return plan_of(self.items, ledger, spec, now)

    def _set_next(self, before: Ledger, after: Ledger, started: datetime) -> None:
        new = next_look(after, started)
        if new == before.check_at:
            return
        try:
            self.ledgers.look(before, new=new, paused_in=after.epoch if after.status is JobStatus.PAUSED else None)
        except RefusedError:
            # The job's end was told and it has left the list, or a retry, a resume or another sweeper set the time.
            return

    def _carry_out(
        self, repair: Repair, ledger: Ledger, spec: JobSpec, started: datetime, go_on: Callable[[], bool]
    ) -> Ledger:
        """The ledger after ``repair``, as far as it is known."""
        match repair:
            case Cancel(reason):
                return self.ledgers.cancel(ledger, reason=reason, check_at=soon(ledger, started), actor=ACTOR)
            case PauseOnError():
                return self.ledgers.pause(ledger, reason=PauseReason.ON_ERROR, actor=ACTOR)
            case CloseLane(lane):
                return self.ledgers.close(ledger, lane=lane, now=self.clock.now(), actor=ACTOR)
            case HandOff():
                return self.ledgers.handoff(ledger, actor=ACTOR)
            case Dispatch():
                return self._dispatch(ledger, spec)
            case SendAgain(lane, count):
                timeout_seconds = spec.options.item_timeout_seconds
                message = message_for(ledger, lane, timeout_seconds=timeout_seconds)
                self.queue.send_again(message, count=count, ulid=new_ulid(self.clock.now()))
            case Finalize():
                self.closer.close(ledger)
            case Notify():
                self.closer.notify(ledger)
            case RemoveIntake():
                self.intake.remove(ledger, now=self.clock.now(), check_at=started + LOOK_EVERY, go_on=go_on)
        return ledger

    def _dispatch(self, ledger: Ledger, spec: JobSpec) -> Ledger:
        def move(before: Ledger, cursor: int) -> Ledger:
            return self.ledgers.advance_cursor(before, cursor, actor=ACTOR)

        timeout_seconds = spec.options.item_timeout_seconds
        return self.queue.dispatch(ledger, timeout_seconds=timeout_seconds, move_cursor=move)
