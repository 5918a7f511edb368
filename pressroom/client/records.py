"""What Pressroom answers, as frozen records. Fields that a newer server adds are ignored, and kept in ``raw``."""

from __future__ import annotations

# The decoder reads the annotations when it runs, so their names must be there.
from collections.abc import Mapping  # noqa: TC003
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003
from typing import Any, Final

from pressroom.client.decoding import KEY
from shared.jobs.statuses import FINAL, ShownStatus

__all__ = [
    "BulkCancel",
    "BulkCancelCounts",
    "BulkCancelResult",
    "Counts",
    "CreatedJob",
    "DryRun",
    "Duplicate",
    "ErrorCount",
    "Estimate",
    "Event",
    "Health",
    "Item",
    "ItemFailure",
    "Job",
    "Kind",
    "Limits",
    "Member",
    "NewItem",
    "NewJob",
    "ProcessNext",
    "Progress",
    "Project",
    "ProjectUsage",
    "QuotaOf",
    "Range",
    "Refusal",
    "Template",
    "Usage",
    "Voice",
]

_ID_IN_ETAG: Final = 8
"""A template's tag names it by the end of its id; lists carry no tags, so it is made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """``GET /v1/health``."""

    status: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and the caller's role in it."""

    id: str
    name: str
    role: str
    created_at: datetime
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who may what in a project, and since when they are in it."""

    user: str
    role: str
    added_at: datetime
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template, or one of its versions."""

    id: str
    version: int
    name: str
    kind: str
    values: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def etag(self) -> str:
        """What a change of it names."""
        state = "" if self.deleted_at is None else "-deleted"
        return f'"{self.version}{state}-{self.id[-_ID_IN_ETAG:]}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A project's brand voice; version 0 where nobody has set one. ``etag`` is what a change of it names."""

    version: int
    values: Mapping[str, Any]
    updated_at: datetime | None
    etag: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The least and the most that is allowed."""

    min: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits in force. Sizes in bytes of the JSON that is sent."""

    items_per_job: Range
    bytes_per_item: int
    bytes_per_request: int
    concurrency_max: int
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What can be generated: JSON Schemas of an item's input and output, and a sample input that runs."""

    name: str
    title: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    sample: Mapping[str, Any]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many items are in which status; all but ``total`` add up to ``total``."""

    total: int
    queued: int
    processing: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Finished items, failed and cancelled ones included."""

    done: int
    total: int
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and US dollars."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    estimated_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """How many items failed with one code, and the first of them."""

    code: str
    count: int
    retryable: bool = False
    first_position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is now. ``etag`` names this version for the next poll; empty where none was sent."""

    id: str
    project_id: str
    name: str | None
    kind: str
    status: str
    counts: Counts
    progress: Progress
    created_at: datetime
    pause_reason: str | None = None
    cancel_reason: str | None = None
    generation: int = 1
    version: int = 0
    created_by: str = ""
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    error_summary: tuple[ErrorCount, ...] = ()
    started_at: datetime | None = None
    last_activity_at: datetime | None = None
    estimated_completion_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime | None = None
    etag: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended: nothing changes any more, but for a retry."""
        return self.status in FINAL

    @property
    def is_paused(self) -> bool:
        """Whether nothing goes on until a person resumes the job (:meth:`PressroomClient.resume`)."""
        return self.status == ShownStatus.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """An item that was dropped, and the one that it repeats: indexes into what was sent, from 0."""

    index: int
    duplicate_of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedJob:
    """A created job.

    Attributes:
        replayed: the same call had been answered before; this is that answer, and no second job was made.
    """

    job: Job
    accepted: int
    duplicates: tuple[Duplicate, ...]
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a job would probably take."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    minutes: float = 0.0
    basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaOf:
    """Items, or US dollars: of ``limit``, what finished jobs have used and unfinished ones have reserved."""

    limit: float
    reserved: float
    used: float
    remaining: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUsage:
    """What a project has of its quota in a month, ``2026-11``, and when the next begins."""

    period: str
    renews_at: datetime
    items: QuotaOf
    usd: QuotaOf
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a job would not be created now."""

    code: str
    detail: str
    retry_after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a job would be, with nothing written; ``refusal`` where a limit would keep it from being created."""

    accepted: int
    duplicates: tuple[Duplicate, ...]
    estimate: Estimate
    quota: ProjectUsage
    refusal: Refusal | None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailure:
    """Why an item failed."""

    code: str
    message: str
    retryable: bool = False
    http_status: int | None = None
    claude_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item. ``output`` comes with the single view only, and only when the item completed."""

    position: int
    status: str
    input: Mapping[str, Any]
    custom_id: str | None = None
    error: ItemFailure | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    usage: Usage | None = None
    model: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: Any = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one write did to a job, or to one of its items.

    Attributes:
        id: unique in the job; ids sort as text in the order of the writes.
        actor: who wrote; ``None`` for an edit by hand, which leaves no name.
        before: the status before, ``from`` in the JSON.
        after: the status after, ``to`` in the JSON.
        attempt: the number of the try that began, ended or was lost.
        detail: an error's code, a reason, or what else there is to say.
    """

    id: str
    time: datetime
    type: str
    actor: str | None = None
    generation: int | None = None
    lane: int | None = None
    position: int | None = None
    before: str | None = field(default=None, metadata={KEY: "from"})
    after: str | None = field(default=None, metadata={KEY: "to"})
    attempt: int | None = None
    detail: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNext:
    """What one process-next did. ``outcome`` is ``processed``, ``in_progress`` or ``done``."""

    outcome: str
    job: Job
    item: Item | None = None
    retry_after_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCancelResult:
    """What became of one job: ``cancelled``, ``already_final`` or ``not_found``."""

    job_id: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCancelCounts:
    """How many jobs met which end."""

    cancelled: int
    already_final: int
    not_found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCancel:
    """What became of several jobs."""

    results: tuple[BulkCancelResult, ...]
    summary: BulkCancelCounts
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item to create. ``custom_id`` is the caller's own name for it, unique in the job."""

    input: Mapping[str, Any]
    custom_id: str | None = None

    def body(self) -> dict[str, Any]:
        """The JSON of the contract."""
        item: dict[str, Any] = {"input": dict(self.input)}
        return item if self.custom_id is None else {"custom_id": self.custom_id, **item}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to create; an option that is left out takes the server's default."""

    kind: str
    items: tuple[NewItem, ...]
    name: str | None = None
    template_id: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON of the contract, without what was left out."""
        body: dict[str, Any] = {"kind": self.kind, "items": [item.body() for item in self.items]}
        if self.name is not None:
            body["name"] = self.name
        if self.template_id is not None:
            body["template_id"] = self.template_id
        if self.defaults:
            body["defaults"] = dict(self.defaults)
        if self.options:
            body["options"] = dict(self.options)
        return body
