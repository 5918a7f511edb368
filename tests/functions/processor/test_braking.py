"""The gate before the claim: what it lets through, what it costs, and what it tells the others."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions.processor import braking
from functions.processor.braking import Admission, Gate
from shared.errors import ErrorCode, RateLimits, StoreUnavailableError, item_error
from shared.jobs.brake import HORIZON_SECONDS, RELEASE_SECONDS, Brake, Refusal, Start, after_refusal, look
from shared.jobs.statuses import CancelReason, JobStatus
from shared.queue.queues import CALL_ENDS_BEFORE_LEASE_SECONDS, FUNCTION_TIMEOUT_SECONDS, MAX_ITEM_TIMEOUT_SECONDS
from shared.store.dynamodb import RefusedError
from shared.turns.dispositions import Acknowledge, Keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.brake import BrakeStore
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop

SLOW = item_error(ErrorCode.RATE_LIMITED, "slow", http_status=429, retry_after_seconds=10, rate_limits=RateLimits(300))
BUSY = item_error(ErrorCode.OVERLOADED, "busy", http_status=529)


class Counting:
    """A store of brakes that counts what it is asked, and does before each call what a test asks for."""

    def __init__(self, real: BrakeStore) -> None:
        self._real = real
        self.asked: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*args: object) -> Any:
            self.asked.append(name)
            if name in self.before:
                self.before.pop(name)()
            return getattr(self._real, name)(*args)

        return call


def gate_of(workshop: Workshop) -> tuple[Gate, Counting]:
    """A gate of a process of its own."""
    counting = Counting(workshop.brakes)
    return replace(workshop.processor().gate, brakes=counting), counting  # type: ignore[arg-type]


def brake(workshop: Workshop, **changes: Any) -> Brake:
    """A brake of about two starts a second, on since a second."""
    now = workshop.clock.now()
    made = after_refusal(None, Refusal(overloaded=False, wait_seconds=0.0, limit_milli=2_000), now)
    changed = made.evolve(blocked_until=now - timedelta(seconds=1), **changes)
    return workshop.brakes.replace(workshop.brakes.read(), changed)


def fail(error: Exception) -> Callable[[], object]:
    def raises() -> object:
        raise error

    return raises


def test_process_looks_once_a_second_when_there_is_no_brake(workshop: Workshop, clock: ManualClock) -> None:
    gate, counting = gate_of(workshop)
    message = workshop.message(workshop.job(1))
    for _ in range(50):
        assert gate.admit(message) == Admission(None)
        clock.advance(0.1)
    assert counting.asked == ["read"] * 5
    assert clock.slept == []


def test_clock_that_jumps_back_does_not_keep_an_old_look(workshop: Workshop, clock: ManualClock) -> None:
    gate, counting = gate_of(workshop)
    message = workshop.message(workshop.job(1))
    gate.admit(message)
    clock.advance(-3_600)
    gate.admit(message)
    assert counting.asked == ["read", "read"]


@pytest.mark.acceptance(16)
def test_message_is_kept_and_nothing_claimed_when_claude_asked_to_wait(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.dispatch(workshop.job(2, concurrency=2))
    workshop.claude.errors[1] = [SLOW]
    workshop.advance(workshop.message(job, 0))
    before = workshop.ledger(job)

    assert workshop.advance(workshop.message(job, 1)) == Keep(10.5, "Claude asks for less: the brake is on")
    assert workshop.ledger(job) == before
    assert before.lanes[1].attempts == ()
    assert workshop.claude.calls == [f"{job.job_id}:1:1"]
    clock.advance(10.5)
    assert isinstance(workshop.advance(workshop.message(job, 1)), Acknowledge)


def test_message_is_kept_or_replaced_as_ever_when_the_brake_is_on(workshop: Workshop) -> None:
    job = workshop.dispatch(workshop.job(1))
    brake(workshop, next_us=10**18)
    for _ in range(3):
        assert isinstance(workshop.consume() or Keep(0, ""), Keep)
    assert workshop.ledger(job).status is JobStatus.QUEUED


def test_processes_share_one_timetable_when_the_brake_is_on(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(6, concurrency=6)
    row = brake(workshop)
    messages = [workshop.message(job, lane) for lane in range(6)]
    rate = row.rate(clock.now())
    assert rate is not None
    began = clock.now()
    moments = []
    for message in messages:
        gate, counting = gate_of(workshop)
        admission = gate.admit(message)
        assert isinstance(admission, Admission)
        assert admission.brake is not None
        assert admission.brake.version == row.version
        assert counting.asked[:2] == ["read", "take"]
        moments.append((clock.now() - began).total_seconds())
    steps = [after - before for before, after in itertools.pairwise(moments)]
    assert steps == pytest.approx([1 / rate] * 5, abs=0.02)


def test_message_waits_when_the_timetable_is_full(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    brake(workshop, next_us=round((clock.now().timestamp() + HORIZON_SECONDS + 2) * 1_000_000))
    gate, counting = gate_of(workshop)
    kept = gate.admit(workshop.message(job))
    assert isinstance(kept, Keep)
    assert kept.seconds == pytest.approx(2 + HORIZON_SECONDS / 2, abs=0.01)
    assert counting.asked == ["read"]


def test_start_is_asked_for_again_when_others_were_faster(workshop: Workshop, clock: ManualClock) -> None:
    row = brake(workshop, next_us=round((clock.now().timestamp() - 5) * 1_000_000))
    gate, counting = gate_of(workshop)
    ahead = row.evolve(next_us=round((clock.now().timestamp() + 1) * 1_000_000))
    counting.before["take"] = lambda: workshop.brakes.replace(row, ahead)
    admission = gate.admit(workshop.message(workshop.job(1)))
    assert isinstance(admission, Admission)
    assert counting.asked == ["read", "take", "take"]
    assert sum(clock.slept) == pytest.approx(1, abs=0.01)


def test_message_waits_when_the_brake_is_renewed_while_a_start_is_waited_for(
    workshop: Workshop, clock: ManualClock
) -> None:
    row = brake(workshop)
    row = workshop.brakes.replace(row, row.evolve(next_us=round((clock.now().timestamp() + 2) * 1_000_000)))
    gate, counting = gate_of(workshop)

    class Braked:
        def now(self) -> Any:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)
            renewed = after_refusal(row, Refusal(overloaded=False, wait_seconds=30.0), clock.now())
            workshop.brakes.replace(row, renewed)

    gate.clock = Braked()
    assert gate.admit(workshop.message(workshop.job(1))) == Keep(30.5, "Claude asks for less: the brake is on")
    assert counting.asked == ["read", "take", "read"]


def test_start_is_void_when_the_rate_was_cut_while_it_was_waited_for(workshop: Workshop, clock: ManualClock) -> None:
    row = brake(workshop)
    row = workshop.brakes.replace(row, row.evolve(next_us=round((clock.now().timestamp() + 2) * 1_000_000)))
    gate, counting = gate_of(workshop)
    cuts = [Refusal(overloaded=True)]

    class Cut:
        def now(self) -> Any:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)
            if cuts:
                workshop.brakes.replace(row, after_refusal(row, cuts.pop(), clock.now()))

    gate.clock = Cut()
    admission = gate.admit(workshop.message(workshop.job(1)))
    assert isinstance(admission, Admission)
    assert admission.brake is not None
    assert (admission.brake.version, admission.brake.started) == (row.version + 1, 1)
    assert counting.asked == ["read", "take", "read", "take"]


def test_message_waits_when_everybody_is_blocked_while_a_start_is_waited_for(
    workshop: Workshop, clock: ManualClock
) -> None:
    row = brake(workshop)
    row = workshop.brakes.replace(row, row.evolve(next_us=round((clock.now().timestamp() + 2) * 1_000_000)))
    gate, _ = gate_of(workshop)

    class Blocked:
        def now(self) -> Any:
            return clock.now()

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)
            workshop.brakes.block(row, clock.now() + timedelta(seconds=20))

    gate.clock = Blocked()
    assert gate.admit(workshop.message(workshop.job(1))) == Keep(20.5, "Claude asks for less: the brake is on")


def test_message_waits_when_no_start_was_to_be_had(workshop: Workshop) -> None:
    row = brake(workshop)
    gate, counting = gate_of(workshop)

    def lost(*_: object) -> None:
        counting.asked.append("take")
        raise RefusedError("take", [workshop.table.get({"pk": "BRAKE", "sk": "CLAUDE"})])

    counting.take = lost  # type: ignore[attr-defined]
    assert gate.admit(workshop.message(workshop.job(1))) == Keep(HORIZON_SECONDS / 2, "no start was to be had")
    assert counting.asked == ["read"] + ["take"] * 5
    assert workshop.brakes.read() == row


def test_message_goes_on_when_the_brake_is_gone_meanwhile(workshop: Workshop) -> None:
    brake(workshop)
    gate, counting = gate_of(workshop)
    key: Any = {"pk": {"S": "BRAKE"}, "sk": {"S": "CLAUDE"}}
    counting.before["take"] = lambda: workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    assert gate.admit(workshop.message(workshop.job(1))) == Admission(None)


def test_nothing_is_taken_when_the_last_refusal_is_long_ago(workshop: Workshop, clock: ManualClock) -> None:
    row = brake(workshop)
    clock.advance(RELEASE_SECONDS + 1)
    gate, counting = gate_of(workshop)
    assert gate.admit(workshop.message(workshop.job(1))) == Admission(row)
    assert counting.asked == ["read"]


def test_no_start_is_wasted_when_the_message_is_void(workshop: Workshop) -> None:
    job = workshop.job(2)
    row = brake(workshop)
    message = workshop.message(job)
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    gate, _ = gate_of(workshop)
    assert gate.admit(message) == Acknowledge("the job is cancelling")
    assert workshop.brakes.read() == row


def test_no_start_is_wasted_when_the_lane_is_busy_or_waits(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    row = brake(workshop)
    claimer = workshop.processor().settler.claimer
    claimer.acquire(workshop.message(job))
    gate, _ = gate_of(workshop)
    assert gate.admit(workshop.message(job)) == Keep(135.0, "the lane is busy")
    clock.advance(136)
    assert workshop.brakes.read() == row
    assert isinstance(gate.admit(workshop.message(job)), Admission)


def test_no_start_is_wasted_when_the_lane_waits_for_its_back_off(workshop: Workshop) -> None:
    job = workshop.job(2)
    workshop.claude.errors[1] = [item_error(ErrorCode.TIMEOUT, "slow", retry_after_seconds=40)]
    workshop.advance(workshop.message(job))
    brake(workshop)
    gate, _ = gate_of(workshop)
    assert gate.admit(workshop.message(job)) == Keep(40.5, "the lane waits for its back-off")


def test_claim_has_the_word_when_the_job_or_lane_is_unknown(workshop: Workshop) -> None:
    job = workshop.job(1)
    brake(workshop)
    gate, _ = gate_of(workshop)
    message = workshop.message(job)
    assert isinstance(gate.admit(replace(message, lane=9)), Admission)
    assert isinstance(gate.admit(replace(message, job="job_01JDA4Y3C0D1E2F3G4H5J6K7M8")), Admission)


@pytest.mark.parametrize("at", ["read", "take"])
def test_message_goes_on_when_the_brake_does_not_answer(workshop: Workshop, at: str) -> None:
    row = brake(workshop)
    gate, counting = gate_of(workshop)
    counting.before[at] = fail(StoreUnavailableError("throttled"))
    assert gate.admit(workshop.message(workshop.job(1))) == Admission(None if at == "read" else row)


def test_refusal_brakes_everybody_once_when_many_met_it(workshop: Workshop) -> None:
    gates = [gate_of(workshop)[0] for _ in range(5)]
    message = workshop.message(workshop.job(1))
    admissions = [gate.admit(message) for gate in gates]
    for gate, admission in zip(gates, admissions, strict=True):
        assert isinstance(admission, Admission)
        gate.heed(SLOW, admission)
    seen = workshop.brakes.read()
    assert seen is not None
    assert (seen.version, seen.rate_milli) == (1, 4_600)
    assert all(isinstance(gate.admit(message), Keep) for gate in gates)


def test_longer_wait_holds_when_it_is_told_second(workshop: Workshop, clock: ManualClock) -> None:
    gate, _ = gate_of(workshop)
    other, _ = gate_of(workshop)
    gate.heed(SLOW, Admission(None))
    other.heed(item_error(ErrorCode.RATE_LIMITED, "slow", retry_after_seconds=60), Admission(None))
    seen = workshop.brakes.read()
    assert seen is not None
    assert (seen.version, seen.blocked_until) == (1, clock.now() + timedelta(seconds=60))


def test_nothing_more_happens_when_a_longer_wait_comes_too_late(workshop: Workshop, clock: ManualClock) -> None:
    workshop.brakes.replace(None, after_refusal(None, Refusal(overloaded=False, wait_seconds=1.0), clock.now()))
    gate, counting = gate_of(workshop)
    longer = item_error(ErrorCode.RATE_LIMITED, "slow", retry_after_seconds=60)

    def renew() -> None:
        seen = workshop.brakes.read()
        workshop.brakes.replace(seen, after_refusal(seen, Refusal(overloaded=False, wait_seconds=90.0), clock.now()))

    counting.before["block"] = renew
    gate.heed(longer, Admission(None))
    seen = workshop.brakes.read()
    assert seen is not None
    assert seen.blocked_until == clock.now() + timedelta(seconds=90)


def test_nothing_is_blocked_when_the_row_is_gone(workshop: Workshop) -> None:
    row = brake(workshop)
    key: Any = {"pk": {"S": "BRAKE"}, "sk": {"S": "CLAUDE"}}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    gate, counting = gate_of(workshop)
    gate.heed(SLOW, Admission(row))
    assert counting.asked == ["replace"]


@pytest.mark.parametrize("code", [ErrorCode.TIMEOUT, ErrorCode.BILLING, ErrorCode.REFUSED, ErrorCode.INTERNAL_ERROR])
def test_nobody_brakes_when_the_error_is_the_items_own(workshop: Workshop, code: ErrorCode) -> None:
    gate, counting = gate_of(workshop)
    gate.heed(item_error(code, "no"), Admission(None))
    assert counting.asked == []


def test_item_is_put_back_when_the_brake_cannot_be_set(workshop: Workshop) -> None:
    gate, counting = gate_of(workshop)
    counting.before["replace"] = fail(StoreUnavailableError("throttled"))
    gate.heed(SLOW, Admission(None))
    assert workshop.brakes.read() is None


@pytest.mark.acceptance(16)
def test_claude_that_is_overloaded_slows_down_without_stopping_when_it_names_no_wait(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(40, concurrency=32)
    workshop.claude.errors[1] = [BUSY]
    workshop.advance(workshop.message(job, 0))
    for lane in range(1, 21):
        assert isinstance(workshop.advance(workshop.message(job, lane)), Acknowledge)
        clock.advance(0.1)
    workshop.claude.errors[22] = [BUSY]
    workshop.advance(workshop.message(job, 21))
    seen = workshop.brakes.read()
    assert seen is not None
    assert seen.refused_milli is not None
    assert seen.refused_milli == pytest.approx(10_000, rel=0.15)
    assert seen.rate_milli == round(seen.refused_milli * 0.95)
    assert isinstance(look(seen, clock.now(), lambda: 0.0), Start)


def test_invocation_ends_without_a_claim_when_the_brake_is_on(workshop: Workshop) -> None:
    job = workshop.job(1)
    gate, _ = gate_of(workshop)
    gate.heed(SLOW, Admission(None))
    assert isinstance(workshop.advance(workshop.message(job, index=0)), Keep)
    assert workshop.ledger(job).held == 0


def test_longest_item_has_its_time_when_starts_were_waited_for() -> None:
    waited = braking._TRIES * HORIZON_SECONDS
    assert FUNCTION_TIMEOUT_SECONDS - waited - CALL_ENDS_BEFORE_LEASE_SECONDS >= MAX_ITEM_TIMEOUT_SECONDS
