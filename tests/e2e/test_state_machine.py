"""Workers, dispatchers, sweepers and people do anything in any order, crash, repeat themselves and act on what they saw
long ago. After every step the table must tell what the pure rules make, and every invariant must hold; at the end,
with faults stopped, the job ends and is notified.

``SOAK_EXAMPLES=2000`` makes a long run of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from shared.errors import ErrorCode
from shared.jobs.ids import new_token
from shared.jobs.lanes import deal
from shared.jobs.ledger import Attempt, Lease, Ledger
from shared.jobs.statuses import RUNNING, CancelReason, Drive, ItemStatus, JobStatus, OnError, PauseReason
from shared.queue.queues import CALL_ENDS_BEFORE_LEASE_SECONDS
from shared.store.dynamodb import DynamoTable
from tests.support import steps
from tests.support.invariants import check_acknowledged, check_call
from tests.support.ledgers import make_outcome
from tests.support.resources import fresh_table
from tests.support.world import EST, World, WorldConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from shared.jobs.items import Outcome
    from tests.support.emulator import Emulator
    from tests.support.steps import Step

EXAMPLES = int(os.environ.get("SOAK_EXAMPLES", "120"))
STEPS = 50
LEASE_SECONDS = 60
WORKERS = 3
FAULTS = 8
"""Of a job, lest little else happens."""
DRAIN_ROUNDS = 120
LIVE = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED})
ANSWER = st.sampled_from(["completed", "failed", "transient", "failed", "transient", "account", "failed"])


CONFIG = st.builds(
    WorldConfig,
    items=st.integers(min_value=1, max_value=4),
    lanes=st.integers(min_value=1, max_value=2),
    max_attempts=st.integers(min_value=1, max_value=3),
    on_error=st.sampled_from([OnError.CONTINUE, OnError.CONTINUE, OnError.STOP, OnError.PAUSE]),
    budget_microusd=st.sampled_from([None, EST, 2 * EST, 4 * EST]),
    drive=st.sampled_from([Drive.QUEUE, Drive.QUEUE, Drive.CLIENT]),
)


@dataclass
class Message:
    """A lane's message; ``index`` makes it an invocation by process-next. Nobody has it until ``visible_at``."""

    lane: int
    epoch: int
    visible_at: datetime
    index: int | None = None
    held: bool = False
    gone: bool = False


@dataclass
class Worker:
    """One invocation of the processor, between any two of its writes."""

    message: Message
    seen: Ledger
    state: str = "claim"
    lease: Lease | None = None
    frozen: Step | None = None
    answer: str = ""
    settled: bool = False

    @property
    def lane(self) -> int:
        return self.message.lane

    @property
    def token(self) -> str:
        assert self.lease is not None
        return self.lease.token


@dataclass
class Crew:
    """Everybody who works one job: the machine's rules are thin wrappers around this."""

    world: World
    workers: list[Worker] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    pending: list[Step] = field(default_factory=list)
    stale: list[tuple[Ledger, int, str]] = field(default_factory=list)
    deduplicated: set[tuple[int, int, int, int]] = field(default_factory=set)
    last: Step | None = None
    faults: int = 0

    # ------------------------------------------------------------------------------------------------ steps

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    @property
    def time(self) -> datetime:
        return self.world.clock.now()

    @property
    def over(self) -> bool:
        """Whether nothing can happen to the job any more."""
        ledger = self.ledger
        return (
            ledger.status in {JobStatus.COMPLETED, JobStatus.CANCELLED}
            and ledger.notified_generation == ledger.generation
        )

    def do(self, step: Step) -> bool:
        self.last = step
        return self.world.apply(step)

    # ------------------------------------------------------------------------------------------------ workers

    def start(self, message: Message) -> Worker:
        message.held = message.index is None
        worker = Worker(message, self.ledger)
        self.workers.append(worker)
        return worker

    def free_messages(self) -> list[Message]:
        return [message for message in self.messages if not message.held and message.visible_at <= self.time]

    def advance(self, worker: Worker, answer: str) -> None:
        """The worker's next write, call or decision."""
        worker.answer = answer if worker.state == "calling" else worker.answer
        getattr(self, f"_{worker.state}")(worker)

    def everybody_works(self, answer: str) -> None:
        for worker in list(self.workers):
            self.advance(worker, answer)

    def _lease(self, worker: Worker, est: int) -> Lease:
        ends = self.time + timedelta(seconds=LEASE_SECONDS)
        worker.lease = Lease(new_token(), worker.message.epoch, ends, est if self.ledger.budgeted else 0)
        return worker.lease

    def _claim(self, worker: Worker) -> None:
        lease = self._lease(worker, EST)
        step = steps.claim(self.ledger, lane=worker.lane, lease=lease, now=self.time, index=worker.message.index)
        if self.do(step):
            worker.seen, worker.state = self.ledger, "begin"
        else:
            self._refused(worker)

    def _refused(self, worker: Worker) -> None:
        """What the row that refused the claim says."""
        worker.seen = seen = self.ledger
        lane, message = seen.lanes[worker.lane], worker.message
        if self._void(message):
            self._acknowledge(worker)
        elif seen.halted:
            worker.state = "follow_up"
        elif lane.lease is not None and lane.lease.expired(self.time):
            worker.state = "take_over"
        elif lane.lease is not None:
            self._keep(worker, lane.lease.expires_at)
        elif lane.not_before is not None and lane.not_before > self.time:
            self._keep(worker, lane.not_before)
        elif self._poor(seen):
            worker.state = "pause_for_budget"
        else:
            self._keep(worker, self.time)

    def _void(self, message: Message) -> bool:
        lane = self.ledger.lanes[message.lane]
        return (
            self.ledger.status not in RUNNING
            or self.ledger.epoch != message.epoch
            or lane.exhausted
            or (message.index is not None and lane.next != message.index)
        )

    def _poor(self, seen: Ledger) -> bool:
        headroom = seen.headroom_microusd
        return headroom is not None and headroom < EST and not seen.live_leases(self.time)

    def _take_over(self, worker: Worker) -> None:
        tried = len(worker.seen.lanes[worker.lane].attempts) + 1
        lease = self._lease(worker, 0 if tried >= self.world.config.max_attempts else EST)
        step = steps.take_over(
            worker.seen, lane=worker.lane, lease=lease, now=self.time, max_attempts=self.world.config.max_attempts
        )
        if self.do(step):
            worker.seen, worker.state = self.ledger, "begin"
        elif self._poor(self.ledger) and not self._void(worker.message):
            worker.seen, worker.state = self.ledger, "pause_for_budget"
        else:
            self._keep(worker, self.time)

    def _pause_for_budget(self, worker: Worker) -> None:
        paused = self.do(steps.pause_for_budget(worker.seen, est_microusd=EST))
        if paused:
            self._acknowledge(worker)
        else:
            self._keep(worker, self.time)

    def _begin(self, worker: Worker) -> None:
        assert worker.lease is not None
        lane = worker.seen.lanes[worker.lane]
        left = (worker.lease.expires_at - self.time).total_seconds() - CALL_ENDS_BEFORE_LEASE_SECONDS
        if len(lane.attempts) >= self.world.config.max_attempts:
            worker.answer, worker.state = "used up", "settle"
        elif left <= 0:
            worker.answer = "transient"
            self._decide(worker)
        else:
            check_call(worker.seen.generation, self.world.position(worker.seen, worker.lane), self.world.history)
            worker.state = "calling"

    def _calling(self, worker: Worker) -> None:
        self._decide(worker)

    def _decide(self, worker: Worker) -> None:
        tried = len(worker.seen.lanes[worker.lane].attempts) + 1
        if worker.answer == "transient" and tried < self.world.config.max_attempts:
            worker.state = "put_back"
        elif worker.answer == "account":
            worker.state = "account_pause"
        else:
            worker.state = "settle"

    def _outcome(self, worker: Worker) -> Outcome:
        codes = {"failed": ErrorCode.REFUSED, "transient": ErrorCode.OVERLOADED, "used up": ErrorCode.LEASE_EXPIRED}
        cost = {"completed": 7, "failed": EST}.get(worker.answer, 0)
        return make_outcome(
            self.world.position(worker.seen, worker.lane),
            code=codes.get(worker.answer),
            token=worker.token,
            generation=worker.seen.generation,
            completed_at=self.time,
            cost_microusd=cost if self.ledger.budgeted else 0,
        )

    def _settle(self, worker: Worker) -> None:
        on_error = self.world.config.on_error
        outcome = self._outcome(worker)
        worker.frozen = worker.frozen or steps.settle(
            worker.seen, lane=worker.lane, outcome=outcome, now=self.time, on_error=on_error
        )
        if not self.do(worker.frozen):
            self._lost(worker)
            return
        worker.settled = True
        if outcome.status is ItemStatus.FAILED and on_error is not OnError.CONTINUE:
            worker.state = "follow_up"
        else:
            self._acknowledge(worker)

    def _put_back(self, worker: Worker) -> None:
        step = steps.put_back(
            worker.seen,
            lane=worker.lane,
            token=worker.token,
            not_before=self.time + timedelta(seconds=5),
            attempt=Attempt(ErrorCode.OVERLOADED, self.time),
            position=self.world.position(worker.seen, worker.lane),
            cost_microusd=3 if self.ledger.budgeted else 0,
        )
        self._back(worker, step)

    def _account_pause(self, worker: Worker) -> None:
        step = steps.account_pause(worker.seen, lane=worker.lane, token=worker.token, not_before=self.time)
        if self.do(step):
            self._acknowledge(worker)
        else:
            worker.state = "put_back_unharmed"

    def _put_back_unharmed(self, worker: Worker) -> None:
        step = steps.put_back(worker.seen, lane=worker.lane, token=worker.token, not_before=self.time, attempt=None)
        self._back(worker, step)

    def _back(self, worker: Worker, step: Step) -> None:
        if self.do(step):
            self._keep(worker, self.time)
        else:
            worker.state = "release"

    def _release(self, worker: Worker) -> None:
        if self.do(steps.release(worker.seen, lane=worker.lane, token=worker.token)):
            self._acknowledge(worker)
        else:
            self._lost(worker)

    def _lost(self, worker: Worker) -> None:
        if self._void(worker.message):
            self._acknowledge(worker)
        else:
            self._keep(worker, self.time)

    def _follow_up(self, worker: Worker) -> None:
        """What a failed item demands under ``on_error``."""
        if self.world.config.on_error is OnError.PAUSE:
            done = self.do(steps.pause(worker.seen, reason=PauseReason.ON_ERROR))
        else:
            done = self.do(steps.cancel(worker.seen, reason=CancelReason.ON_ERROR))
        if done or worker.settled or self._void(worker.message):
            self._acknowledge(worker)
        else:
            self._keep(worker, self.time)

    def _acknowledge(self, worker: Worker) -> None:
        message = worker.message
        if not message.gone:
            check_acknowledged(
                self.ledger, lane=message.lane, epoch=message.epoch, settled=worker.settled, index=message.index
            )
        self._end(worker)
        message.gone = True
        if message in self.messages:
            self.messages.remove(message)

    def _keep(self, worker: Worker, until: datetime) -> None:
        self._end(worker)
        worker.message.held, worker.message.visible_at = False, until

    def _end(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if worker.lease is not None:
            self.stale.append((worker.seen, worker.lane, worker.lease.token))

    def crash(self, worker: Worker) -> None:
        ends = self.time if worker.lease is None else worker.lease.expires_at
        self._keep(worker, ends + timedelta(seconds=10))

    # ------------------------------------------------------------------------------------------------ others

    def send(self, seen: Ledger, lane: int, index: int) -> None:
        """A dispatcher's message; the queue swallows what it has had."""
        number = (seen.epoch, seen.round, lane, index)
        if number not in self.deduplicated:
            self.deduplicated.add(number)
            self.messages.append(Message(lane, seen.epoch, self.time))

    def dispatch(self, seen: Ledger, slots: int) -> Step:
        """Sends the next messages of the round; the cursor's write is the caller's to do, now or much later."""
        n = len(seen.lanes)
        end = min(seen.cursor + slots, n * max(lane.end for lane in seen.lanes))
        for slot in range(seen.cursor, end):
            if seen.lanes[slot % n].next <= slot // n < seen.lanes[slot % n].end:
                self.send(seen, slot % n, slot // n)
        return steps.dispatched(seen, cursor=end)

    def undispatched(self) -> bool:
        ledger = self.ledger
        end = len(ledger.lanes) * max(lane.end for lane in ledger.lanes)
        return ledger.drive is Drive.QUEUE and ledger.status in RUNNING and ledger.cursor < end

    def may_be_invoked(self) -> bool:
        """Clients may always call process-next; here they do where nobody else would bring a worker."""
        others = self.ledger.drive is Drive.QUEUE and self.messages
        return self.ledger.status in RUNNING and len(self.workers) < WORKERS and not others

    def postpone(self, step: Step) -> None:
        """Whoever decided on ``step`` goes to sleep first."""
        self.pending = [*self.pending[-5:], step]

    def idle_lanes(self) -> list[int]:
        """Lanes with work that nobody works and no message is left for (rule 13)."""
        ledger = self.ledger
        if ledger.status not in RUNNING or ledger.drive is Drive.CLIENT:
            return []
        waited_for = {message.lane for message in self.messages if message.epoch == ledger.epoch}
        return [
            number
            for number, lane in enumerate(ledger.lanes)
            if not lane.exhausted and not lane.busy(self.time) and number not in waited_for
        ]

    def choices(self, *, rarely: bool = False) -> dict[str, Callable[[int], Step]]:
        """What somebody may decide on the ledger as it is. The number drawn settles what a decision leaves open.

        ``rarely`` adds what ends a job before its time, and what changes little: with it always there, few jobs would
        come far.
        """
        return self._people(rarely=rarely) | self._endings() | self._repairs(rarely=rarely)

    def _people(self, *, rarely: bool) -> dict[str, Callable[[int], Step]]:
        ledger, found = self.ledger, dict[str, "Callable[[int], Step]"]()
        if ledger.status in RUNNING:
            found["pause"] = lambda _: steps.pause(ledger)
        if ledger.status is JobStatus.PAUSED:
            found["resume"] = lambda n: steps.resume(ledger, more_microusd=n % 3 * EST if ledger.budgeted else 0)
        if ledger.status in LIVE and rarely:
            found["cancel"] = lambda n: steps.cancel(ledger, reason=list(CancelReason)[n % 3])
        return found

    def _endings(self) -> dict[str, Callable[[int], Step]]:
        ledger, found = self.ledger, dict[str, "Callable[[int], Step]"]()
        if not ledger.final and not ledger.open:
            found["finalize"] = lambda _: steps.finalize(ledger, now=self.time)
        if ledger.final and ledger.notified_generation < ledger.generation:
            found["notify"] = lambda _: self._notify(ledger)
        if ledger.status in {JobStatus.FAILED, JobStatus.PARTIALLY_FAILED}:
            found["retry"] = lambda n: self._retry(ledger, n)
        return found

    def _repairs(self, *, rarely: bool) -> dict[str, Callable[[int], Step]]:
        ledger, found = self.ledger, dict[str, "Callable[[int], Step]"]()
        leased = [number for number, lane in enumerate(ledger.lanes) if lane.lease is not None]
        if leased and (ledger.status is JobStatus.CANCELLING or rarely):
            found["close"] = lambda n: steps.close(ledger, lane=leased[n % len(leased)], now=self.time)
        if ledger.status in RUNNING and leased:
            found["take_over"] = lambda n: self._slow_take_over(ledger, leased[n % len(leased)])
        if ledger.status in RUNNING and self._poor(ledger):
            found["pause_for_budget"] = lambda _: steps.pause_for_budget(ledger, est_microusd=EST)
        if ledger.drive is Drive.CLIENT and not ledger.final:
            found["handoff"] = lambda _: steps.handoff(ledger)
        if self.undispatched():
            found["dispatch"] = lambda n: self.dispatch(ledger, 1 + n % 4)
        if ledger.status in RUNNING and rarely:
            found["redrive"] = lambda n: steps.redrive(ledger, lane=n % len(ledger.lanes))
        if ledger.open and not ledger.final and rarely:
            found["finalize too soon"] = lambda _: steps.finalize(ledger, now=self.time)
        if ledger.check_at is not None and rarely:
            found["look"] = lambda _: steps.look(ledger, new=self.time + timedelta(seconds=60))
        return found

    def _slow_take_over(self, ledger: Ledger, lane: int) -> Step:
        """A worker that found a holder, dead or not, and dies itself once it has the lane."""
        lease = Lease(new_token(), ledger.epoch, self.time + timedelta(seconds=LEASE_SECONDS), EST)
        return steps.take_over(
            ledger,
            lane=lane,
            lease=lease if ledger.budgeted else replace(lease, est_microusd=0),
            now=self.time,
            max_attempts=self.world.config.max_attempts,
        )

    def _notify(self, ledger: Ledger) -> Step:
        self.world.history.told.append(f"{ledger.job_id}:{ledger.generation}")
        return steps.notified(ledger)

    def _retry(self, ledger: Ledger, number: int) -> Step:
        failed = self.world.failed()
        chosen = [position for bit, position in enumerate(failed) if number >> bit & 1] or failed
        errors, firsts = self.world.tally([position for position in failed if position not in chosen])
        return steps.retry(
            ledger,
            work=deal(chosen, len(ledger.lanes)),
            errors=errors,
            firsts=firsts,
            now=self.time,
            check_at=self.time + timedelta(seconds=60),
            more_microusd=EST * len(chosen) if ledger.budgeted else 0,
        )

    def thought_dead(self) -> list[tuple[Ledger, int, str]]:
        """Those that crashed, as everybody believes, and still hold their lanes."""
        held = self.world.now.tokens()
        return [found for found in self.stale if found[2] in held]

    def act_stale(self, number: int) -> None:
        """Somebody whose turn ended, or who was thought dead, wakes up and writes."""
        sleepers = (self.thought_dead() if number % 2 else []) or self.stale
        seen, lane, token = sleepers[number // 8 % len(sleepers)]
        number //= 2
        later = self.time + timedelta(seconds=1)
        if number % 4 == 0:
            step = steps.release(seen, lane=lane, token=token)
        elif number % 4 == 1:
            step = steps.put_back(seen, lane=lane, token=token, not_before=later, attempt=None)
        elif number % 4 == 2:
            step = steps.account_pause(seen, lane=lane, token=token, not_before=later)
        else:
            position = self.world.position(seen, lane)
            outcome = make_outcome(
                position,
                token=token,
                generation=seen.generation,
                output='"stale"',
                completed_at=later,
                cost_microusd=0,
            )
            step = steps.settle(seen, lane=lane, outcome=outcome, now=later)
        self.do(step)

    def misdeliver(self, message: Message, fault: str) -> None:
        """The queue loses a message, has it twice, or hands it out before its time."""
        if fault == "lost":
            message.gone = True
            self.messages.remove(message)
        elif fault == "repeated" and len(self.messages) < 10:
            self.messages.append(replace(message, held=False, visible_at=self.time))
        else:
            message.held, message.visible_at = False, self.time

    def sweep(self) -> None:
        """What is missing in the queue is sent."""
        if self.undispatched():
            self.do(self.dispatch(self.ledger, 100))
        for lane in self.idle_lanes():
            self.messages.append(Message(lane, self.ledger.epoch, self.time))

    def next_moment(self) -> datetime | None:
        """When something will change by itself."""
        lanes = self.ledger.lanes
        moments = [lane.lease.expires_at + timedelta(seconds=1) for lane in lanes if lane.lease is not None]
        moments += [lane.not_before for lane in lanes if lane.not_before is not None]
        moments += [message.visible_at for message in self.messages]
        return min((moment for moment in moments if moment > self.time), default=None)

    # ------------------------------------------------------------------------------------------------ the drain

    def drain(self) -> None:
        """Faults have stopped, everybody does what they must: the job ends and is notified (invariant 11)."""
        for worker in list(self.workers):
            self.crash(worker)
        self.messages.clear()
        for _ in range(DRAIN_ROUNDS):
            if self.ledger.final and self.ledger.notified_generation == self.ledger.generation:
                break
            self.world.clock.advance(LEASE_SECONDS * 2)
            self._round()
        else:
            raise AssertionError(f"11: the job did not end: {self.ledger}")
        self.world.compare()
        ended, told = self.world.history.ended, set(self.world.history.told)
        assert set(ended) == set(range(1, self.ledger.generation + 1))
        assert told == {f"{self.ledger.job_id}:{generation}" for generation in ended}

    def _round(self) -> None:
        """One minute of the sweeper, the finalizer and the drivers."""
        ledger = self.ledger
        if ledger.final:
            self.do(self._notify(ledger))
        elif ledger.open == 0:
            self.do(steps.finalize(ledger, now=self.time))
        elif ledger.status is JobStatus.CANCELLING:
            lane = next(number for number, lane in enumerate(ledger.lanes) if lane.lease is not None)
            self.do(steps.close(ledger, lane=lane, now=self.time))
        elif ledger.status is JobStatus.PAUSED:
            self.do(steps.resume(ledger, more_microusd=EST * ledger.open if ledger.budgeted else 0))
        elif ledger.drive is Drive.CLIENT:
            self.do(steps.handoff(ledger))
        else:
            self._work()

    def _work(self) -> None:
        self.sweep()
        for message in self.free_messages():
            self.start(message)
        while self.workers:
            self.advance(self.workers[0], "completed")


class Machine(RuleBasedStateMachine):
    """The rules: who acts next, on what."""

    table: DynamoTable
    crew: Crew | None = None

    @initialize(config=CONFIG)
    def create(self, config: WorldConfig) -> None:
        self.crew = Crew(World(self.table, config))
        if config.drive is Drive.QUEUE:
            self.crew.do(self.crew.dispatch(self.crew.ledger, 100))

    @precondition(lambda self: self._has(lambda crew: crew.over))
    @rule(config=CONFIG)
    def another_job(self, config: WorldConfig) -> None:
        """This one is over for good: on with the next."""
        self.at_work.drain()
        self.create(config)

    @property
    def at_work(self) -> Crew:
        assert self.crew is not None
        return self.crew

    def _has(self, what: Callable[[Crew], object]) -> bool:
        return self.crew is not None and bool(what(self.crew))

    @precondition(lambda self: self._has(lambda crew: crew.free_messages() and len(crew.workers) < WORKERS))
    @rule(number=st.integers(min_value=0, max_value=7), turns=st.integers(min_value=0, max_value=5), answer=ANSWER)
    def receive(self, number: int, turns: int, answer: str) -> None:
        free = self.at_work.free_messages()
        worker = self.at_work.start(free[number % len(free)])
        for _ in range(turns):
            if worker in self.at_work.workers:
                self.at_work.advance(worker, answer)

    @precondition(lambda self: self._has(lambda crew: crew.workers))
    @rule(turns=st.lists(st.tuples(st.integers(min_value=0, max_value=WORKERS - 1), ANSWER), min_size=1, max_size=6))
    def work(self, turns: list[tuple[int, str]]) -> None:
        for number, answer in turns:
            if self.at_work.workers:
                self.at_work.advance(self.at_work.workers[number % len(self.at_work.workers)], answer)

    @precondition(lambda self: self._has(lambda crew: crew.workers))
    @rule(answer=ANSWER)
    def all_work(self, answer: str) -> None:
        self.at_work.everybody_works(answer)

    @precondition(lambda self: self._has(lambda crew: not crew.over and (crew.next_moment() or crew.idle_lanes())))
    @rule(sweep=st.booleans())
    def wait(self, sweep: bool) -> None:
        """Until something changes by itself, or the sweeper comes."""
        moment = self.at_work.next_moment()
        self.at_work.world.clock.set(moment or self.at_work.time + timedelta(seconds=60))
        if sweep:
            self.at_work.sweep()

    @precondition(lambda self: self._has(lambda crew: crew.choices()))
    @rule(data=st.data(), number=st.integers(min_value=0, max_value=15), later=st.booleans())
    def decide(self, data: st.DataObject, number: int, later: bool) -> None:
        """Somebody decides on what they read, and acts at once or much later."""
        choices = self.at_work.choices(rarely=later or number % 4 == 0)
        step = choices[data.draw(st.sampled_from(sorted(choices)))](number)
        if later:
            self.at_work.postpone(step)
        else:
            self.at_work.do(step)

    @precondition(lambda self: self._has(lambda crew: crew.ledger.held and crew.ledger.status in RUNNING))
    @rule(lane=st.integers(0, 1), answers=st.lists(ANSWER, min_size=1, max_size=5))
    def overtake(self, lane: int, answers: list[str]) -> None:
        """The leases end while their holders are still at work, and another takes one of the lanes."""
        crew = self.at_work
        crew.world.clock.advance(LEASE_SECONDS + 1)
        choices = crew.choices(rarely=True)
        for what in ("take_over", "close")[: len(answers) % 3]:
            if what in choices:
                crew.postpone(choices[what](lane))
        worker = crew.start(Message(lane % len(crew.ledger.lanes), crew.ledger.epoch, crew.time))
        for answer in answers:
            if worker in crew.workers:
                crew.advance(worker, answer)

    @precondition(lambda self: self._has(lambda crew: crew.ledger.open and crew.ledger.status in RUNNING))
    @rule(what=st.sampled_from(["pause", "cancel", "pause and resume"]), answer=ANSWER, turns=st.integers(0, 4))
    def interrupt(self, what: str, answer: str, turns: int) -> None:
        """Somebody stops the job while a lane is held; those who hold one go on a little."""
        crew = self.at_work
        if not crew.ledger.held:
            crew.start(Message(turns % len(crew.ledger.lanes), crew.ledger.epoch, crew.time))
            crew.everybody_works(answer)
        if what == "cancel":
            crew.do(steps.cancel(crew.ledger))
        else:
            crew.do(steps.pause(crew.ledger))
        if what == "pause and resume" and crew.ledger.status is JobStatus.PAUSED:
            crew.do(steps.resume(crew.ledger))
            crew.postpone(crew.dispatch(crew.ledger, 1 + turns))
            if turns % 2:
                crew.do(crew.dispatch(crew.ledger, 100))
        for _ in range(turns):
            crew.everybody_works(answer)

    @precondition(lambda self: self._has(lambda crew: crew.ledger.open == 0))
    @rule(
        numbers=st.lists(st.integers(min_value=0, max_value=15), min_size=1, max_size=4),
        twins=st.sets(st.integers(0, 3)),
    )
    def end(self, numbers: list[int], twins: set[int]) -> None:
        """The job ends, is told, and is retried: as much of it as is drawn. Twins decide the same, but sleep first."""
        crew = self.at_work
        if 0 in twins and crew.ledger.status in LIVE:
            crew.postpone(steps.cancel(crew.ledger))
        for turn, number in enumerate(numbers):
            choices = crew.choices()
            hasty = ["retry", "notify"] if number % 3 == 0 else ["notify", "retry"]
            for what in ("finalize", *hasty):
                if what in choices:
                    if turn in twins:
                        crew.postpone(choices[what](number + 1))
                    crew.do(choices[what](number))
                    break
        if crew.undispatched():
            crew.do(crew.dispatch(crew.ledger, 100))

    @precondition(lambda self: self._has(lambda crew: crew.pending))
    @rule(number=st.integers(min_value=0, max_value=3), asleep=st.booleans())
    def act_late(self, number: int, asleep: bool) -> None:
        """Somebody who decided long ago acts; ``asleep``: longer ago than any lease lasts."""
        crew = self.at_work
        if asleep:
            crew.world.clock.advance(LEASE_SECONDS + 1)
        crew.do(crew.pending.pop(number % len(crew.pending)))

    @precondition(lambda self: self._has(lambda crew: crew.may_be_invoked()))
    @rule(number=st.integers(min_value=0, max_value=3))
    def process_next(self, number: int) -> None:
        """An invocation for a lane, at the index where the caller saw it."""
        ledger = self.at_work.ledger
        lane = number % len(ledger.lanes)
        if not ledger.lanes[lane].exhausted:
            self.at_work.start(Message(lane, ledger.epoch, self.at_work.time, index=ledger.lanes[lane].next))

    @precondition(lambda self: self._has(lambda crew: crew.thought_dead()))
    @rule(number=st.integers(0, 31))
    def wake(self, number: int) -> None:
        self.at_work.act_stale(number | 1)

    @precondition(lambda self: self._has(lambda crew: crew.faults < FAULTS and not crew.over))
    @rule(
        number=st.integers(min_value=0, max_value=31),
        fault=st.sampled_from(["crash", "crash", "repeat", "stale", "stale", "lost", "repeated", "early"]),
    )
    def fault(self, number: int, fault: str) -> None:
        crew = self.at_work
        crew.faults += 1
        if fault == "crash" and crew.workers:
            crew.crash(crew.workers[number % len(crew.workers)])
        elif fault == "repeat" and crew.last is not None:
            crew.do(crew.last)  # the answer was lost: the same bytes again
            crew.last = None
        elif fault == "stale" and crew.stale:
            crew.act_stale(number)
        elif crew.messages:
            crew.misdeliver(crew.messages[number % len(crew.messages)], fault)

    def teardown(self) -> None:
        if self.crew is not None and self.crew.world.sound:
            self.crew.drain()


@pytest.fixture(scope="module")
def dynamo(emulator: Emulator) -> Iterator[DynamoTable]:
    """One table for every example: each has a job of its own."""
    client = emulator.client("dynamodb")
    with fresh_table(client) as handle:
        yield DynamoTable(client, handle.name)
    client.close()


@pytest.mark.acceptance(14)
@pytest.mark.acceptance(29)
@pytest.mark.acceptance(33)
def test_table_and_rules_agree_and_the_job_ends_when_anything_happens_in_any_order(dynamo: DynamoTable) -> None:
    machine = type("BoundMachine", (Machine,), {"table": dynamo})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
