"""Every transition of the protocol: a ledger that allows it, the ledger after it, and for each clause of its condition
ledgers that break that clause alone. The pure rules and the writes are tested against the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import ErrorCode
from shared.jobs.ledger import Lane
from shared.jobs.statuses import FINAL, CancelReason, Drive, JobStatus, OnError, PauseReason
from tests.support import steps
from tests.support.ledgers import (
    ACTOR,
    NOW,
    at,
    make_attempt,
    make_lane,
    make_lease,
    make_ledger,
    make_outcome,
    make_past_attempt,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.jobs.ledger import Ledger
    from tests.support.steps import Step

__all__ = ["RULES", "Rule", "refusals"]


@dataclass(frozen=True)
class Rule:
    """A transition: ``step`` takes ``allowed`` to ``result``, and each of ``refusing`` refuses it.

    ``step`` was decided on ``allowed``; a refusing ledger is what stands there by then.
    """

    name: str
    allowed: Ledger
    step: Step
    result: Ledger
    refusing: Mapping[str, Ledger]


def refusals() -> list[tuple[Rule, str, Ledger]]:
    """Every rule with each clause and the ledger that breaks it."""
    return [(rule, clause, ledger) for rule in RULES for clause, ledger in rule.refusing.items()]


def _statuses(ledger: Ledger, refused: Iterable[JobStatus]) -> dict[str, Ledger]:
    return {f"status {status}": ledger.evolve(status=status) for status in sorted(refused)}


def _but(*allowed: JobStatus) -> list[JobStatus]:
    return [status for status in JobStatus if status not in allowed]


def _after(ledger: Ledger, **changes: object) -> Ledger:
    """``ledger`` with ``changes`` after one write."""
    return ledger.evolve(version=ledger.version + 1, actor=ACTOR, **changes)


def _seal() -> Rule:
    allowed = make_ledger(status=JobStatus.INTAKE, intake_token="writer", intake_key="spring-campaign")
    return Rule(
        "seal",
        allowed,
        steps.seal(allowed, token="writer"),
        _after(allowed, status=JobStatus.QUEUED, intake_token=None, intake_key=None),
        {
            **_statuses(allowed, _but(JobStatus.INTAKE)),
            "another writes": allowed.evolve(intake_token="another"),
            "nobody writes": allowed.evolve(intake_token=None),
        },
    )


def _claims() -> list[Rule]:
    lane, lease = make_lane(1, 3, attempts=(make_attempt(),), not_before=NOW, redrives=1), make_lease("new", est=10)
    allowed = make_ledger(lane, make_lane(), headroom_microusd=10)
    result = _after(
        allowed,
        lanes=(lane.evolve(lease=lease), make_lane()),
        queued=3,
        held=1,
        headroom_microusd=0,
        status=JobStatus.PROCESSING,
        started_at=NOW,
    )
    refusing = {
        **_statuses(allowed, _but(JobStatus.QUEUED, JobStatus.PROCESSING)),
        "epoch": allowed.evolve(epoch=1),
        "halted": allowed.evolve(halted=True),
        "no work left": allowed.with_lane(0, lane.evolve(next=3)),
        "held": allowed.with_lane(0, lane.evolve(lease=make_lease("other"))),
        "held by a dead holder": allowed.with_lane(0, lane.evolve(lease=make_lease("other", ends=-60))),
        "back-off": allowed.with_lane(0, lane.evolve(not_before=at(0.001))),
        "headroom": allowed.evolve(headroom_microusd=9),
        "no budget after all": allowed.evolve(headroom_microusd=None),
    }
    plain = make_ledger(status=JobStatus.PROCESSING, started_at=at(-5), total=9, completed=5)
    taken = make_lease("new", epoch=0)
    indexed = steps.claim(plain, lane=1, lease=taken, now=NOW, index=0)
    return [
        Rule("claim", allowed, steps.claim(allowed, lane=0, lease=lease, now=NOW), result, refusing),
        Rule(
            "claim at an index, without a budget",
            plain,
            indexed,
            _after(plain, lanes=(make_lane(), make_lane(lease=taken)), queued=3, held=1),
            {
                "moved on": plain.with_lane(1, make_lane(1, 2)),
                "a budget after all": plain.evolve(headroom_microusd=100),
            },
        ),
    ]


def _take_overs() -> list[Rule]:
    dead, new = make_lease("dead", ends=-0.001, est=10), make_lease("new", est=10)
    lane = make_lane(attempts=(make_attempt(),), lease=dead)
    allowed = make_ledger(lane, make_lane(), status=JobStatus.PROCESSING, headroom_microusd=10)
    step = steps.take_over(allowed, lane=0, lease=new, now=NOW)
    result = _after(
        allowed,
        lanes=(
            lane.evolve(lease=new, attempts=(make_attempt(), make_attempt(ErrorCode.LEASE_EXPIRED, seconds=0))),
            make_lane(),
        ),
        headroom_microusd=0,
    )
    refusing = {
        **_statuses(allowed, _but(JobStatus.QUEUED, JobStatus.PROCESSING)),
        "epoch": allowed.evolve(epoch=1),
        "halted": allowed.evolve(halted=True),
        "another holds": allowed.with_lane(0, lane.evolve(lease=make_lease("other", ends=-1))),
        "nobody holds": allowed.with_lane(0, lane.evolve(lease=None)),
        "live until now": allowed.with_lane(0, lane.evolve(lease=make_lease("dead", ends=0))),
        "headroom": allowed.evolve(headroom_microusd=9),
        "no budget after all": allowed.evolve(headroom_microusd=None),
    }
    full = lane.evolve(attempts=(make_attempt(), make_attempt(), make_attempt()))
    capped = make_ledger(full, make_lane(), status=JobStatus.PROCESSING)
    free = make_lease("new")
    return [
        Rule("take_over", allowed, step, result, refusing),
        Rule(
            "take_over with a full list of attempts",
            capped,
            steps.take_over(capped, lane=0, lease=free, now=NOW),
            _after(capped, lanes=(full.evolve(lease=free), make_lane())),
            {"a budget after all": capped.evolve(headroom_microusd=10)},
        ),
    ]


def _not_mine(ledger: Ledger) -> dict[str, Ledger]:
    lane = ledger.lanes[0]
    return {
        "another holds": ledger.with_lane(0, lane.evolve(lease=make_lease("other"))),
        "nobody holds": ledger.with_lane(0, lane.evolve(lease=None)),
    }


def _settles() -> list[Rule]:
    lane = make_lane(attempts=(make_attempt(),), not_before=at(-5), redrives=2, lease=make_lease(est=10))
    allowed = make_ledger(lane, make_lane(), status=JobStatus.PAUSED, headroom_microusd=5, cost_microusd=1)
    spent = {"input_tokens": 120, "output_tokens": 340, "cost_microusd": 8, "headroom_microusd": 8}
    counts = {"held": 0, "open": 3, "last_activity_at": NOW}
    failed = make_outcome(code=ErrorCode.REFUSED)
    before = allowed.evolve(
        headroom_microusd=None, errors={ErrorCode.REFUSED: 1}, firsts={ErrorCode.REFUSED: 9}, failed=1, total=5
    )
    timeout = make_outcome(code=ErrorCode.TIMEOUT, cost_microusd=0, input_tokens=0, output_tokens=0)
    return [
        Rule(
            "settle completed",
            allowed,
            steps.settle(allowed, lane=0, outcome=make_outcome(), now=NOW),
            _after(allowed, lanes=(Lane(1, 2), make_lane()), completed=1, **counts, **spent),
            _not_mine(allowed),
        ),
        Rule(
            "settle failed, first of its code, with a pace",
            allowed,
            steps.settle(allowed, lane=0, outcome=failed, now=NOW, on_error=OnError.STOP, min_interval_seconds=2),
            _after(
                allowed,
                lanes=(Lane(1, 2, not_before=at(2)), make_lane()),
                failed=1,
                errors={ErrorCode.REFUSED: 1},
                firsts={ErrorCode.REFUSED: 1},
                halted=True,
                **counts,
                **spent,
            ),
            _not_mine(allowed),
        ),
        Rule(
            "settle failed, second code, under pause",
            before,
            steps.settle(before, lane=0, outcome=timeout, now=NOW, on_error=OnError.PAUSE),
            _after(
                before,
                lanes=(Lane(1, 2), make_lane()),
                failed=2,
                errors={ErrorCode.REFUSED: 1, ErrorCode.TIMEOUT: 1},
                firsts={ErrorCode.REFUSED: 9, ErrorCode.TIMEOUT: 1},
                halted=True,
                **counts,
            ),
            _not_mine(before),
        ),
        Rule(
            "settle failed, same code again, and on it goes",
            before,
            steps.settle(before, lane=0, outcome=failed, now=NOW),
            _after(
                before,
                lanes=(Lane(1, 2), make_lane()),
                failed=2,
                errors={ErrorCode.REFUSED: 2},
                **counts,
                **{name: spent[name] for name in ("input_tokens", "output_tokens", "cost_microusd")},
            ),
            _not_mine(before),
        ),
    ]


def _releases() -> list[Rule]:
    lane = make_lane(attempts=(make_attempt(),), lease=make_lease(est=10))
    first = make_ledger(lane, make_lane(), status=JobStatus.CANCELLING, headroom_microusd=0)
    later = first.evolve(generation=2, notified_generation=1, failed=3, headroom_microusd=None)
    bill = {"input_tokens": 3, "output_tokens": 2, "cost_microusd": 4}
    freed = {"lanes": (lane.evolve(lease=None), make_lane()), "held": 0, "open": 0, **bill}
    refusing = {**_statuses(first, _but(JobStatus.CANCELLING)), **_not_mine(first)}
    return [
        Rule(
            "release",
            first,
            steps.release(first, lane=0, token="mine", **bill),
            _after(first, headroom_microusd=6, **freed),
            refusing,
        ),
        Rule(
            "release of a retried item",
            later,
            steps.release(later, lane=0, token="mine", **bill),
            _after(later, failed=4, **freed),
            {},
        ),
    ]


def _put_backs() -> list[Rule]:
    lane = make_lane(attempts=(make_attempt(),), lease=make_lease(est=10))
    allowed = make_ledger(lane, make_lane(), status=JobStatus.PROCESSING, headroom_microusd=0)
    tried = make_attempt(ErrorCode.TIMEOUT, seconds=0)
    paused = allowed.evolve(status=JobStatus.PAUSED, pause_reason=PauseReason.USER, headroom_microusd=None)
    back = {"held": 0, "queued": 4}
    return [
        Rule(
            "put_back",
            allowed,
            steps.put_back(
                allowed,
                lane=0,
                token="mine",
                not_before=at(4),
                attempt=tried,
                attempts=(make_past_attempt(), make_past_attempt(2)),
                input_tokens=3,
                output_tokens=2,
                cost_microusd=4,
            ),
            _after(
                allowed,
                lanes=(lane.evolve(lease=None, not_before=at(4), attempts=(make_attempt(), tried)), make_lane()),
                headroom_microusd=6,
                input_tokens=3,
                output_tokens=2,
                cost_microusd=4,
                **back,
            ),
            {**_statuses(allowed, _but(JobStatus.PROCESSING, JobStatus.PAUSED)), **_not_mine(allowed)},
        ),
        Rule(
            "put_back without an attempt",
            paused,
            steps.put_back(paused, lane=0, token="mine", not_before=at(1), attempt=None),
            _after(paused, lanes=(lane.evolve(lease=None, not_before=at(1)), make_lane()), **back),
            {**_statuses(paused, _but(JobStatus.PROCESSING, JobStatus.PAUSED)), **_not_mine(paused)},
        ),
    ]


def _account() -> Rule:
    lane = make_lane(attempts=(make_attempt(),), lease=make_lease(epoch=2, est=10))
    allowed = make_ledger(lane, make_lane(), status=JobStatus.PROCESSING, epoch=2, headroom_microusd=0)
    return Rule(
        "account_pause",
        allowed,
        steps.account_pause(allowed, lane=0, token="mine", not_before=at(1)),
        _after(
            allowed,
            lanes=(lane.evolve(lease=None, not_before=at(1)), make_lane()),
            held=0,
            queued=4,
            headroom_microusd=10,
            status=JobStatus.PAUSED,
            pause_reason=PauseReason.BILLING,
        ),
        {
            **_statuses(allowed, _but(JobStatus.PROCESSING)),
            **_not_mine(allowed),
            "resumed since": allowed.evolve(epoch=3),
        },
    )


def _pauses() -> list[Rule]:
    allowed = make_ledger()
    poor = make_ledger(headroom_microusd=9, epoch=2, status=JobStatus.PROCESSING)
    not_running = _but(JobStatus.QUEUED, JobStatus.PROCESSING)
    return [
        Rule(
            "pause",
            allowed,
            steps.pause(allowed, reason=PauseReason.ON_ERROR),
            _after(allowed, status=JobStatus.PAUSED, pause_reason=PauseReason.ON_ERROR),
            {**_statuses(allowed, not_running), "nothing open": allowed.evolve(open=0)},
        ),
        Rule(
            "pause_for_budget",
            poor,
            steps.pause_for_budget(poor, est_microusd=10),
            _after(poor, status=JobStatus.PAUSED, pause_reason=PauseReason.BUDGET_EXHAUSTED),
            {
                **_statuses(poor, not_running),
                "nothing open": poor.evolve(open=0),
                "resumed since": poor.evolve(epoch=3),
                "affordable": poor.evolve(headroom_microusd=10),
                "no budget": poor.evolve(headroom_microusd=None),
                "changed since": poor.evolve(version=poor.version + 1),
            },
        ),
    ]


def _resumes() -> list[Rule]:
    allowed = make_ledger(
        make_lane(lease=make_lease()),
        status=JobStatus.PAUSED,
        pause_reason=PauseReason.ON_ERROR,
        halted=True,
        epoch=1,
        round=2,
        cursor=5,
        headroom_microusd=-3,
    )
    plain = allowed.evolve(headroom_microusd=None)
    again = allowed.evolve(raised_microusd=40)
    on = {
        "status": JobStatus.PROCESSING,
        "pause_reason": None,
        "halted": False,
        "epoch": 2,
        "round": 3,
        "cursor": 0,
    }
    return [
        Rule(
            "resume with more budget",
            allowed,
            steps.resume(allowed, more_microusd=10, check_at=at(30)),
            _after(allowed, headroom_microusd=7, raised_microusd=10, check_at=at(30), **on),
            {**_statuses(allowed, _but(JobStatus.PAUSED)), "raised since": allowed.evolve(raised_microusd=5)},
        ),
        Rule(
            "resume with more budget again",
            again,
            steps.resume(again, more_microusd=10),
            _after(again, headroom_microusd=7, raised_microusd=50, **on),
            {"raised since": again.evolve(raised_microusd=50), "not raised": allowed},
        ),
        Rule("resume", plain, steps.resume(plain), _after(plain, **on), {}),
    ]


def _cancels() -> list[Rule]:
    held = make_lane(1, 3, lease=make_lease())
    first = make_ledger(held, make_lane(), status=JobStatus.PROCESSING)
    later = first.evolve(generation=2, failed=4, completed=3, total=11, status=JobStatus.PAUSED)
    refused = [JobStatus.INTAKE, JobStatus.CANCELLING, *FINAL]
    changes = {"status": JobStatus.CANCELLING, "open": 1, "queued": 0, "cancel_reason": CancelReason.USER}
    return [
        Rule(
            "cancel",
            first,
            steps.cancel(first),
            _after(first, **changes),
            {**_statuses(first, refused), "retried since": first.evolve(generation=2)},
        ),
        Rule("cancel of a retry", later, steps.cancel(later), _after(later, failed=7, **changes), {}),
        Rule(
            "cancel of a job that is looked at late",
            first.evolve(check_at=at(9000)),
            steps.cancel(first.evolve(check_at=at(9000)), check_at=at(30)),
            _after(first, check_at=at(30), **changes),
            {},
        ),
    ]


def _closes() -> list[Rule]:
    lane = make_lane(lease=make_lease(ends=-0.001, est=10))
    first = make_ledger(lane, make_lane(), status=JobStatus.CANCELLING, headroom_microusd=0)
    later = first.evolve(generation=3, failed=1)
    freed = {"lanes": (make_lane(), make_lane()), "held": 0, "open": 0}
    return [
        Rule(
            "close",
            first,
            steps.close(first, lane=0, now=NOW),
            _after(first, **freed),
            {
                **_statuses(first, _but(JobStatus.CANCELLING)),
                "another holds": first.with_lane(0, make_lane(lease=make_lease("other", ends=-1))),
                "nobody holds": first.with_lane(0, make_lane()),
                "live until now": first.with_lane(0, make_lane(lease=make_lease(ends=0))),
            },
        ),
        Rule(
            "close of a retried item", later, steps.close(later, lane=0, now=NOW), _after(later, failed=2, **freed), {}
        ),
    ]


def _finalizes() -> list[Rule]:
    done = (Lane(2, 2), Lane(2, 2))
    unfinished = (JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED, JobStatus.CANCELLING)

    def ended(name: str, final: JobStatus, ledger: Ledger, **refusing: Ledger) -> Rule:
        result = _after(ledger, status=final, completed_at=NOW, pause_reason=None)
        return Rule(f"finalize {name}", ledger, steps.finalize(ledger, now=NOW), result, refusing)

    processing = make_ledger(*done, status=JobStatus.PROCESSING)
    paused = make_ledger(*done, status=JobStatus.PAUSED, pause_reason=PauseReason.USER, errors={ErrorCode.REFUSED: 1})
    cancelled = make_ledger(Lane(1, 2), Lane(2, 2), status=JobStatus.CANCELLING, cancel_reason=CancelReason.DEADLINE)
    return [
        ended(
            "all completed",
            JobStatus.COMPLETED,
            processing,
            **_statuses(processing, _but(*unfinished)),
            **{"still open": processing.evolve(open=1), "retried since": processing.evolve(generation=2)},
        ),
        ended("some failed, from paused", JobStatus.PARTIALLY_FAILED, paused),
        ended("all failed", JobStatus.FAILED, processing.evolve(completed=0, failed=4, status=JobStatus.QUEUED)),
        ended("some cancelled", JobStatus.CANCELLED, cancelled),
        ended("some cancelled, the others failed", JobStatus.CANCELLED, cancelled.evolve(failed=3, completed=0)),
    ]


def _notified() -> Rule:
    allowed = make_ledger(
        Lane(2, 2), status=JobStatus.COMPLETED, generation=3, notified_generation=1, completed_at=at(-1)
    )
    return Rule(
        "notified",
        allowed,
        steps.notified(allowed),
        _after(allowed, notified_generation=3, check_at=None),
        {
            "told before": allowed.evolve(notified_generation=3, check_at=None),
            "retried since": allowed.evolve(generation=4),
            "retried, and told before it ended": allowed.evolve(status=JobStatus.QUEUED, completed_at=None),
        },
    )


def _retries() -> list[Rule]:
    allowed = make_ledger(
        Lane(3, 3, not_before=at(-1), redrives=1),
        Lane(2, 2),
        status=JobStatus.PARTIALLY_FAILED,
        errors={ErrorCode.REFUSED: 1, ErrorCode.TIMEOUT: 3},
        generation=2,
        notified_generation=2,
        epoch=4,
        round=5,
        cursor=6,
        halted=True,
        cancel_reason=CancelReason.USER,
        completed_at=at(-1),
        check_at=None,
        deadline_at=at(900),
        usage_period="2026-10",
        booked_by="alice",
        booked_microusd=7_000,
        settled_microusd=6_000,
        cost_microusd=9_000,
        headroom_microusd=0,
    )
    stay: dict[str, Any] = {"errors": {ErrorCode.REFUSED: 1}, "firsts": {ErrorCode.REFUSED: 5}}
    opened = {
        **stay,
        "status": JobStatus.QUEUED,
        "generation": 3,
        "epoch": 5,
        "round": 6,
        "cursor": 0,
        "failed": 1,
        "queued": 3,
        "open": 3,
        "lanes": (Lane(0, 2), Lane(0, 1)),
        "halted": False,
        "completed_at": None,
        "cancel_reason": None,
        "check_at": at(60),
        "retried_at": NOW,
        "settled_items": 1,
        "settled_microusd": 9_000,
    }
    plain = allowed.evolve(headroom_microusd=None, status=JobStatus.FAILED)
    chosen: dict[str, Any] = {"work": ((1, 3), (4,)), "check_at": at(60), **stay}
    return [
        Rule(
            "retry",
            allowed,
            steps.retry(
                allowed,
                deadline_at=at(1800),
                usage_period="2026-11",
                booked_by="bob",
                booked_microusd=800,
                more_microusd=50,
                **chosen,
            ),
            _after(
                allowed,
                deadline_at=at(1800),
                usage_period="2026-11",
                booked_by="bob",
                booked_microusd=800,
                headroom_microusd=50,
                raised_microusd=50,
                **opened,
            ),
            {
                **_statuses(allowed, _but(JobStatus.PARTIALLY_FAILED, JobStatus.FAILED)),
                "retried since": allowed.evolve(generation=3, notified_generation=3),
                "not notified yet": allowed.evolve(notified_generation=1),
                "changed since": allowed.evolve(version=allowed.version + 1),
            },
        ),
        Rule(
            "retry without deadline and budget",
            plain,
            steps.retry(plain, **chosen),
            _after(plain, deadline_at=None, usage_period="", booked_by="", booked_microusd=0, **opened),
            {},
        ),
    ]


def _sweeps() -> list[Rule]:
    lane = make_lane(1, 2, redrives=1)
    stuck = make_ledger(lane, make_lane(), epoch=2)
    untried = stuck.with_lane(0, lane.evolve(redrives=0))
    watched = make_ledger()
    resting = make_ledger(status=JobStatus.PAUSED, epoch=1)
    rounds = make_ledger(epoch=1, round=2, cursor=3)
    driven = make_ledger(drive=Drive.CLIENT, status=JobStatus.CANCELLING, round=1, cursor=2)
    return [
        Rule(
            "redrive",
            stuck,
            steps.redrive(stuck, lane=0),
            _after(stuck, lanes=(lane.evolve(redrives=2), make_lane())),
            {
                **_statuses(stuck, _but(JobStatus.QUEUED, JobStatus.PROCESSING)),
                "resumed since": stuck.evolve(epoch=3),
                "moved on": stuck.with_lane(0, lane.evolve(next=2)),
                "counted already": stuck.with_lane(0, lane.evolve(redrives=2)),
                "begun anew": stuck.with_lane(0, lane.evolve(redrives=0)),
            },
        ),
        Rule(
            "first redrive",
            untried,
            steps.redrive(untried, lane=0),
            _after(untried, lanes=(lane.evolve(redrives=1), make_lane())),
            {"counted already": stuck},
        ),
        Rule(
            "look",
            watched,
            steps.look(watched, new=at(120)),
            watched.evolve(check_at=at(120)),
            {
                "another looked": watched.evolve(check_at=at(90)),
                "told and gone": watched.evolve(check_at=None),
                # Its row holds when it ended, where one that is not told of holds the next look.
                "told, and ended at that very time": make_ledger(
                    status=JobStatus.CANCELLED,
                    open=0,
                    queued=0,
                    completed_at=watched.check_at,
                    check_at=None,
                    notified_generation=1,
                ),
            },
        ),
        Rule(
            "look at a job that rests",
            resting,
            steps.look(resting, new=at(86_400), paused_in=resting.epoch),
            resting.evolve(check_at=at(86_400)),
            {
                # Whoever resumes or cancels a job that is due leaves the time as it is.
                "resumed": resting.evolve(status=JobStatus.PROCESSING, epoch=2),
                "resumed and paused again": resting.evolve(epoch=2),
                "cancelled": make_ledger(make_lane(lease=make_lease()), status=JobStatus.CANCELLING, epoch=1),
            },
        ),
        Rule(
            "dispatched",
            rounds,
            steps.dispatched(rounds, cursor=4),
            _after(rounds, cursor=4),
            {
                "resumed since": rounds.evolve(epoch=2),
                "a later round": rounds.evolve(round=3),
                "another was faster": rounds.evolve(cursor=4),
            },
        ),
        Rule(
            "handoff",
            driven,
            steps.handoff(driven),
            _after(driven, drive=Drive.QUEUE, round=2, cursor=0),
            {
                **_statuses(driven, [JobStatus.INTAKE, *FINAL]),
                "the queue's already": driven.evolve(drive=Drive.QUEUE),
                "changed since": driven.evolve(version=driven.version + 1),
            },
        ),
    ]


RULES = (
    _seal(),
    *_claims(),
    *_take_overs(),
    *_settles(),
    *_releases(),
    *_put_backs(),
    _account(),
    *_pauses(),
    *_resumes(),
    *_cancels(),
    *_closes(),
    *_finalizes(),
    _notified(),
    *_retries(),
    *_sweeps(),
)
