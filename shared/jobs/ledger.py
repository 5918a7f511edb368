"""The ledger: the one row that decides what a job may do, as a frozen record.

Field by field it is the row of the protocol. ``open = queued + held`` until cancelling; ``held`` is the number of
lanes with a lease, live or not. Money is integer micro-dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from shared.errors import CLASS_OF, ErrorClass, ErrorCode, is_retryable
from shared.jobs.statuses import FINAL, CancelReason, Drive, JobStatus, PauseReason, ShownStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["MAX_ATTEMPTS", "MAX_LANES", "Attempt", "Counts", "ErrorTally", "Lane", "Lease", "Ledger"]

MAX_LANES: Final = 32
"""More lanes would let the ledger grow beyond 12 KB."""
MAX_ATTEMPTS: Final = 5
"""Likewise: every attempt stands on its lane until the item is settled."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works a lane, until when. ``est_microusd`` is what the claim reserved of the budget (0 without one)."""

    token: str
    epoch: int
    expires_at: datetime
    est_microusd: int = 0

    def expired(self, now: datetime) -> bool:
        """Whether the holder may be replaced."""
        return self.expires_at < now


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of the lane's current item that was counted: a transient error, or a lease that was lost."""

    code: ErrorCode
    at: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """How far one lane has come.

    ``next`` and ``end`` are indexes into the lane's list of positions (see :mod:`shared.jobs.lanes`).
    """

    next: int
    end: int
    attempts: tuple[Attempt, ...] = ()
    not_before: datetime | None = None
    redrives: int = 0
    lease: Lease | None = None

    @property
    def exhausted(self) -> bool:
        """Whether nothing of the lane's work is left to start."""
        return self.next >= self.end

    def due(self, now: datetime) -> bool:
        """Whether no back-off holds the lane."""
        return self.not_before is None or self.not_before <= now

    def busy(self, now: datetime) -> bool:
        """Whether somebody holds a live lease."""
        return self.lease is not None and not self.lease.expired(now)

    def evolve(self, **changes: Any) -> Self:  # noqa: ANN401  dataclasses.replace checks the names
        """A copy with ``changes``."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Counts:
    """A job's items by what they are: the five always sum to ``total``."""

    total: int
    queued: int
    processing: int
    completed: int
    failed: int
    cancelled: int

    @property
    def done(self) -> int:
        """Items that will not change in this generation."""
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class ErrorTally:
    """How often a code ended an item of this generation, and where first."""

    code: ErrorCode
    count: int
    first_position: int | None

    @property
    def error_class(self) -> ErrorClass:
        """The code's class."""
        return CLASS_OF[self.code]

    @property
    def retryable(self) -> bool:
        """Whether a retry may help."""
        return is_retryable(self.code)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The job row. Every transition (:mod:`shared.jobs.transitions`) makes a new one."""

    project_id: str
    job_id: str
    name: str
    kind: str
    drive: Drive
    total: int
    lanes: tuple[Lane, ...]
    created_at: datetime
    status: JobStatus = JobStatus.QUEUED
    generation: int = 1
    epoch: int = 0
    queued: int = 0
    held: int = 0
    open: int = 0
    completed: int = 0
    failed: int = 0
    errors: Mapping[ErrorCode, int] = field(default_factory=lambda: MappingProxyType({}))
    firsts: Mapping[ErrorCode, int] = field(default_factory=lambda: MappingProxyType({}))
    est_microusd: int = 0
    headroom_microusd: int | None = None
    raised_microusd: int = 0
    """What resumes and retries have added to the budget that the job was created with."""
    halted: bool = False
    round: int = 0
    cursor: int = 0
    usage_period: str = ""
    booked_by: str = ""
    """Whose unfinished jobs the present generation counts to, from its beginning to its end; empty where it is booked
    nowhere, neither there nor on the project's quota of ``usage_period``."""
    booked_microusd: int = 0
    """What the present generation has reserved of that quota, beside its items."""
    settled_items: int = 0
    """Completed items that an earlier generation has settled on the quota."""
    settled_microusd: int = 0
    """Likewise, what earlier generations have cost."""
    notified_generation: int = 0
    version: int = 1
    actor: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    started_at: datetime | None = None
    retried_at: datetime | None = None
    """When the present generation was opened; None in the first, which began with ``started_at``."""
    last_activity_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime | None = None
    check_at: datetime | None = None
    pause_reason: PauseReason | None = None
    cancel_reason: CancelReason | None = None
    intake_token: str | None = None
    """Who writes the rows of a job in intake; fences a writer that was thought dead."""
    intake_key: str | None = None
    """The Idempotency-Key of a job in intake, which whoever removes it must give free again."""

    @property
    def budgeted(self) -> bool:
        """Whether claims reserve from a budget."""
        return self.headroom_microusd is not None

    @property
    def final(self) -> bool:
        """Whether the job has ended (a retry may open a new generation)."""
        return self.status in FINAL

    @property
    def counts(self) -> Counts:
        """The shown counts: in intake everything is still queued."""
        return Counts(
            total=self.total,
            queued=self.queued,
            processing=self.held,
            completed=self.completed,
            failed=self.failed,
            cancelled=self.total - self.completed - self.failed - self.open,
        )

    @property
    def error_summary(self) -> tuple[ErrorTally, ...]:
        """The failed items by code, most frequent first, ties by code."""
        tallies = [ErrorTally(code, n, self.firsts.get(code)) for code, n in self.errors.items() if n > 0]
        return tuple(sorted(tallies, key=lambda tally: (-tally.count, tally.code)))

    @property
    def not_retried(self) -> int:
        """Failed items of an earlier generation that a cancelled retry did not reach."""
        return self.failed - sum(self.errors.values())

    def live_leases(self, now: datetime) -> int:
        """Lanes that somebody works right now."""
        return sum(lane.busy(now) for lane in self.lanes)

    @property
    def told(self) -> bool:
        """Whether the end of the present generation has been told of."""
        return self.notified_generation >= self.generation

    def shown_status(self, now: datetime) -> ShownStatus:
        """The status a reader sees: ``pausing`` while a paused job still has live leases."""
        if self.status is JobStatus.PAUSED and self.live_leases(now):
            return ShownStatus.PAUSING
        return ShownStatus(self.status.value)

    def evolve(self, **changes: Any) -> Self:  # noqa: ANN401  dataclasses.replace checks the names
        """A copy with ``changes``."""
        return replace(self, **changes)

    def with_lane(self, index: int, lane: Lane, **changes: Any) -> Self:  # noqa: ANN401
        """A copy in which lane ``index`` is ``lane``, with ``changes``."""
        lanes = (*self.lanes[:index], lane, *self.lanes[index + 1 :])
        return self.evolve(lanes=lanes, **changes)
