"""What callers send: bodies and queries. Unknown fields of a body are refused; numbers are numbers, not text."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import ErrorCode
from shared.jobs.ledger import MAX_ATTEMPTS, MAX_LANES
from shared.jobs.statuses import Drive, ItemStatus, OnDuplicate, OnError, ShownStatus

__all__ = [
    "MAX_IDEMPOTENCY_KEY",
    "MAX_PAGE",
    "MAX_WAIT_SECONDS",
    "BulkCancelRequest",
    "CreateJobQuery",
    "CreateJobRequest",
    "CreateProjectRequest",
    "EmptyRequest",
    "ItemsQuery",
    "JobEnvelope",
    "JobFilter",
    "JobQuery",
    "JobsQuery",
    "MemberRequest",
    "NewItemRequest",
    "OptionsRequest",
    "PageQuery",
    "ProcessNextRequest",
    "ResultFormat",
    "ResultsQuery",
    "ResumeRequest",
    "RetryRequest",
    "TemplateRequest",
    "TemplatesQuery",
    "VoiceRequest",
]

MAX_PAGE: Final = 100
MAX_WAIT_SECONDS: Final = 25
"""The gateway ends a request at 30."""
MAX_IDEMPOTENCY_KEY: Final = 255

_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_BODY: Final = ConfigDict(extra="forbid", frozen=True, defer_build=True, hide_input_in_errors=True)
_QUERY: Final = ConfigDict(extra="ignore", frozen=True, defer_build=True, hide_input_in_errors=True)

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]


class CreateProjectRequest(BaseModel):
    """A new project; the caller becomes its owner."""

    model_config = _BODY

    name: _Line


class MemberRequest(BaseModel):
    """What a member may do: an owner everything, an editor all but the members, a viewer read."""

    model_config = _BODY

    role: Literal["owner", "editor", "viewer"]


class TemplateRequest(BaseModel):
    """A template. The kind's input schema says what ``values`` may hold: any of its fields, each as an item would."""

    model_config = _BODY

    name: _Line
    kind: Annotated[str, Field(min_length=1, max_length=100, description="One of `GET /v1/kinds`.")]
    values: Annotated[dict[str, Any], Field(description="Inputs of every item that neither it nor a default sets.")]


class VoiceRequest(BaseModel):
    """A brand voice, whole: what it does not name, it no longer says."""

    model_config = _BODY

    values: Annotated[
        dict[str, Any], Field(description="Inputs of every item of a kind with such fields; templates go before it.")
    ]


class OptionsRequest(BaseModel):
    """How the job is run. The server's own bounds may be narrower: ``GET /v1/limits`` tells them."""

    model_config = _BODY

    concurrency: Annotated[int, Field(strict=True, ge=1, le=MAX_LANES, description="Items at once.")] = 1
    drive: Annotated[Drive, Field(description="Who advances the job: the queue, or clients by process-next.")] = (
        Drive.QUEUE
    )
    on_error: Annotated[OnError, Field(description="What a failed item means for the others.")] = OnError.CONTINUE
    on_duplicate: Annotated[OnDuplicate, Field(description="What happens to an item that repeats another.")] = (
        OnDuplicate.SKIP
    )
    max_attempts: Annotated[int, Field(strict=True, ge=1, le=MAX_ATTEMPTS, description="Tries of an item.")] = 3
    item_timeout_seconds: Annotated[int, Field(strict=True, ge=5, le=600)] = 120
    deadline_minutes: Annotated[int, Field(strict=True, ge=1, le=10_080, description="Then the job ends.")] = 1440
    min_interval_seconds: Annotated[int, Field(strict=True, ge=0, le=3_600, description="Paces a lane.")] = 0
    budget_usd: Annotated[
        float | None,
        Field(strict=True, gt=0, le=1_000_000, allow_inf_nan=False, description="What may be spent; null: no bound."),
    ] = None
    model: Annotated[str | None, Field(min_length=1, max_length=100, description="Null: the server's default.")] = None


class NewItemRequest(BaseModel):
    """One item. The kind's input schema says what ``input`` holds."""

    model_config = _BODY

    custom_id: Annotated[
        str | None,
        Field(min_length=1, max_length=255, pattern=_LINE, description="Your own name for it, unique in the job."),
    ] = None
    input: dict[str, Any]


class JobEnvelope(BaseModel):
    """A new job but for its items, which are checked one by one so that every bad one is reported."""

    model_config = _BODY

    name: Annotated[_Line | None, Field(description="Null: one is made up.")] = None
    kind: Annotated[str, Field(min_length=1, max_length=100, description="One of `GET /v1/kinds`.")]
    template_id: Annotated[
        str | None,
        Field(
            max_length=100,
            description="A template of the kind, or `auto`: the one that fits best what the items say themselves.",
        ),
    ] = None
    defaults: Annotated[dict[str, Any], Field(description="Inputs of every item that does not set them.")] = {}
    options: Annotated[OptionsRequest, Field(default_factory=OptionsRequest)]


class CreateJobRequest(JobEnvelope):
    """A new job."""

    items: Annotated[list[NewItemRequest], Field(min_length=1)]


class ProcessNextRequest(BaseModel):
    """How long the answer may wait for the item."""

    model_config = _BODY

    wait_seconds: Annotated[int, Field(strict=True, ge=0, le=MAX_WAIT_SECONDS)] = 20


class EmptyRequest(BaseModel):
    """Nothing: the path says it all."""

    model_config = _BODY


_Raise = Annotated[
    float | None,
    Field(
        strict=True,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="The new budget in all; more than the present one, of a job that has one.",
    ),
]


class ResumeRequest(BaseModel):
    """Whether to raise the budget."""

    model_config = _BODY

    budget_usd: _Raise = None


class RetryRequest(BaseModel):
    """Which failed items: those with one of the codes, at one of the positions, or all. Both given, both must hold."""

    model_config = _BODY

    error_codes: Annotated[list[ErrorCode] | None, Field(min_length=1, max_length=len(ErrorCode))] = None
    positions: Annotated[
        list[Annotated[int, Field(strict=True, ge=1)]] | None,
        Field(min_length=1, max_length=10_000, description="Each must have failed."),
    ] = None
    budget_usd: _Raise = None


class BulkCancelRequest(BaseModel):
    """Which jobs; `GET /v1/limits` tells how many at once."""

    model_config = _BODY

    job_ids: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1)]


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = _QUERY

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000, description="`next_cursor` of the page before.")] = None


class TemplatesQuery(PageQuery):
    """Which templates."""

    deleted: Annotated[bool, Field(description="Deleted ones too.")] = False


@unique
class JobFilter(StrEnum):
    """A shown status, or ``active``: all unfinished."""

    ACTIVE = "active"
    QUEUED = ShownStatus.QUEUED.value
    PROCESSING = ShownStatus.PROCESSING.value
    PAUSING = ShownStatus.PAUSING.value
    PAUSED = ShownStatus.PAUSED.value
    CANCELLING = ShownStatus.CANCELLING.value
    COMPLETED = ShownStatus.COMPLETED.value
    PARTIALLY_FAILED = ShownStatus.PARTIALLY_FAILED.value
    FAILED = ShownStatus.FAILED.value
    CANCELLED = ShownStatus.CANCELLED.value


class JobsQuery(PageQuery):
    """Which jobs."""

    status: JobFilter | None = None


class ItemsQuery(PageQuery):
    """Which items."""

    status: ItemStatus | None = None


class CreateJobQuery(BaseModel):
    """Whether to write anything."""

    model_config = _QUERY

    dry_run: Annotated[bool, Field(description="The same checks, an estimate, and nothing written.")] = False


class JobQuery(BaseModel):
    """Whether to wait for a change."""

    model_config = _QUERY

    wait_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_WAIT_SECONDS,
            description="Wait so long for a change of the version in If-None-Match, or of the present one.",
        ),
    ] = 0


@unique
class ResultFormat(StrEnum):
    """How results are written."""

    NDJSON = "ndjson"
    CSV = "csv"
    MARKDOWN = "markdown"


class ResultsQuery(BaseModel):
    """Which format, and where to go on."""

    model_config = _QUERY

    format: ResultFormat = ResultFormat.NDJSON
    cursor: Annotated[str | None, Field(max_length=1_000, description="From the Link header.")] = None
