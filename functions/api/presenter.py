"""Records as the views that callers see."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.api.budgets import budget_of
from shared.contracts.views import (
    AttemptView,
    CancelledResult,
    CompletedResult,
    CountsView,
    CreatedJobView,
    DuplicateView,
    ErrorTallyView,
    ErrorView,
    EventView,
    FailedResult,
    ItemView,
    JobUsageView,
    JobView,
    MemberView,
    OptionsView,
    ProgressView,
    ProjectUsageView,
    ProjectView,
    QuotaOfItemsView,
    QuotaOfUsdView,
    ResultLine,
    SingleItemView,
    TemplateRefView,
    TemplateView,
    UsageView,
    VoiceView,
)
from shared.jobs.progress import estimated_completion_at, progress_of
from shared.jobs.quotas import next_month
from shared.queue.queues import LEASE_MARGIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from functions.api.item_reader import ShownItem
    from shared.jobs.items import Failure, Outcome, PastAttempt
    from shared.jobs.ledger import Ledger
    from shared.jobs.quotas import Amount, Usage
    from shared.jobs.spec import JobOptions, JobSpec
    from shared.store.events import Entry
    from shared.store.projects import Member, Membership
    from shared.store.templates import Template
    from shared.store.voices import Voice

__all__ = [
    "created_job_view",
    "etag_of",
    "event_view",
    "item_view",
    "job_view",
    "member_view",
    "project_usage_view",
    "project_view",
    "result_line",
    "single_item_view",
    "template_etag",
    "template_view",
    "usd",
    "voice_etag",
    "voice_view",
]

_MILLION: Final = 1_000_000
_SHORT_ID: Final = 8


def usd(microusd: int) -> float:
    """Micro-dollars as dollars."""
    return microusd / _MILLION


def etag_of(job_id: str, version: int, status: str) -> str:
    """The strong entity tag of a job: its version and shown status, and which job it is."""
    return f'"{version}-{status}-{_short(job_id)}"'


def _short(id_: str) -> str:
    """The end of an id, forty random bits: enough that one thing's tag is not another's."""
    return id_[-_SHORT_ID:]


def project_view(membership: Membership) -> ProjectView:
    """A project, as its member sees it."""
    project = membership.project
    return ProjectView(
        id=project.project_id, name=project.name, role=membership.role.value, created_at=project.created_at
    )


def project_usage_view(usage: Usage, quota: Amount, now: datetime) -> ProjectUsageView:
    """What a project has of its quota in the present month."""
    reserved, remaining = usage.reserved, usage.remaining(quota)
    return ProjectUsageView(
        period=usage.period,
        renews_at=next_month(now),
        items=QuotaOfItemsView(
            limit=quota.items, reserved=reserved.items, used=usage.used.items, remaining=remaining.items
        ),
        usd=QuotaOfUsdView(
            limit=usd(quota.microusd),
            reserved=usd(reserved.microusd),
            used=usd(usage.used.microusd),
            remaining=usd(remaining.microusd),
        ),
    )


def member_view(member: Member) -> MemberView:
    """Who may what in a project."""
    return MemberView(user=member.user, role=member.role.value, added_at=member.added_at)


def template_etag(template_id: str, version: int, *, deleted: bool) -> str:
    """The strong entity tag of a template: its version, whether it is deleted, and which template it is."""
    return f'"{version}-deleted-{_short(template_id)}"' if deleted else f'"{version}-{_short(template_id)}"'


def template_view(template: Template) -> TemplateView:
    """A template, or one of its versions."""
    return TemplateView(
        id=template.template_id,
        version=template.version,
        name=template.name,
        kind=template.kind,
        values=dict(template.values),
        created_at=template.created_at,
        updated_at=template.updated_at,
        deleted_at=template.deleted_at,
    )


def voice_etag(project_id: str, version: int) -> str:
    """The strong entity tag of a brand voice: its version, and whose it is."""
    return f'"{version}-{_short(project_id)}"'


def voice_view(voice: Voice) -> VoiceView:
    """A brand voice."""
    return VoiceView(version=voice.version, values=dict(voice.values), updated_at=voice.updated_at)


def job_view(ledger: Ledger, spec: JobSpec, now: datetime) -> JobView:
    """A job."""
    return JobView(**_job_fields(ledger, spec, now))


def created_job_view(
    ledger: Ledger, spec: JobSpec, now: datetime, *, duplicates: Sequence[DuplicateView]
) -> CreatedJobView:
    """A job, as the answer to its creation."""
    return CreatedJobView(**_job_fields(ledger, spec, now), accepted=ledger.total, duplicates=tuple(duplicates))


def _job_fields(ledger: Ledger, spec: JobSpec, now: datetime) -> dict[str, Any]:
    counts = ledger.counts
    progress = progress_of(counts)
    template = spec.template
    return {
        "id": ledger.job_id,
        "project_id": ledger.project_id,
        "name": ledger.name,
        "kind": ledger.kind,
        "model": spec.model,
        "template": None if template is None else TemplateRefView(id=template.template_id, version=template.version),
        "status": ledger.shown_status(now),
        "pause_reason": ledger.pause_reason,
        "cancel_reason": ledger.cancel_reason,
        "generation": ledger.generation,
        "version": ledger.version,
        "created_by": spec.created_by,
        "options": _options_view(spec.options, budget_of(ledger, spec)),
        "counts": CountsView(
            total=counts.total,
            queued=counts.queued,
            processing=counts.processing,
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
        ),
        "progress": ProgressView(done=progress.done, total=progress.total, percent=progress.percent),
        "usage": JobUsageView(
            input_tokens=ledger.input_tokens,
            output_tokens=ledger.output_tokens,
            cost_usd=usd(ledger.cost_microusd),
            estimated_cost_usd=usd(spec.estimated_microusd),
        ),
        "error_summary": tuple(
            ErrorTallyView(
                code=tally.code,
                error_class=tally.error_class,
                retryable=tally.retryable,
                count=tally.count,
                first_position=tally.first_position,
            )
            for tally in ledger.error_summary
        ),
        "not_retried": ledger.not_retried,
        "created_at": ledger.created_at,
        "started_at": ledger.started_at,
        "last_activity_at": ledger.last_activity_at,
        "estimated_completion_at": estimated_completion_at(ledger, now),
        "completed_at": ledger.completed_at,
        "deadline_at": ledger.deadline_at,
    }


def _options_view(options: JobOptions, budget_microusd: int | None) -> OptionsView:
    return OptionsView(
        concurrency=options.concurrency,
        drive=options.drive,
        on_error=options.on_error,
        on_duplicate=options.on_duplicate,
        max_attempts=options.max_attempts,
        item_timeout_seconds=options.item_timeout_seconds,
        deadline_minutes=options.deadline_minutes,
        min_interval_seconds=options.min_interval_seconds,
        budget_usd=None if budget_microusd is None else usd(budget_microusd),
        model=options.model,
    )


def item_view(shown: ShownItem, spec: JobSpec) -> ItemView:
    """An item without its output."""
    return ItemView(**_item_fields(shown, spec))


def single_item_view(shown: ShownItem, spec: JobSpec) -> SingleItemView:
    """An item with its output."""
    return SingleItemView(**_item_fields(shown, spec), output=_output(shown.outcome))


def _item_fields(shown: ShownItem, spec: JobSpec) -> dict[str, Any]:
    outcome, lease = shown.outcome, shown.lease
    expires_at = None if lease is None else lease.expires_at
    started_at = None if outcome is None else outcome.started_at
    if expires_at is not None:
        started_at = expires_at - timedelta(seconds=spec.options.item_timeout_seconds + LEASE_MARGIN_SECONDS)
    return {
        "position": shown.row.position,
        "custom_id": shown.row.custom_id,
        "status": shown.status,
        "input": dict(shown.row.input),
        "error": None if outcome is None else _error_view(outcome.error),
        "attempts": tuple(map(_attempt_view, shown.row.attempts)),
        "usage": _usage_view(outcome),
        "model": None if outcome is None else outcome.model,
        "started_at": started_at,
        "completed_at": None if outcome is None else outcome.completed_at,
        "lease_expires_at": expires_at,
    }


def _attempt_view(attempt: PastAttempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        generation=attempt.generation,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome,
        error=_error_view(attempt.error),
        possible_duplicate_spend=attempt.possible_duplicate_spend,
    )


def _error_view(failure: Failure | None) -> ErrorView | None:
    return None if failure is None else _told(failure)


def _told(failure: Failure) -> ErrorView:
    return ErrorView(
        code=failure.code,
        error_class=failure.error_class,
        retryable=failure.retryable,
        http_status=failure.http_status,
        message=failure.message,
        claude_request_id=failure.claude_request_id,
        trace_id=failure.trace_id,
    )


def _usage_view(outcome: Outcome | None) -> UsageView | None:
    if outcome is None:
        return None
    return UsageView(
        input_tokens=outcome.input_tokens, output_tokens=outcome.output_tokens, cost_usd=usd(outcome.cost_microusd)
    )


def _output(outcome: Outcome | None) -> Any:  # noqa: ANN401  JSON
    return None if outcome is None or outcome.output is None else json.loads(outcome.output)


def event_view(entry: Entry) -> EventView:
    """An entry of a job's timeline."""
    event = entry.event
    return EventView(
        id=entry.place,
        time=event.time,
        actor=event.actor,
        type=event.type,
        generation=event.generation,
        lane=event.lane,
        position=event.position,
        before=event.before,
        after=event.after,
        attempt=event.attempt,
        detail=event.detail,
    )


def result_line(shown: ShownItem) -> ResultLine:
    """A finished item as a line of the results."""
    outcome = shown.outcome
    result: CompletedResult | FailedResult | CancelledResult = CancelledResult()
    if outcome is not None:
        result = CompletedResult(output=_output(outcome))
        if outcome.error is not None:
            result = FailedResult(error=_told(outcome.error))
    return ResultLine(
        position=shown.row.position,
        custom_id=shown.row.custom_id,
        input=dict(shown.row.input),
        result=result,
        usage=_usage_view(outcome),
    )
