"""Builders of ledgers and what belongs to them. Counts follow from lanes and status unless a test says otherwise."""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ErrorCode, item_error
from shared.jobs.items import Failure, Outcome, PastAttempt
from shared.jobs.ledger import Attempt, Lane, Lease, Ledger
from shared.jobs.spec import JobOptions, JobSpec
from shared.jobs.statuses import FINAL, Drive, ItemStatus, JobStatus
from tests.support.clock import START

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "ACTOR",
    "JOB_ID",
    "MINE",
    "NOW",
    "PROJECT_ID",
    "at",
    "make_attempt",
    "make_failure",
    "make_lane",
    "make_lease",
    "make_ledger",
    "make_outcome",
    "make_past_attempt",
    "make_spec",
    "row_bytes",
]

NOW: Final = START
ACTOR: Final = "test"
MINE: Final = "mine"
"""The token of the caller's lease."""
PROJECT_ID: Final = "prj_01JDA4Y2Z7QK3M8N5P6R9S0T1V"
JOB_ID: Final = "job_01JDA4Y3C0D1E2F3G4H5J6K7M8"


def at(seconds: float) -> datetime:
    """``seconds`` after :data:`NOW`."""
    moment: datetime = NOW + timedelta(seconds=seconds)
    return moment


def make_lease(token: str = MINE, *, epoch: int = 0, ends: float = 60, est: int = 0) -> Lease:
    """A lease that ends ``ends`` seconds after :data:`NOW`; a negative value makes an expired one."""
    return Lease(token, epoch, at(ends), est)


def make_attempt(code: ErrorCode = ErrorCode.OVERLOADED, *, seconds: float = -30) -> Attempt:
    """A counted try."""
    return Attempt(code, at(seconds))


def make_lane(start: int = 0, end: int = 2, **changes: Any) -> Lane:
    """A lane that stands at ``start``."""
    return Lane(start, end, **changes)


def make_ledger(*lanes: Lane, **changes: Any) -> Ledger:
    """A ledger over ``lanes`` (two fresh ones of two items by default) whose counts agree with them."""
    lanes = lanes or (make_lane(), make_lane())
    status = JobStatus(changes.get("status", JobStatus.QUEUED))
    held = sum(lane.lease is not None for lane in lanes)
    left = sum(lane.end - lane.next for lane in lanes)
    over = status is JobStatus.CANCELLING or status in FINAL
    errors = changes.pop("errors", {})
    failed = changes.pop("failed", sum(errors.values()))
    counts = {
        "total": sum(lane.end for lane in lanes),
        "held": held,
        "queued": 0 if over else left - held,
        "open": held if over else left,
        "failed": failed,
        "completed": sum(lane.next for lane in lanes) - failed,
    }
    firsts = changes.pop("firsts", dict.fromkeys(errors, 1))
    return Ledger(
        project_id=changes.pop("project_id", PROJECT_ID),
        job_id=changes.pop("job_id", JOB_ID),
        name="Spring catalogue",
        kind="outline",
        lanes=lanes,
        created_at=at(-600),
        errors=MappingProxyType(errors),
        firsts=MappingProxyType(firsts),
        **{"drive": Drive.QUEUE, "check_at": at(60), "version": 7, "actor": "api", **counts, **changes},
    )


def make_failure(code: ErrorCode = ErrorCode.REFUSED, message: str = "Claude declined.", **changes: Any) -> Failure:
    """Why an item failed."""
    return Failure.of(item_error(code, message, **changes))


def make_past_attempt(number: int = 1, **changes: Any) -> PastAttempt:
    """A try as the item's row tells it."""
    fields = {
        "generation": 1,
        "started_at": at(-20),
        "ended_at": at(-10),
        "outcome": "put_back",
        "error": make_failure(ErrorCode.OVERLOADED, "Overloaded."),
    }
    return PastAttempt(number=number, **{**fields, **changes})


def make_outcome(position: int = 1, *, code: ErrorCode | None = None, token: str = MINE, **changes: Any) -> Outcome:
    """A completed item, or one that failed with ``code``."""
    fields: dict[str, Any] = {
        "generation": 1,
        "started_at": at(-20),
        "completed_at": NOW,
        "input_tokens": 120,
        "output_tokens": 340,
        "cost_microusd": 7,
    }
    if code is None:
        ended: dict[str, Any] = {"status": ItemStatus.COMPLETED, "output": '{"title":"T"}', "model": "claude-test"}
    else:
        ended = {"status": ItemStatus.FAILED, "error": make_failure(code)}
    return Outcome(position=position, token=token, **{**fields, **ended, **changes})


def make_spec(*, job_id: str = JOB_ID, **options: Any) -> JobSpec:
    """The immutable part of a job with these options."""
    return JobSpec(
        project_id=PROJECT_ID,
        job_id=job_id,
        kind="outline",
        model="claude-test",
        options=JobOptions(**options),
        created_by="ada",
        created_at=at(-600),
    )


def row_bytes(row: Any) -> int:
    """What DynamoDB counts a row as: names and values in UTF-8, numbers by digits, 3 bytes a list or map and 1 more for
    each of its elements.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in row.items())


def _value_bytes(value: Any) -> int:
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int):
        return len(str(value)) // 2 + 2
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return 3 + sum(1 + len(name.encode()) + _value_bytes(inner) for name, inner in value.items())
    return 3 + sum(1 + _value_bytes(inner) for inner in value)
