from __future__ import annotations

import inspect

import pytest

from shared.errors import ErrorCode, TransitionRefusedError
from shared.jobs import transitions
from shared.jobs.ledger import Lane, Ledger
from shared.jobs.statuses import CancelReason, JobStatus, OnError
from tests.support.conditions import RULES, Rule, refusals
from tests.support.ledgers import make_lane, make_lease, make_ledger, make_outcome


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_transition_makes_exactly_this_ledger_when_its_condition_holds(rule: Rule) -> None:
    assert rule.step.pure(rule.allowed) == rule.result


@pytest.mark.parametrize(
    ("rule", "ledger"),
    [pytest.param(rule, ledger, id=f"{rule.name}: {clause}") for rule, clause, ledger in refusals()],
)
def test_transition_is_refused_when_one_clause_alone_is_broken(rule: Rule, ledger: Ledger) -> None:
    with pytest.raises(TransitionRefusedError) as refused:
        rule.step.pure(ledger)

    assert refused.value.transition == rule.step.name
    assert refused.value.reason


def test_every_transition_is_in_the_table_when_it_is_public() -> None:
    public = {
        name
        for name in transitions.__all__
        if "ledger" in inspect.signature(getattr(transitions, name)).parameters and name != "final_status"
    }

    assert {rule.step.name for rule in RULES} == public
    assert {rule.step.name for rule, _, _ in refusals()} == public


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PROCESSING])
def test_claim_takes_the_lane_when_the_job_runs(status: JobStatus) -> None:
    ledger = make_ledger(status=status)

    claimed = transitions.claim(ledger, lane=1, lease=make_lease("new"), now=ledger.created_at, actor="test")

    assert claimed.lanes[1].lease == make_lease("new")


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED])
def test_cancel_stops_the_job_when_it_is_not_over(status: JobStatus) -> None:
    cancelled = transitions.cancel(
        make_ledger(status=status), generation=1, reason=CancelReason.DEADLINE, actor="sweeper"
    )

    assert (cancelled.status, cancelled.open, cancelled.counts.cancelled) == (JobStatus.CANCELLING, 0, 4)


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.PAUSED, JobStatus.CANCELLING])
def test_finalize_ends_the_job_when_nothing_is_open(status: JobStatus) -> None:
    ledger = make_ledger(Lane(2, 2), status=status)

    assert transitions.finalize(ledger, generation=1, now=ledger.created_at, actor="t").status is JobStatus.COMPLETED


@pytest.mark.parametrize("status", [JobStatus.PARTIALLY_FAILED, JobStatus.FAILED])
def test_retry_opens_a_generation_when_items_failed(status: JobStatus) -> None:
    ledger = make_ledger(Lane(2, 2), status=status, errors={ErrorCode.TIMEOUT: 1}, notified_generation=1)

    opened = transitions.retry(
        ledger,
        generation=1,
        version=ledger.version,
        work=((2,),),
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="",
        now=ledger.created_at,
        check_at=ledger.created_at,
        actor="t",
    )

    assert (opened.generation, opened.open, opened.failed, opened.errors) == (2, 1, 0, {})


@pytest.mark.parametrize(
    ("completed", "failed", "cancelled", "final"),
    [
        (4, 0, 0, JobStatus.COMPLETED),
        (3, 1, 0, JobStatus.PARTIALLY_FAILED),
        (1, 3, 0, JobStatus.PARTIALLY_FAILED),
        (0, 4, 0, JobStatus.FAILED),
        (3, 0, 1, JobStatus.CANCELLED),
        (0, 3, 1, JobStatus.CANCELLED),
        (0, 0, 4, JobStatus.CANCELLED),
        (2, 1, 1, JobStatus.CANCELLED),
    ],
)
def test_final_status_follows_from_the_counts_when_nothing_is_open(
    completed: int, failed: int, cancelled: int, final: JobStatus
) -> None:
    ledger = make_ledger(total=completed + failed + cancelled, completed=completed, failed=failed, open=0, queued=0)

    assert transitions.final_status(ledger) is final


@pytest.mark.acceptance(14)
def test_settle_is_refused_when_the_lane_was_taken_over() -> None:
    ledger = make_ledger(make_lane(lease=make_lease("dead", ends=-1)), status=JobStatus.PROCESSING)
    taken = transitions.take_over(
        ledger,
        lane=0,
        old_token="dead",
        lease=make_lease("new"),
        now=ledger.created_at.replace(year=2027),
        max_attempts=3,
        actor="t",
    )

    with pytest.raises(TransitionRefusedError, match="not held"):
        transitions.settle(
            taken,
            lane=0,
            token="dead",
            outcome=make_outcome(token="dead"),
            now=taken.created_at,
            on_error=OnError.CONTINUE,
            actor="dead worker",
        )
