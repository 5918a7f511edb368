"""What the API answers. Fields may be added, never renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from shared.clock import to_iso
from shared.errors import ErrorClass, ErrorCode
from shared.jobs.events import EventType
from shared.jobs.statuses import CancelReason, Drive, ItemStatus, OnDuplicate, OnError, PauseReason, ShownStatus

__all__ = [
    "AttemptView",
    "BulkCancelResult",
    "BulkCancelSummary",
    "BulkCancelView",
    "CountsView",
    "CreatedJobView",
    "DryRunView",
    "DuplicateView",
    "ErrorTallyView",
    "ErrorView",
    "EstimateView",
    "EventView",
    "EventsPage",
    "HealthView",
    "ItemView",
    "ItemsPage",
    "JobUsageView",
    "JobView",
    "JobsPage",
    "KindView",
    "KindsView",
    "LimitsView",
    "MemberView",
    "MembersPage",
    "OptionsView",
    "ProcessNextView",
    "ProgressView",
    "ProjectUsageView",
    "ProjectView",
    "ProjectsPage",
    "QuotaOfItemsView",
    "QuotaOfUsdView",
    "RangeView",
    "RefusalView",
    "ResultLine",
    "SingleItemView",
    "TemplateRefView",
    "TemplateView",
    "TemplatesPage",
    "UsageView",
    "VoiceView",
]

Moment = Annotated[datetime, PlainSerializer(to_iso, return_type=str, when_used="json")]
"""UTC ISO 8601 with milliseconds."""
Usd = float
"""Dollars; integer micro-dollars in storage."""

# Schemas are built at a model's first use: most requests need few of them, and a cold start pays for each.
_VIEW: Final = ConfigDict(
    frozen=True, defer_build=True, serialize_by_alias=True, validate_by_name=True, hide_input_in_errors=True
)


class HealthView(BaseModel):
    """The API answers."""

    model_config = _VIEW

    status: Literal["ok"] = "ok"
    version: str


class RangeView(BaseModel):
    """The least and the most."""

    model_config = _VIEW

    min: int
    max: int


class LimitsView(BaseModel):
    """Every limit in force.

    Sizes are bytes of UTF-8; an item's size is that of its input as compact JSON, the job's defaults merged in. Rates
    are a user's in a project, amounts a month a project's, unless its usage shows a quota of its own.
    """

    model_config = _VIEW

    items_per_job: RangeView
    bytes_per_item: int
    bytes_per_request: int
    concurrency_max: int
    jobs_per_hour: int
    active_jobs: int
    items_per_month: int
    usd_per_month: int
    bulk_cancel_max: int
    templates_per_project: int
    retention_days: int | None
    max_attempts: RangeView
    item_timeout_seconds: RangeView
    deadline_minutes: RangeView
    min_interval_seconds: RangeView
    wait_seconds: RangeView
    page_limit: RangeView
    idempotency_key_length: RangeView


class KindView(BaseModel):
    """What can be generated: JSON Schemas of an item's input and output, and a sample input that runs."""

    model_config = _VIEW

    name: str
    title: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    sample: dict[str, Any]


class KindsView(BaseModel):
    """Every kind."""

    model_config = _VIEW

    items: tuple[KindView, ...]


class ProjectView(BaseModel):
    """A project and the caller's role in it."""

    model_config = _VIEW

    id: str
    name: str
    role: Literal["owner", "editor", "viewer"]
    created_at: Moment


class ProjectsPage(BaseModel):
    """A page of projects; ``next_cursor`` is null on the last."""

    model_config = _VIEW

    items: tuple[ProjectView, ...]
    next_cursor: str | None


class MemberView(BaseModel):
    """Who may what in a project."""

    model_config = _VIEW

    user: str
    role: Literal["owner", "editor", "viewer"]
    added_at: Moment


class MembersPage(BaseModel):
    """A page of members in the order of their names; ``next_cursor`` is null on the last."""

    model_config = _VIEW

    items: tuple[MemberView, ...]
    next_cursor: str | None


class TemplateRefView(BaseModel):
    """The template version that a job was created with."""

    model_config = _VIEW

    id: str
    version: int


class TemplateView(BaseModel):
    """A template, or one of its versions, which never change.

    ``created_at`` is the template's, ``updated_at`` the version's; ``deleted_at`` is null on a version.
    """

    model_config = _VIEW

    id: str
    version: int
    name: str
    kind: str
    values: dict[str, Any]
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class TemplatesPage(BaseModel):
    """A page of templates, or of versions of one; ``next_cursor`` is null on the last."""

    model_config = _VIEW

    items: tuple[TemplateView, ...]
    next_cursor: str | None


class VoiceView(BaseModel):
    """A project's brand voice: inputs of every item that has such fields. Version 0 where nobody has set one."""

    model_config = _VIEW

    version: int
    values: dict[str, Any]
    updated_at: Moment | None


class OptionsView(BaseModel):
    """How a job is run. ``model`` is the one that was asked for; null where the server chose."""

    model_config = _VIEW

    concurrency: int
    drive: Drive
    on_error: OnError
    on_duplicate: OnDuplicate
    max_attempts: int
    item_timeout_seconds: int
    deadline_minutes: int
    min_interval_seconds: int
    budget_usd: Usd | None
    model: str | None


class CountsView(BaseModel):
    """A job's items by what they are: the five sum to ``total`` at every read."""

    model_config = _VIEW

    total: int
    queued: int
    processing: int
    completed: int
    failed: int
    cancelled: int


class ProgressView(BaseModel):
    """Finished items, failed and cancelled ones included."""

    model_config = _VIEW

    done: int
    total: int
    percent: int


class JobUsageView(BaseModel):
    """What a job used so far, and what it was estimated to cost at most."""

    model_config = _VIEW

    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    estimated_cost_usd: Usd


class ErrorTallyView(BaseModel):
    """How often a code ended an item, and where first."""

    model_config = _VIEW

    code: ErrorCode
    error_class: Annotated[ErrorClass, Field(alias="class")]
    retryable: bool
    count: int
    first_position: int | None


class JobView(BaseModel):
    """A job. Its ETag is its version, its status and the end of its id."""

    model_config = _VIEW

    id: str
    project_id: str
    name: str
    kind: str
    model: str
    template: TemplateRefView | None
    status: ShownStatus
    pause_reason: PauseReason | None
    cancel_reason: CancelReason | None
    generation: int
    version: int
    created_by: str
    options: OptionsView
    counts: CountsView
    progress: ProgressView
    usage: JobUsageView
    error_summary: tuple[ErrorTallyView, ...]
    not_retried: int
    created_at: Moment
    started_at: Moment | None
    last_activity_at: Moment | None
    estimated_completion_at: Moment | None
    completed_at: Moment | None
    deadline_at: Moment | None


class JobsPage(BaseModel):
    """A page of jobs; filtered, it may be shorter than its limit before the last, whose ``next_cursor`` is null."""

    model_config = _VIEW

    items: tuple[JobView, ...]
    next_cursor: str | None


class BulkCancelResult(BaseModel):
    """What became of one job: one that has ended stays as it is."""

    model_config = _VIEW

    job_id: str
    result: Literal["cancelled", "already_final", "not_found"]


class BulkCancelSummary(BaseModel):
    """How many jobs met which end."""

    model_config = _VIEW

    cancelled: int
    already_final: int
    not_found: int


class BulkCancelView(BaseModel):
    """A result for every job that was named, each once."""

    model_config = _VIEW

    results: tuple[BulkCancelResult, ...]
    summary: BulkCancelSummary


class DuplicateView(BaseModel):
    """An item that was dropped, and the one that it repeats: indexes into what was sent, from 0."""

    model_config = _VIEW

    index: int
    duplicate_of: int


class CreatedJobView(JobView):
    """A new job, and what became of the items that were sent."""

    accepted: int
    duplicates: tuple[DuplicateView, ...]


class EstimateView(BaseModel):
    """What a job would take. ``basis`` says what the numbers mean."""

    model_config = _VIEW

    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    minutes: float
    basis: str


class QuotaOfItemsView(BaseModel):
    """Items of a month: of ``limit``, what finished jobs have used, and what unfinished ones have reserved."""

    model_config = _VIEW

    limit: int
    reserved: int
    used: int
    remaining: int


class QuotaOfUsdView(BaseModel):
    """The same in US dollars; what is reserved is the most that one try of every item can cost."""

    model_config = _VIEW

    limit: Usd
    reserved: Usd
    used: Usd
    remaining: Usd


class ProjectUsageView(BaseModel):
    """What a project has of its quota in the present month, and when the next begins. Months are those of UTC."""

    model_config = _VIEW

    period: str
    renews_at: Moment
    items: QuotaOfItemsView
    usd: QuotaOfUsdView


class RefusalView(BaseModel):
    """The 429 that a creation would get now."""

    model_config = _VIEW

    code: Literal["rate_limited", "too_many_active_jobs", "quota_exceeded"]
    detail: str
    retry_after_seconds: int


class DryRunView(BaseModel):
    """What a job would be: ``quota`` as it stands before it, and ``refusal`` where it would not be created now."""

    model_config = _VIEW

    accepted: int
    duplicates: tuple[DuplicateView, ...]
    estimate: EstimateView
    quota: ProjectUsageView
    refusal: RefusalView | None


class ErrorView(BaseModel):
    """Why an item, or one try of it, failed: everything that is known."""

    model_config = _VIEW

    code: ErrorCode
    error_class: Annotated[ErrorClass, Field(alias="class")]
    retryable: bool
    http_status: int | None
    message: str
    claude_request_id: str | None
    trace_id: str | None


class AttemptView(BaseModel):
    """One counted try of an item."""

    model_config = _VIEW

    number: int
    generation: int
    started_at: Moment | None
    ended_at: Moment | None
    outcome: str
    error: ErrorView | None
    possible_duplicate_spend: bool


class UsageView(BaseModel):
    """What an item used."""

    model_config = _VIEW

    input_tokens: int
    output_tokens: int
    cost_usd: Usd


class ItemView(BaseModel):
    """An item. ``error``, ``usage`` and ``model`` tell of its outcome, so they are null until it has one."""

    model_config = _VIEW

    position: int
    custom_id: str | None
    status: ItemStatus
    input: dict[str, Any]
    error: ErrorView | None
    attempts: tuple[AttemptView, ...]
    usage: UsageView | None
    model: str | None
    started_at: Moment | None
    completed_at: Moment | None
    lease_expires_at: Moment | None


class ItemsPage(BaseModel):
    """A page of items; filtered, it may be shorter than its limit before the last, whose ``next_cursor`` is null."""

    model_config = _VIEW

    items: tuple[ItemView, ...]
    next_cursor: str | None


class SingleItemView(ItemView):
    """One item with its output, which the kind's output schema describes."""

    output: Any


class EventView(BaseModel):
    """What one write did to a job.

    ``from`` and ``to`` are statuses, of the item where ``position`` or ``lane`` is set, else of the job; of a
    hand-over they say who drives. ``detail`` is an error's code, a reason, or what else there is to say. Types and
    fields may be added.
    """

    model_config = _VIEW

    id: str
    time: Moment
    actor: str | None
    type: EventType
    generation: int | None
    lane: int | None
    position: int | None
    before: Annotated[str | None, Field(alias="from")]
    after: Annotated[str | None, Field(alias="to")]
    attempt: int | None
    detail: str | None


class EventsPage(BaseModel):
    """A page of a timeline in the order of the writes; ``next_cursor`` is null on the last."""

    model_config = _VIEW

    items: tuple[EventView, ...]
    next_cursor: str | None


class ProcessNextView(BaseModel):
    """What one process-next did. ``item`` is the item that was processed, or that still runs."""

    model_config = _VIEW

    outcome: Literal["processed", "in_progress", "done"]
    item: SingleItemView | None
    job: JobView
    retry_after_seconds: int


class CompletedResult(BaseModel):
    """A completed item's output."""

    model_config = _VIEW

    type: Literal["completed"] = "completed"
    output: Any


class FailedResult(BaseModel):
    """A failed item's error."""

    model_config = _VIEW

    type: Literal["failed"] = "failed"
    error: ErrorView


class CancelledResult(BaseModel):
    """An item that was not started."""

    model_config = _VIEW

    type: Literal["cancelled"] = "cancelled"


class ResultLine(BaseModel):
    """One line of the NDJSON results."""

    model_config = _VIEW

    position: int
    custom_id: str | None
    input: dict[str, Any]
    result: CompletedResult | FailedResult | CancelledResult
    usage: UsageView | None
