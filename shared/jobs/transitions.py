"""Every transition of the ledger as a pure function: the old ledger and the facts in, the new ledger out.

:mod:`shared.store.transitions` writes the same transitions as conditional writes; the state machine in the tests
holds the two against each other after every step. A transition that its condition does not allow raises
:class:`~shared.errors.TransitionRefusedError` and changes nothing.

Each function names its condition first (C of the protocol) and then builds the update (U). ``RUN`` is
:data:`~shared.jobs.statuses.RUNNING`; ``MINE`` is "the lane's lease carries my token".
"""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from shared.errors import ErrorCode, TransitionRefusedError
from shared.jobs.ledger import Attempt, Lane, Lease, Ledger
from shared.jobs.statuses import (
    RUNNING,
    CancelReason,
    Drive,
    ItemStatus,
    JobStatus,
    OnError,
    PauseReason,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.jobs.items import Outcome

__all__ = [
    "account_pause",
    "cancel",
    "claim",
    "close",
    "dispatched",
    "final_status",
    "finalize",
    "handoff",
    "look",
    "notified",
    "pause",
    "pause_for_budget",
    "put_back",
    "redrive",
    "release",
    "resume",
    "retry",
    "seal",
    "settle",
    "take_over",
]

_LIVE = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED})
_UNFINISHED = _LIVE | {JobStatus.CANCELLING}


def _require(condition: bool, transition: str, reason: str) -> None:
    if not condition:
        raise TransitionRefusedError(transition, reason)


def _written(ledger: Ledger, actor: str) -> Ledger:
    """Every write adds 1 to the version and names its actor."""
    return ledger.evolve(version=ledger.version + 1, actor=actor)


def _mine(ledger: Ledger, lane: int, token: str, transition: str) -> tuple[Lane, Lease]:
    holder = ledger.lanes[lane]
    lease = holder.lease
    if lease is None or lease.token != token:
        raise TransitionRefusedError(transition, "the lane's lease is not held with this token")
    return holder, lease


def _headroom(ledger: Ledger, delta_microusd: int) -> int | None:
    return None if ledger.headroom_microusd is None else ledger.headroom_microusd + delta_microusd


def _raised(ledger: Ledger, more_microusd: int) -> int:
    return ledger.raised_microusd + (more_microusd if ledger.budgeted else 0)


def _affordable(ledger: Ledger, est_microusd: int) -> bool:
    return ledger.headroom_microusd is None or ledger.headroom_microusd >= est_microusd


def seal(ledger: Ledger, *, token: str, actor: str) -> Ledger:
    """Make a job in intake visible: all its rows stand."""
    _require(ledger.status is JobStatus.INTAKE, "seal", "the job is not in intake")
    _require(ledger.intake_token == token, "seal", "somebody else writes this job's rows")
    return _written(ledger.evolve(status=JobStatus.QUEUED, intake_token=None, intake_key=None), actor)


def claim(ledger: Ledger, *, lane: int, lease: Lease, now: datetime, actor: str, index: int | None = None) -> Ledger:
    """Take a free lane: its next item is now processing.

    Args:
        ledger: the ledger.
        lane: the lane.
        lease: the new lease; its ``est_microusd`` is reserved of the budget.
        now: the time.
        actor: who.
        index: if given, the lane must still stand there (process-next asks for that).
    """
    free = ledger.lanes[lane]
    _claimable(ledger, "claim", lease)
    _require(not free.exhausted, "claim", "the lane has no work left")
    _require(index is None or free.next == index, "claim", "the lane has moved on")
    _require(free.lease is None, "claim", "the lane is held")
    _require(free.due(now), "claim", "the lane waits for its back-off")
    claimed = ledger.with_lane(
        lane,
        free.evolve(lease=lease),
        queued=ledger.queued - 1,
        held=ledger.held + 1,
        headroom_microusd=_headroom(ledger, -lease.est_microusd),
        status=JobStatus.PROCESSING,
        started_at=ledger.started_at or now,
    )
    return _written(claimed, actor)


def _claimable(ledger: Ledger, transition: str, lease: Lease) -> None:
    _require(ledger.status in RUNNING, transition, f"the job is {ledger.status}")
    _require(ledger.epoch == lease.epoch, transition, "the message is of an earlier epoch")
    _require(not ledger.halted, transition, "the job is halted")
    _require(_affordable(ledger, lease.est_microusd), transition, "the budget does not cover the item")


def take_over(
    ledger: Ledger, *, lane: int, old_token: str, lease: Lease, now: datetime, max_attempts: int, actor: str
) -> Ledger:
    """Replace a holder whose lease has expired. The lost try counts; its reservation stays spent."""
    held = ledger.lanes[lane]
    _claimable(ledger, "take_over", lease)
    _require(held.lease is not None and held.lease.token == old_token, "take_over", "another holds the lane")
    _require(held.lease is not None and held.lease.expired(now), "take_over", "the lease is live")
    attempts = held.attempts
    if len(attempts) < max_attempts:
        attempts = (*attempts, Attempt(ErrorCode.LEASE_EXPIRED, now))
    taken = ledger.with_lane(
        lane,
        held.evolve(lease=lease, attempts=attempts),
        status=JobStatus.PROCESSING,
        headroom_microusd=_headroom(ledger, -lease.est_microusd),
    )
    return _written(taken, actor)


def settle(
    ledger: Ledger,
    *,
    lane: int,
    token: str,
    outcome: Outcome,
    now: datetime,
    on_error: OnError,
    min_interval_seconds: float = 0,
    actor: str,
) -> Ledger:
    """Record the outcome of the lane's item and move on. The item's row is written in the same transaction."""
    held, lease = _mine(ledger, lane, token, "settle")
    failed = outcome.status is ItemStatus.FAILED
    errors, firsts = ledger.errors, ledger.firsts
    if outcome.error is not None:
        code = outcome.error.code
        errors = MappingProxyType({**errors, code: errors.get(code, 0) + 1})
        firsts = MappingProxyType({code: outcome.position, **firsts})
    settled = ledger.with_lane(
        lane,
        held.evolve(
            next=held.next + 1,
            lease=None,
            attempts=(),
            redrives=0,
            not_before=now + timedelta(seconds=min_interval_seconds) if min_interval_seconds else None,
        ),
        held=ledger.held - 1,
        open=ledger.open - 1,
        completed=ledger.completed + (not failed),
        failed=ledger.failed + failed,
        errors=errors,
        firsts=firsts,
        halted=ledger.halted or (failed and on_error is not OnError.CONTINUE),
        headroom_microusd=_headroom(ledger, lease.est_microusd - outcome.cost_microusd),
        last_activity_at=now,
    )
    return _written(_spent(settled, outcome.input_tokens, outcome.output_tokens, outcome.cost_microusd), actor)


def _spent(ledger: Ledger, input_tokens: int, output_tokens: int, cost_microusd: int) -> Ledger:
    return ledger.evolve(
        input_tokens=ledger.input_tokens + input_tokens,
        output_tokens=ledger.output_tokens + output_tokens,
        cost_microusd=ledger.cost_microusd + cost_microusd,
    )


def release(
    ledger: Ledger,
    *,
    lane: int,
    token: str,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
    actor: str,
) -> Ledger:
    """Leave the lane of a cancelled job without an outcome; what was written so far is counted as spent."""
    held, lease = _mine(ledger, lane, token, "release")
    _require(ledger.status is JobStatus.CANCELLING, "release", "the job is not being cancelled")
    released = ledger.with_lane(
        lane,
        held.evolve(lease=None),
        held=ledger.held - 1,
        open=ledger.open - 1,
        failed=ledger.failed + (ledger.generation > 1),
        headroom_microusd=_headroom(ledger, lease.est_microusd - cost_microusd),
    )
    return _written(_spent(released, input_tokens, output_tokens, cost_microusd), actor)


def put_back(
    ledger: Ledger,
    *,
    lane: int,
    token: str,
    not_before: datetime,
    attempt: Attempt | None,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
    actor: str,
) -> Ledger:
    """Give the item back to the queue until ``not_before``. ``attempt`` is None where the try does not count."""
    held, lease = _mine(ledger, lane, token, "put_back")
    _require(ledger.status in {JobStatus.PROCESSING, JobStatus.PAUSED}, "put_back", f"the job is {ledger.status}")
    back = ledger.with_lane(
        lane,
        held.evolve(
            lease=None,
            attempts=held.attempts if attempt is None else (*held.attempts, attempt),
            not_before=not_before,
        ),
        held=ledger.held - 1,
        queued=ledger.queued + 1,
        headroom_microusd=_headroom(ledger, lease.est_microusd - cost_microusd),
    )
    return _written(_spent(back, input_tokens, output_tokens, cost_microusd), actor)


def account_pause(
    ledger: Ledger, *, lane: int, token: str, not_before: datetime, reason: PauseReason, actor: str
) -> Ledger:
    """Put the item back unharmed and pause the job: the account must be mended first."""
    held, lease = _mine(ledger, lane, token, "account_pause")
    _require(ledger.status is JobStatus.PROCESSING, "account_pause", f"the job is {ledger.status}")
    _require(lease.epoch == ledger.epoch, "account_pause", "the job was resumed since")
    paused = ledger.with_lane(
        lane,
        held.evolve(lease=None, not_before=not_before),
        held=ledger.held - 1,
        queued=ledger.queued + 1,
        headroom_microusd=_headroom(ledger, lease.est_microusd),
        status=JobStatus.PAUSED,
        pause_reason=reason,
    )
    return _written(paused, actor)


def pause(ledger: Ledger, *, reason: PauseReason = PauseReason.USER, actor: str) -> Ledger:
    """Let nothing new start. ``reason`` is ``on_error`` where a failed item asks for a person."""
    _require(ledger.status in RUNNING, "pause", f"the job is {ledger.status}")
    _require(ledger.open > 0, "pause", "nothing is left to do")
    return _written(ledger.evolve(status=JobStatus.PAUSED, pause_reason=reason), actor)


def pause_for_budget(ledger: Ledger, *, est_microusd: int, epoch: int, version: int, actor: str) -> Ledger:
    """Pause because the budget does not cover another item.

    ``version`` is of the row that refused the claim, in which no lease was live: a lease may still give back.
    """
    _require(ledger.status in RUNNING, "pause_for_budget", f"the job is {ledger.status}")
    _require(ledger.open > 0, "pause_for_budget", "nothing is left to do")
    _require(ledger.epoch == epoch, "pause_for_budget", "the job was resumed since")
    _require(not _affordable(ledger, est_microusd), "pause_for_budget", "the budget covers the item")
    _require(ledger.version == version, "pause_for_budget", "the ledger has changed")
    paused = ledger.evolve(status=JobStatus.PAUSED, pause_reason=PauseReason.BUDGET_EXHAUSTED)
    return _written(paused, actor)


def resume(
    ledger: Ledger,
    *,
    more_microusd: int = 0,
    raised_microusd: int = 0,
    check_at: datetime | None = None,
    actor: str,
) -> Ledger:
    """Go on: messages of the earlier epoch are void, the queue is filled anew.

    Args:
        ledger: the ledger.
        more_microusd: what the budget is raised by.
        raised_microusd: with a raise, what the ledger told of earlier ones: a raise is decided on the budget that was
            read, and must not be added to another.
        check_at: when the sweeper looks next; it had put a paused job off until its deadline.
        actor: who.
    """
    _require(ledger.status is JobStatus.PAUSED, "resume", f"the job is {ledger.status}")
    _require(not more_microusd or ledger.raised_microusd == raised_microusd, "resume", "the budget was raised since")
    resumed = ledger.evolve(
        status=JobStatus.PROCESSING,
        epoch=ledger.epoch + 1,
        round=ledger.round + 1,
        cursor=0,
        headroom_microusd=_headroom(ledger, more_microusd),
        raised_microusd=_raised(ledger, more_microusd),
        check_at=check_at or ledger.check_at,
        halted=False,
        pause_reason=None,
    )
    return _written(resumed, actor)


def cancel(
    ledger: Ledger, *, generation: int, reason: CancelReason, check_at: datetime | None = None, actor: str
) -> Ledger:
    """Start nothing more; the job ends when what is in flight has ended.

    ``check_at`` is when the sweeper looks next: a paused job may hold a dead lease, which only the sweeper closes, and
    which it would not look for before the deadline.
    """
    _require(ledger.status in _LIVE, "cancel", f"the job is {ledger.status}")
    _require(ledger.generation == generation, "cancel", "the job was retried since")
    cancelled = ledger.evolve(
        status=JobStatus.CANCELLING,
        cancel_reason=reason,
        open=ledger.held,
        queued=0,
        failed=ledger.failed + (ledger.queued if ledger.generation > 1 else 0),
        check_at=check_at or ledger.check_at,
    )
    return _written(cancelled, actor)


def close(ledger: Ledger, *, lane: int, old_token: str, now: datetime, actor: str) -> Ledger:
    """Free a lane of a cancelled job whose holder died. Its reservation stays spent."""
    held = ledger.lanes[lane]
    _require(ledger.status is JobStatus.CANCELLING, "close", "the job is not being cancelled")
    _require(held.lease is not None and held.lease.token == old_token, "close", "another holds the lane")
    _require(held.lease is not None and held.lease.expired(now), "close", "the lease is live")
    closed = ledger.with_lane(
        lane,
        held.evolve(lease=None),
        held=ledger.held - 1,
        open=ledger.open - 1,
        failed=ledger.failed + (ledger.generation > 1),
    )
    return _written(closed, actor)


def final_status(ledger: Ledger) -> JobStatus:
    """The final status that the counts of a job with nothing open make."""
    if ledger.counts.cancelled > 0:
        return JobStatus.CANCELLED
    if ledger.failed == 0:
        return JobStatus.COMPLETED
    return JobStatus.FAILED if ledger.completed == 0 else JobStatus.PARTIALLY_FAILED


def finalize(ledger: Ledger, *, generation: int, now: datetime, actor: str) -> Ledger:
    """End the generation: nothing is open any more."""
    _require(ledger.generation == generation, "finalize", "the job was retried since")
    _require(ledger.open == 0, "finalize", "items are still open")
    _require(ledger.status in _UNFINISHED, "finalize", f"the job is {ledger.status}")
    ended = ledger.evolve(status=final_status(ledger), completed_at=now, pause_reason=None)
    return _written(ended, actor)


def notified(ledger: Ledger, *, generation: int, actor: str) -> Ledger:
    """The generation's notification has been sent at least once."""
    _require(ledger.generation == generation, "notified", "the job was retried since")
    _require(ledger.notified_generation < generation, "notified", "it was recorded before")
    _require(ledger.completed_at is not None, "notified", "the job has not ended")
    return _written(ledger.evolve(notified_generation=generation, check_at=None), actor)


def retry(
    ledger: Ledger,
    *,
    generation: int,
    version: int,
    work: Sequence[Sequence[int]],
    errors: Mapping[ErrorCode, int],
    firsts: Mapping[ErrorCode, int],
    deadline_at: datetime | None,
    usage_period: str,
    now: datetime,
    check_at: datetime,
    more_microusd: int = 0,
    booked_by: str = "",
    booked_microusd: int = 0,
    actor: str,
) -> Ledger:
    """Open a new generation over some failed items.

    Args:
        ledger: the ledger.
        generation: the generation that was read when the items were chosen.
        version: likewise.
        work: the chosen positions, a list a lane (:func:`shared.jobs.lanes.deal`).
        errors: the tally of the failed items that stay failed.
        firsts: likewise, where each code stands first.
        deadline_at: the new generation's deadline.
        usage_period: the month in which the new generation is reserved.
        now: the time.
        check_at: when the sweeper looks first.
        more_microusd: what the budget is raised by.
        booked_by: whose unfinished jobs the new generation counts to.
        booked_microusd: what it reserves of the project's quota, beside its items.
        actor: who.
    """
    _require(
        ledger.status in {JobStatus.PARTIALLY_FAILED, JobStatus.FAILED},
        "retry",
        f"the job is {ledger.status}",
    )
    _require(ledger.generation == generation, "retry", "the job was retried since")
    _require(ledger.notified_generation == generation, "retry", "the last end is not notified yet")
    _require(ledger.version == version, "retry", "the ledger has changed")
    chosen = sum(len(positions) for positions in work)
    opened = ledger.evolve(
        generation=generation + 1,
        epoch=ledger.epoch + 1,
        round=ledger.round + 1,
        cursor=0,
        failed=ledger.failed - chosen,
        errors=MappingProxyType(dict(errors)),
        firsts=MappingProxyType(dict(firsts)),
        queued=chosen,
        open=chosen,
        held=0,
        lanes=tuple(Lane(next=0, end=len(positions)) for positions in work),
        status=JobStatus.QUEUED,
        deadline_at=deadline_at,
        usage_period=usage_period,
        booked_by=booked_by,
        booked_microusd=booked_microusd,
        settled_items=ledger.completed,
        settled_microusd=ledger.cost_microusd,
        headroom_microusd=_headroom(ledger, more_microusd),
        raised_microusd=_raised(ledger, more_microusd),
        retried_at=now,
        check_at=check_at,
        halted=False,
        completed_at=None,
        cancel_reason=None,
    )
    return _written(opened, actor)


def redrive(ledger: Ledger, *, lane: int, index: int, epoch: int, redrives: int, actor: str) -> Ledger:
    """Count that a dead letter of the lane is dispatched again, having been so ``redrives`` times before."""
    stuck = ledger.lanes[lane]
    _require(ledger.status in RUNNING, "redrive", f"the job is {ledger.status}")
    _require(ledger.epoch == epoch, "redrive", "the job was resumed since")
    _require(stuck.next == index, "redrive", "the lane has moved on")
    _require(stuck.redrives == redrives, "redrive", "another has counted")
    return _written(ledger.with_lane(lane, stuck.evolve(redrives=stuck.redrives + 1)), actor)


def look(ledger: Ledger, *, old: datetime, new: datetime, paused_in: int | None = None) -> Ledger:
    """The sweeper has looked. No version, no actor: nothing about the job has changed.

    Args:
        ledger: the ledger.
        old: when it was due.
        new: when it is looked at next.
        paused_in: where it was seen paused, the epoch: it may be put off for days, and must not be if somebody resumed
            or cancelled it meanwhile, who may have left the time as it was.
    """
    _require(ledger.check_at == old, "look", "another looked")
    rests = ledger.status is JobStatus.PAUSED and ledger.epoch == paused_in
    _require(paused_in is None or rests, "look", "the job rests no more")
    return ledger.evolve(check_at=new)


def dispatched(ledger: Ledger, *, epoch: int, round_: int, old: int, new: int, actor: str) -> Ledger:
    """Move the dispatch cursor, unless a later round has begun."""
    _require(ledger.epoch == epoch, "dispatched", "the job was resumed since")
    _require(ledger.round == round_, "dispatched", "a later round has begun")
    _require(ledger.cursor == old, "dispatched", "another dispatcher was faster")
    return _written(ledger.evolve(cursor=new), actor)


def handoff(ledger: Ledger, *, version: int, actor: str) -> Ledger:
    """Hand a client-driven job to the queue."""
    _require(ledger.drive is Drive.CLIENT, "handoff", "the queue drives the job already")
    _require(ledger.version == version, "handoff", "the ledger has changed")
    _require(ledger.status in _UNFINISHED, "handoff", f"the job is {ledger.status}")
    return _written(ledger.evolve(drive=Drive.QUEUE, round=ledger.round + 1, cursor=0), actor)
