"""What an item is: its outcome, and the one rule that every reader reads it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.jobs import lanes
from shared.jobs.statuses import ItemStatus, JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.errors import ErrorClass, ErrorCode, ItemError
    from shared.jobs.ledger import Ledger

__all__ = [
    "Failure",
    "Outcome",
    "PastAttempt",
    "WorkPlace",
    "effective_status",
    "find_in_work",
    "idempotency_key",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item, or one try of it, failed: everything that was known, nothing summed up."""

    code: ErrorCode
    error_class: ErrorClass
    retryable: bool
    message: str
    http_status: int | None = None
    claude_request_id: str | None = None
    trace_id: str | None = None

    @classmethod
    def of(cls, error: ItemError, *, trace_id: str | None = None) -> Failure:
        """The record of ``error``; ``trace_id`` leads to the logs where the fault is ours."""
        return cls(
            code=error.code,
            error_class=error.error_class,
            retryable=error.retryable,
            message=error.message,
            http_status=error.http_status,
            claude_request_id=error.claude_request_id,
            trace_id=trace_id,
        )


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One try of an item as its row tells it. ``ended_at`` is unknown where the worker was lost."""

    number: int
    generation: int
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    error: Failure | None = None
    possible_duplicate_spend: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended in a generation: ``completed`` or ``failed``, never anything else.

    ``output`` is the JSON object that the kind's output model describes, as text; None for a failure.
    """

    position: int
    generation: int
    status: ItemStatus
    token: str
    started_at: datetime
    completed_at: datetime
    output: str | None = None
    error: Failure | None = None
    attempts: tuple[PastAttempt, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    model: str | None = None


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Where a position stands in the current generation's work."""

    lane: int
    index: int


def idempotency_key(job_id: str, generation: int, position: int) -> str:
    """The key under which Claude and the rows know one item of one generation."""
    return f"{job_id}:{generation}:{position}"


def find_in_work(ledger: Ledger, position: int, work: Mapping[int, WorkPlace] | None = None) -> WorkPlace | None:
    """Where ``position`` stands in the current work, or None if this generation leaves it alone.

    ``work`` is the generation's list, position by position (:func:`work_places`); generation 1 needs none.
    """
    if ledger.generation == 1:
        n = len(ledger.lanes)
        return WorkPlace(lanes.lane_of(position, n), lanes.index_of(position, n))
    return (work or {}).get(position)


def work_places(work: Sequence[Sequence[int]]) -> dict[int, WorkPlace]:
    """The lists of a generation (one a lane) turned round: position → place."""
    return {
        position: WorkPlace(lane, index)
        for lane, positions in enumerate(work)
        for index, position in enumerate(positions)
    }


def effective_status(ledger: Ledger, place: WorkPlace | None, outcome: ItemStatus | None) -> ItemStatus:
    """What an item *is*, from the ledger and the item's row, the ledger read first.

    Args:
        ledger: the ledger.
        place: where the item stands in the current generation's work, if it does.
        outcome: the status that the item's row carries, if it has one.

    Below the lane's ``next`` an item is its outcome; at ``next`` with a lease it is processing; behind it, it is
    queued, unless the job is cancelling or over: then it is its earlier outcome if it has one, else cancelled.
    """
    settled = outcome or ItemStatus.CANCELLED
    if place is None:
        return settled
    lane = ledger.lanes[place.lane]
    if place.index < lane.next:
        return settled
    if place.index == lane.next and lane.lease is not None:
        return ItemStatus.PROCESSING
    if ledger.final or ledger.status is JobStatus.CANCELLING:
        return settled
    return ItemStatus.QUEUED
