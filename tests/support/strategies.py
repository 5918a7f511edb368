"""Hypothesis strategies of what stands in rows: any value that a ledger, an item or a spec may hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from shared.errors import CLASS_OF, ErrorCode, is_retryable
from shared.jobs.items import Failure, Outcome, PastAttempt
from shared.jobs.ledger import MAX_ATTEMPTS, Attempt, Lane, Lease, Ledger
from shared.jobs.spec import JobOptions, JobSpec, TemplateRef
from shared.jobs.statuses import CancelReason, Drive, ItemStatus, JobStatus, OnDuplicate, OnError, PauseReason

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["ids", "inputs", "ledgers", "moments", "outcomes", "past_attempts", "specs", "texts"]

_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
counts = st.integers(min_value=0, max_value=10_000)
money = st.integers(min_value=0, max_value=10**12)
codes = st.sampled_from(ErrorCode)
moments = st.integers(min_value=0, max_value=10**12).map(lambda ms: _BEGIN + timedelta(milliseconds=ms))


def ids(prefix: str) -> SearchStrategy[str]:
    """Ids of a kind."""
    tails = st.text(_CROCKFORD, min_size=25, max_size=25)
    return st.builds(lambda first, tail: prefix + first + tail, st.sampled_from("01234567"), tails)


def _json(depth: SearchStrategy[object]) -> SearchStrategy[object]:
    return st.lists(depth, max_size=3) | st.dictionaries(texts, depth, max_size=3)


inputs = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        _json,
        max_leaves=5,
    ),
    max_size=4,
)

attempts = st.builds(Attempt, code=codes, at=moments)
leases = st.builds(Lease, token=texts.filter(bool), epoch=counts, expires_at=moments, est_microusd=money)
lanes = st.builds(
    Lane,
    next=counts,
    end=counts,
    attempts=st.lists(attempts, max_size=MAX_ATTEMPTS).map(tuple),
    not_before=st.none() | moments,
    redrives=counts,
    lease=st.none() | leases,
)
_tallies = st.dictionaries(codes, counts, max_size=4).map(MappingProxyType)
_any_ledger = st.builds(
    Ledger,
    project_id=ids("prj_"),
    job_id=ids("job_"),
    name=texts,
    kind=texts,
    drive=st.sampled_from(Drive),
    total=counts,
    lanes=st.lists(lanes, min_size=1, max_size=5).map(tuple),
    created_at=moments,
    status=st.sampled_from(JobStatus),
    generation=st.integers(min_value=1, max_value=99),
    epoch=counts,
    queued=counts,
    held=counts,
    open=counts,
    completed=counts,
    failed=counts,
    errors=_tallies,
    firsts=_tallies,
    est_microusd=money,
    headroom_microusd=st.none() | st.integers(min_value=-(10**12), max_value=10**12),
    raised_microusd=st.integers(min_value=0, max_value=10**12),
    halted=st.booleans(),
    round=counts,
    cursor=counts,
    usage_period=st.sampled_from(["", "2026-11"]),
    booked_by=texts,
    booked_microusd=money,
    settled_items=counts,
    settled_microusd=money,
    notified_generation=st.integers(min_value=0, max_value=99),
    version=counts,
    actor=texts,
    input_tokens=money,
    output_tokens=money,
    cost_microusd=money,
    retried_at=st.none() | moments,
    started_at=st.none() | moments,
    last_activity_at=st.none() | moments,
    completed_at=st.none() | moments,
    deadline_at=st.none() | moments,
    check_at=st.none() | moments,
    pause_reason=st.none() | st.sampled_from(PauseReason),
    cancel_reason=st.none() | st.sampled_from(CancelReason),
    intake_token=st.none() | texts.filter(bool),
    intake_key=st.none() | texts.filter(bool),
)


def _reachable(ledger: Ledger) -> Ledger:
    """A job whose end was notified is looked at by nobody."""
    if ledger.notified_generation < ledger.generation:
        return ledger
    return ledger.evolve(check_at=None)


ledgers = _any_ledger.map(_reachable)


def _failure(code: ErrorCode, message: str, status: int | None, request: str | None, trace: str | None) -> Failure:
    return Failure(code, CLASS_OF[code], is_retryable(code), message, status, request, trace)


failures = st.builds(
    _failure, codes, texts, st.none() | st.integers(min_value=400, max_value=599), st.none() | texts, st.none() | texts
)
past_attempts = st.builds(
    PastAttempt,
    number=counts,
    generation=counts,
    started_at=st.none() | moments,
    ended_at=st.none() | moments,
    outcome=texts,
    error=st.none() | failures,
    possible_duplicate_spend=st.booleans(),
)
outcomes = st.builds(
    Outcome,
    position=st.integers(min_value=1, max_value=99_999),
    generation=st.integers(min_value=1, max_value=99),
    status=st.sampled_from([ItemStatus.COMPLETED, ItemStatus.FAILED]),
    token=texts.filter(bool),
    started_at=moments,
    completed_at=moments,
    output=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=900),
    error=st.none() | failures,
    attempts=st.lists(past_attempts, max_size=3).map(tuple),
    input_tokens=money,
    output_tokens=money,
    cost_microusd=money,
    model=st.none() | texts,
)
specs = st.builds(
    JobSpec,
    project_id=ids("prj_"),
    job_id=ids("job_"),
    kind=texts,
    model=texts,
    options=st.builds(
        JobOptions,
        concurrency=counts,
        drive=st.sampled_from(Drive),
        on_error=st.sampled_from(OnError),
        on_duplicate=st.sampled_from(OnDuplicate),
        max_attempts=counts,
        item_timeout_seconds=counts,
        deadline_minutes=counts,
        min_interval_seconds=counts,
        budget_microusd=st.none() | money,
        model=st.none() | texts,
    ),
    created_by=texts,
    created_at=moments,
    estimated_microusd=money,
    template=st.none() | st.builds(TemplateRef, template_id=texts, version=counts),
)
