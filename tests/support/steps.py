"""One transition, twice: as the pure function and as the write. The same arguments go to both.

``seen`` is what the caller had read when it decided, which may be old; the pure half is applied to the ledger as it
is. Whatever differs between the two halves is a bug of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import TransitionRefusedError
from shared.jobs import transitions
from shared.jobs.statuses import CancelReason, OnError, PauseReason
from tests.support.ledgers import ACTOR, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from shared.errors import ErrorCode
    from shared.jobs.items import Outcome, PastAttempt
    from shared.jobs.ledger import Attempt, Lease, Ledger
    from shared.store.expressions import Change
    from shared.store.ledgers import LedgerStore
    from tests.support.books import Booking

__all__ = [
    "Step",
    "account_pause",
    "cancel",
    "claim",
    "close",
    "dispatched",
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


@dataclass(frozen=True)
class Step:
    """A transition with its arguments.

    Attributes:
        name: the transition.
        pure: the ledger as it is → the ledger after, or a refusal.
        stored: the same as a write.
        seen: the ledger that the caller had read.
        token: the lease that the caller acts under, or takes.
        outcome: what the item's row then tells.
        work: the next generation's lists.
        more_microusd: by how much the budget is raised.
        booking: what the next generation reserves of its project's quota.
    """

    name: str
    pure: Callable[[Ledger], Ledger]
    stored: Callable[[LedgerStore], object]
    seen: Ledger
    token: str | None = None
    outcome: Outcome | None = None
    work: tuple[tuple[int, ...], ...] | None = None
    more_microusd: int = 0
    booking: Booking | None = None


def _same_variant(transition: str, ledger: Ledger, *, budgeted: bool) -> None:
    """A write has one variant for jobs with a budget and one for jobs without; the wrong one is refused."""
    if ledger.budgeted is not budgeted:
        raise TransitionRefusedError(transition, "the caller was wrong about the budget")


def seal(seen: Ledger, *, token: str) -> Step:
    return Step(
        "seal",
        lambda ledger: transitions.seal(ledger, token=token, actor=ACTOR),
        lambda store: store.seal(seen, token=token, actor=ACTOR),
        seen,
    )


def claim(
    seen: Ledger, *, lane: int, lease: Lease, now: datetime, index: int | None = None, budgeted: bool | None = None
) -> Step:
    variant = seen.budgeted if budgeted is None else budgeted

    def pure(ledger: Ledger) -> Ledger:
        _same_variant("claim", ledger, budgeted=variant)
        return transitions.claim(ledger, lane=lane, lease=lease, now=now, actor=ACTOR, index=index)

    def stored(store: LedgerStore) -> object:
        return store.claim(
            seen.project_id,
            seen.job_id,
            lane=lane,
            lease=lease,
            budgeted=variant,
            now=now,
            actor=ACTOR,
            index=index,
        )

    return Step("claim", pure, stored, seen, token=lease.token)


def take_over(seen: Ledger, *, lane: int, lease: Lease, now: datetime, max_attempts: int = 3) -> Step:
    held = seen.lanes[lane].lease

    def pure(ledger: Ledger) -> Ledger:
        _same_variant("take_over", ledger, budgeted=seen.budgeted)
        return transitions.take_over(
            ledger,
            lane=lane,
            old_token="" if held is None else held.token,
            lease=lease,
            now=now,
            max_attempts=max_attempts,
            actor=ACTOR,
        )

    return Step(
        "take_over",
        pure,
        lambda store: store.take_over(seen, lane=lane, lease=lease, max_attempts=max_attempts, now=now, actor=ACTOR),
        seen,
        token=lease.token,
    )


def settle(
    seen: Ledger,
    *,
    lane: int,
    outcome: Outcome,
    now: datetime,
    on_error: OnError = OnError.CONTINUE,
    min_interval_seconds: float = 0,
) -> Step:
    return Step(
        "settle",
        lambda ledger: transitions.settle(
            ledger,
            lane=lane,
            token=outcome.token,
            outcome=outcome,
            now=now,
            on_error=on_error,
            min_interval_seconds=min_interval_seconds,
            actor=ACTOR,
        ),
        lambda store: store.settle(
            seen,
            lane=lane,
            token=outcome.token,
            outcome=outcome,
            now=now,
            on_error=on_error,
            min_interval_seconds=min_interval_seconds,
            actor=ACTOR,
        ),
        seen,
        token=outcome.token,
        outcome=outcome,
    )


def release(
    seen: Ledger,
    *,
    lane: int,
    token: str,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
) -> Step:
    return Step(
        "release",
        lambda ledger: transitions.release(
            ledger,
            lane=lane,
            token=token,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=ACTOR,
        ),
        lambda store: store.release(
            seen,
            lane=lane,
            token=token,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=ACTOR,
        ),
        seen,
        token=token,
    )


def put_back(
    seen: Ledger,
    *,
    lane: int,
    token: str,
    not_before: datetime,
    attempt: Attempt | None,
    position: int = 1,
    attempts: tuple[PastAttempt, ...] = (),
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
) -> Step:
    return Step(
        "put_back",
        lambda ledger: transitions.put_back(
            ledger,
            lane=lane,
            token=token,
            not_before=not_before,
            attempt=attempt,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=ACTOR,
        ),
        lambda store: store.put_back(
            seen,
            lane=lane,
            token=token,
            not_before=not_before,
            attempt=attempt,
            position=position,
            attempts=attempts,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=ACTOR,
        ),
        seen,
        token=token,
    )


def account_pause(
    seen: Ledger, *, lane: int, token: str, not_before: datetime, reason: PauseReason = PauseReason.BILLING
) -> Step:
    return Step(
        "account_pause",
        lambda ledger: transitions.account_pause(
            ledger, lane=lane, token=token, not_before=not_before, reason=reason, actor=ACTOR
        ),
        lambda store: store.account_pause(
            seen, lane=lane, token=token, not_before=not_before, reason=reason, actor=ACTOR
        ),
        seen,
        token=token,
    )


def pause(seen: Ledger, *, reason: PauseReason = PauseReason.USER) -> Step:
    return Step(
        "pause",
        lambda ledger: transitions.pause(ledger, reason=reason, actor=ACTOR),
        lambda store: store.pause(seen, reason=reason, actor=ACTOR),
        seen,
    )


def pause_for_budget(seen: Ledger, *, est_microusd: int) -> Step:
    return Step(
        "pause_for_budget",
        lambda ledger: transitions.pause_for_budget(
            ledger, est_microusd=est_microusd, epoch=seen.epoch, version=seen.version, actor=ACTOR
        ),
        lambda store: store.pause_for_budget(seen, est_microusd=est_microusd, actor=ACTOR),
        seen,
    )


def resume(seen: Ledger, *, more_microusd: int = 0, check_at: datetime | None = None) -> Step:
    return Step(
        "resume",
        lambda ledger: transitions.resume(
            ledger,
            more_microusd=more_microusd,
            raised_microusd=seen.raised_microusd,
            check_at=check_at,
            actor=ACTOR,
        ),
        lambda store: store.resume(seen, more_microusd=more_microusd, check_at=check_at, actor=ACTOR),
        seen,
        more_microusd=more_microusd,
    )


def cancel(seen: Ledger, *, reason: CancelReason = CancelReason.USER, check_at: datetime | None = None) -> Step:
    return Step(
        "cancel",
        lambda ledger: transitions.cancel(
            ledger, generation=seen.generation, reason=reason, check_at=check_at, actor=ACTOR
        ),
        lambda store: store.cancel(seen, reason=reason, check_at=check_at, actor=ACTOR),
        seen,
    )


def close(seen: Ledger, *, lane: int, now: datetime) -> Step:
    held = seen.lanes[lane].lease
    old = "" if held is None else held.token
    return Step(
        "close",
        lambda ledger: transitions.close(ledger, lane=lane, old_token=old, now=now, actor=ACTOR),
        lambda store: store.close(seen, lane=lane, now=now, actor=ACTOR),
        seen,
    )


def finalize(seen: Ledger, *, now: datetime) -> Step:
    def pure(ledger: Ledger) -> Ledger:
        if seen.open:
            raise TransitionRefusedError("finalize", "the caller saw open items: it cannot tell the final status")
        return transitions.finalize(ledger, generation=seen.generation, now=now, actor=ACTOR)

    return Step("finalize", pure, lambda store: store.finalize(seen, now=now, actor=ACTOR), seen)


def notified(seen: Ledger) -> Step:
    return Step(
        "notified",
        lambda ledger: transitions.notified(ledger, generation=seen.generation, actor=ACTOR),
        lambda store: store.notified(seen, actor=ACTOR),
        seen,
    )


def retry(
    seen: Ledger,
    *,
    work: Sequence[Sequence[int]],
    errors: Mapping[ErrorCode, int],
    firsts: Mapping[ErrorCode, int],
    check_at: datetime,
    now: datetime = NOW,
    deadline_at: datetime | None = None,
    usage_period: str = "",
    booked_by: str = "",
    booked_microusd: int = 0,
    more_microusd: int = 0,
    booking: Booking | None = None,
    bookings: Sequence[Change] = (),
) -> Step:
    return Step(
        "retry",
        lambda ledger: transitions.retry(
            ledger,
            generation=seen.generation,
            version=seen.version,
            work=work,
            errors=errors,
            firsts=firsts,
            deadline_at=deadline_at,
            usage_period=usage_period,
            booked_by=booked_by,
            booked_microusd=booked_microusd,
            now=now,
            check_at=check_at,
            more_microusd=more_microusd,
            actor=ACTOR,
        ),
        lambda store: store.retry(
            seen,
            work=work,
            errors=errors,
            firsts=firsts,
            deadline_at=deadline_at,
            usage_period=usage_period,
            booked_by=booked_by,
            booked_microusd=booked_microusd,
            now=now,
            check_at=check_at,
            more_microusd=more_microusd,
            bookings=bookings,
            actor=ACTOR,
        ),
        seen,
        work=tuple(map(tuple, work)),
        more_microusd=more_microusd,
        booking=booking,
    )


def redrive(seen: Ledger, *, lane: int) -> Step:
    index, redrives = seen.lanes[lane].next, seen.lanes[lane].redrives
    return Step(
        "redrive",
        lambda ledger: transitions.redrive(
            ledger, lane=lane, index=index, epoch=seen.epoch, redrives=redrives, actor=ACTOR
        ),
        lambda store: store.redrive(seen, lane=lane, actor=ACTOR),
        seen,
    )


def look(seen: Ledger, *, new: datetime, paused_in: int | None = None) -> Step:
    def pure(ledger: Ledger) -> Ledger:
        if seen.check_at is None:
            raise TransitionRefusedError("look", "nobody looks at this job any more")
        return transitions.look(ledger, old=seen.check_at, new=new, paused_in=paused_in)

    return Step("look", pure, lambda store: store.look(seen, new=new, paused_in=paused_in), seen)


def dispatched(seen: Ledger, *, cursor: int) -> Step:
    return Step(
        "dispatched",
        lambda ledger: transitions.dispatched(
            ledger, epoch=seen.epoch, round_=seen.round, old=seen.cursor, new=cursor, actor=ACTOR
        ),
        lambda store: store.dispatched(seen, cursor=cursor, actor=ACTOR),
        seen,
    )


def handoff(seen: Ledger) -> Step:
    return Step(
        "handoff",
        lambda ledger: transitions.handoff(ledger, version=seen.version, actor=ACTOR),
        lambda store: store.handoff(seen, actor=ACTOR),
        seen,
    )
