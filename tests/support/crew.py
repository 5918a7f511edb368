"""Everybody who works one job of the state machine, beside those who hold its lanes: dispatchers, people, the sweeper,
the finalizer, the queue with its faults. What somebody decides may be done at once, or much later.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from functions.api.controller import SOON
from shared.jobs.ids import new_token
from shared.jobs.lanes import deal
from shared.jobs.ledger import Lease
from shared.jobs.quotas import Amount, month_of
from shared.jobs.repairs import LOOK_EVERY
from shared.jobs.statuses import RUNNING, Drive, JobStatus
from tests.support import steps
from tests.support.books import AMPLE, USER, Booking, Books
from tests.support.crew_sweeper import sweeper_of
from tests.support.crew_workers import LEASE_SECONDS, Message, Workers
from tests.support.ledgers import make_outcome
from tests.support.world import EST, INTAKE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from tests.support.steps import Step

__all__ = ["WORKERS", "Crew"]

WORKERS = 3
DRAIN_ROUNDS = 120
LIVE = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED})


@dataclass
class Crew(Workers):
    """Everybody who works one job: the machine's rules are thin wrappers around this."""

    pending: list[Step] = field(default_factory=list)
    deduplicated: set[str] = field(default_factory=set)
    faults: int = 0

    @property
    def books(self) -> Books:
        assert self.world.books is not None
        return self.world.books

    def send(self, seen: Ledger, lane: int, index: int) -> None:
        """A dispatcher's message, which the sweeper may send too; the queue swallows what it has had."""
        self.receive(lane, seen.epoch, f"{seen.job_id}:{seen.epoch}:{seen.round}:{lane}:{index}")

    def receive(self, lane: int, epoch: int, number: str) -> None:
        """What somebody has sent, by its deduplication id."""
        if number not in self.deduplicated:
            self.deduplicated.add(number)
            self.messages.append(Message(lane, epoch, self.time))

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
            found["resume"] = lambda n: self.resumed(ledger, n % 3)
        if ledger.status in LIVE and rarely:
            found["cancel"] = lambda _: self.cancelled(ledger)
        return found

    def resumed(self, seen: Ledger, items: int = 0) -> Step:
        """A person goes on, with money for so many items more."""
        more = items * EST if seen.budgeted else 0
        return steps.resume(seen, more_microusd=more, check_at=self._soon(seen))

    def cancelled(self, seen: Ledger) -> Step:
        """A person cancels."""
        return steps.cancel(seen, check_at=self._soon(seen))

    def _soon(self, seen: Ledger) -> datetime:
        """When the sweeper looks at a job that a person has moved: no later than it would have."""
        soon: datetime = self.time + SOON
        return soon if seen.check_at is None else min(soon, seen.check_at)

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
        if ledger.halted and ledger.status in RUNNING:
            found["halt"] = lambda _: self.what_a_failure_demands(ledger)
        if ledger.status in RUNNING and rarely:
            found["redrive"] = lambda n: steps.redrive(ledger, lane=n % len(ledger.lanes))
        if ledger.open and not ledger.final and rarely:
            found["finalize too soon"] = lambda _: steps.finalize(ledger, now=self.time)
        if ledger.check_at is not None and rarely:
            found["look"] = lambda _: steps.look(ledger, new=self.time + LOOK_EVERY)
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
        booking = self._booking(ledger, number, Amount(len(chosen), EST * len(chosen)))
        return steps.retry(
            ledger,
            work=deal(chosen, len(ledger.lanes)),
            errors=errors,
            firsts=firsts,
            now=self.time,
            deadline_at=self.world.deadline(),
            check_at=self.time + SOON,
            more_microusd=EST * len(chosen) if ledger.budgeted else 0,
            usage_period="" if booking is None else booking.period,
            booked_by="" if booking is None else USER,
            booked_microusd=0 if booking is None else booking.required.microusd,
            booking=booking,
            bookings=() if booking is None else self.books.changes(booking, self.time),
        )

    def _booking(self, ledger: Ledger, number: int, required: Amount) -> Booking | None:
        """What a retry reserves. The quota that it has read may be used up, or used up by it."""
        if not ledger.booked_by:
            return None
        period = month_of(self.time)
        needed = self.books.usage(period).taken + required
        quotas = [AMPLE, AMPLE, needed, needed - Amount(1, 0), needed - Amount(0, 1)]
        return Booking(period, required, quotas[number % len(quotas)])

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

    def intake(self, hasty: list[str]) -> None:
        """The job's rows are being written: whoever is hasty is refused, until the writer seals it."""
        ledger = self.ledger
        for what in hasty:
            if what == "claim":
                worker = self.start(Message(0, ledger.epoch, self.time))
                self.advance(worker, "completed")
            elif what == "seal":
                self.do(steps.seal(ledger, token="of a writer that was thought dead"))
            elif what == "cancel":
                self.do(self.cancelled(ledger))
            else:
                self.postpone(steps.seal(ledger, token=INTAKE_TOKEN))
        self.do(steps.seal(ledger, token=INTAKE_TOKEN))

    def die(self, message: Message) -> None:
        """The message was received too often."""
        self.messages.remove(message)
        self.letters.append(message)

    def misdeliver(self, message: Message, fault: str) -> None:
        """The queue loses a message, has it twice, or hands it out before its time."""
        if fault == "lost":
            message.gone = True
            self.messages.remove(message)
        elif fault == "repeated" and len(self.messages) < 10:
            self.messages.append(replace(message, held=False, visible_at=self.time))
        else:
            message.held, message.visible_at = False, self.time

    def sweep(self, *, meanwhile: Callable[[], None] = lambda: None, asleep: bool = False) -> None:
        """One run of the sweeper. ``meanwhile`` happens behind its back; ``asleep``: it writes its look much later."""
        due = self.ledger.check_at is not None and self.ledger.check_at <= self.time + timedelta(seconds=15)
        swept = sweeper_of(self, meanwhile=meanwhile, asleep=asleep).sweep(lambda: 60.0)
        assert (swept.looked, swept.failed, swept.is_whole) == (due, 0, True)

    def behind_the_sweeper(self, number: int, answer: str) -> None:
        """What somebody does while the sweeper believes what it has read: a person, or all who hold a lane."""
        people = list(self._people(rarely=number % 4 == 0).values())
        if people and number:
            self.do(people[number % len(people)](number))
        else:
            self.everybody_works(answer)

    def next_moment(self) -> datetime | None:
        """When something will change by itself."""
        lanes = self.ledger.lanes
        moments = [lane.lease.expires_at + timedelta(seconds=1) for lane in lanes if lane.lease is not None]
        moments += [lane.not_before for lane in lanes if lane.not_before is not None]
        moments += [message.visible_at for message in self.messages]
        return min((moment for moment in moments if moment > self.time), default=None)

    # ------------------------------------------------------------------------------------------------ the drain

    def drain(self) -> None:
        """Faults have stopped, and what was sent is lost: the job ends and is notified all the same (invariant 11)."""
        for worker in list(self.workers):
            self.crash(worker)
        self.messages.clear()
        self.letters.clear()
        for _ in range(DRAIN_ROUNDS):
            if self.ledger.final and self.ledger.notified_generation == self.ledger.generation:
                break
            self.world.clock.advance(LOOK_EVERY.total_seconds())
            self._round()
        else:
            raise AssertionError(f"11: the job did not end: {self.ledger}")
        self.world.compare()
        ended, told = self.world.history.ended, set(self.world.history.told)
        assert set(ended) == set(range(1, self.ledger.generation + 1))
        assert told == {f"{self.ledger.job_id}:{generation}" for generation in ended}

    def _round(self) -> None:
        """A minute: nobody but the sweeper, who is called for a job at rest, and those whom its messages bring."""
        if self.ledger.status is JobStatus.PAUSED and self.ledger.open:
            self.do(self.resumed(self.ledger, self.ledger.open))
        self.sweep()
        for message in self.free_messages():
            self.start(message)
        while self.workers:
            self.advance(self.workers[0], "completed")
