"""What never changes about a job: kept in a row of its own, so that the ledger stays small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.jobs.statuses import Drive, OnDuplicate, OnError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["JobOptions", "JobSpec", "TemplateRef"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job is run; the defaults are the contract's."""

    concurrency: int = 1
    drive: Drive = Drive.QUEUE
    on_error: OnError = OnError.CONTINUE
    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    max_attempts: int = 3
    item_timeout_seconds: int = 120
    deadline_minutes: int = 1440
    min_interval_seconds: int = 0
    budget_microusd: int | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateRef:
    """The template version that a job was created with."""

    template_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A job's immutable part. ``model`` is what the items are written by, options and defaults resolved.

    ``template`` and ``voice_version`` (0 for none) are what stood behind the items when they were merged, at versions
    that never change.
    ``estimated_microusd`` is the most that one try of every item can cost, ``dearest_microusd`` of the dearest alone.
    """

    project_id: str
    job_id: str
    kind: str
    model: str
    options: JobOptions
    created_by: str
    created_at: datetime
    estimated_microusd: int = 0
    dearest_microusd: int = 0
    template: TemplateRef | None = None
    voice_version: int = 0
    idempotency_key: str | None = None
    """The creation's: its record outlives the job, and is found by this when the job is deleted."""
