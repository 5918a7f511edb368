"""Workers of the state machine, each between any two of its writes: the processor, and the dead letters' function.

A worker's state is the name of what it does next. What it decides, it decides on the ledger that it saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import ErrorCode
from shared.jobs.ids import new_token
from shared.jobs.ledger import Attempt, Lease
from shared.jobs.repairs import soon
from shared.jobs.statuses import RUNNING, CancelReason, ItemStatus, JobStatus, OnError, PauseReason
from shared.queue.queues import CALL_ENDS_BEFORE_LEASE_SECONDS, LEASE_MARGIN_SECONDS
from tests.support import steps
from tests.support.invariants import check_acknowledged, check_call
from tests.support.ledgers import make_outcome
from tests.support.world import EST, ITEM_SECONDS

if TYPE_CHECKING:
    from datetime import datetime

    from shared.jobs.items import Outcome
    from shared.jobs.ledger import Ledger
    from tests.support.steps import Step
    from tests.support.world import World

__all__ = ["LEASE_SECONDS", "MAX_REDRIVES", "Message", "Worker", "Workers"]

LEASE_SECONDS = ITEM_SECONDS + LEASE_MARGIN_SECONDS
MAX_REDRIVES = 3


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
class Workers:
    """Those who hold lanes of one job, and the messages that bring them.

    ``letters`` are the dead ones, which the dead letters' function handles; ``stale`` are those whose turn has ended.
    """

    world: World
    workers: list[Worker] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    letters: list[Message] = field(default_factory=list)
    stale: list[tuple[Ledger, int, str]] = field(default_factory=list)
    last: Step | None = None

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

    def start(self, message: Message, state: str = "claim") -> Worker:
        message.held = message.index is None
        worker = Worker(message, self.ledger, state)
        self.workers.append(worker)
        return worker

    def free_messages(self) -> list[Message]:
        return [message for message in self.messages if not message.held and message.visible_at <= self.time]

    def free_letters(self) -> list[Message]:
        return [letter for letter in self.letters if not letter.held and letter.visible_at <= self.time]

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
        codes["dead"] = ErrorCode.DEAD_LETTERED
        cost = {"completed": 7, "failed": EST}.get(worker.answer, 0)
        return make_outcome(
            self.world.position(worker.seen, worker.lane),
            code=codes.get(worker.answer),
            token=worker.token,
            generation=worker.seen.generation,
            completed_at=self.time,
            cost_microusd=cost,
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
            cost_microusd=3,
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
        done = self.do(self.what_a_failure_demands(worker.seen))
        if done or worker.settled or self._void(worker.message):
            self._acknowledge(worker)
        else:
            self._keep(worker, self.time)

    def what_a_failure_demands(self, seen: Ledger) -> Step:
        """Under ``on_error``; also the sweeper's to write, if the worker died before."""
        if self.world.config.on_error is OnError.PAUSE:
            return steps.pause(seen, reason=PauseReason.ON_ERROR)
        return steps.cancel(seen, reason=CancelReason.ON_ERROR, check_at=soon(seen, self.time))

    def _acknowledge(self, worker: Worker) -> None:
        message = worker.message
        if not message.gone:
            check_acknowledged(
                self.ledger, lane=message.lane, epoch=message.epoch, settled=worker.settled, index=message.index
            )
        self._end(worker)
        message.gone = True
        for queue in (self.messages, self.letters):
            if message in queue:
                queue.remove(message)

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

    # ------------------------------------------------------------------------------------------------ dead letters

    def _letter(self, worker: Worker) -> None:
        """The dead letters' function reads the ledger and decides (rule 12)."""
        worker.seen = seen = self.ledger
        lane = seen.lanes[worker.lane]
        if self._void(worker.message) or seen.halted:
            self._end(worker)  # stale: nothing waits for it
            self.letters.remove(worker.message)
        elif lane.lease is not None and lane.busy(self.time):
            self._keep(worker, lane.lease.expires_at)
        elif self._used_up(seen, worker.lane) or lane.redrives >= MAX_REDRIVES:
            worker.state = "letter_claim"
        else:
            worker.state = "redrive"

    def _used_up(self, seen: Ledger, lane: int) -> bool:
        held = seen.lanes[lane]
        return len(held.attempts) + (held.lease is not None) >= self.world.config.max_attempts

    def _redrive(self, worker: Worker) -> None:
        if self.do(steps.redrive(worker.seen, lane=worker.lane)):
            worker.state = "send_again"
        else:
            self._keep(worker, self.time)

    def _send_again(self, worker: Worker) -> None:
        self.messages.append(Message(worker.lane, worker.seen.epoch, self.time))
        self._end(worker)
        self.letters.remove(worker.message)

    def _letter_claim(self, worker: Worker) -> None:
        """It takes the lane to say how its item ended; nothing is reserved, for Claude is not asked."""
        seen, lease = worker.seen, self._lease(worker, 0)
        if seen.lanes[worker.lane].lease is None:
            index = seen.lanes[worker.lane].next
            step = steps.claim(seen, lane=worker.lane, lease=lease, now=self.time, index=index)
        else:
            most = self.world.config.max_attempts
            step = steps.take_over(seen, lane=worker.lane, lease=lease, now=self.time, max_attempts=most)
        if not self.do(step):
            self._keep(worker, self.time)
            return
        worker.seen = self.ledger
        lane = worker.seen.lanes[worker.lane]
        if len(lane.attempts) >= self.world.config.max_attempts:
            worker.answer, worker.state = "used up", "settle"
        elif lane.redrives < MAX_REDRIVES:
            worker.state = "put_back_unharmed"
        else:
            worker.answer, worker.state = "dead", "settle"
