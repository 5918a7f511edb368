"""A job's immutable part as a row, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.clock import from_iso, to_iso
from shared.jobs.ids import PROJECT, ulid_of
from shared.jobs.spec import JobOptions, JobSpec, TemplateRef
from shared.jobs.statuses import Drive, OnDuplicate, OnError
from shared.store.keys import job_id_of, spec_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.attributes import Row

__all__ = ["spec_from_row", "spec_row"]


def spec_row(spec: JobSpec) -> Row:
    """The row of ``spec``."""
    options = spec.options
    row: Row = {
        **spec_key(spec.job_id),
        "project": ulid_of(spec.project_id),
        "kind": spec.kind,
        "model": spec.model,
        "created_by": spec.created_by,
        "created_at": to_iso(spec.created_at),
        "estimated": spec.estimated_microusd,
        "dearest": spec.dearest_microusd,
        "options": {
            "concurrency": options.concurrency,
            "drive": options.drive.value,
            "on_error": options.on_error.value,
            "on_duplicate": options.on_duplicate.value,
            "max_attempts": options.max_attempts,
            "item_timeout_seconds": options.item_timeout_seconds,
            "deadline_minutes": options.deadline_minutes,
            "min_interval_seconds": options.min_interval_seconds,
            "budget": options.budget_microusd,
            "model": options.model,
        },
    }
    if spec.template is not None:
        row["template"] = {"id": spec.template.template_id, "version": spec.template.version}
    if spec.idempotency_key is not None:
        row["key"] = spec.idempotency_key
    if spec.voice_version:
        row["voice"] = spec.voice_version
    return row


def spec_from_row(row: Mapping[str, Any]) -> JobSpec:
    """The inverse of :func:`spec_row`."""
    options, template = row["options"], row.get("template")
    return JobSpec(
        project_id=PROJECT + row["project"],
        job_id=job_id_of(row["pk"]),
        kind=row["kind"],
        model=row["model"],
        created_by=row["created_by"],
        created_at=from_iso(row["created_at"]),
        estimated_microusd=row["estimated"],
        dearest_microusd=row.get("dearest", row["estimated"]),
        options=JobOptions(
            concurrency=options["concurrency"],
            drive=Drive(options["drive"]),
            on_error=OnError(options["on_error"]),
            on_duplicate=OnDuplicate(options["on_duplicate"]),
            max_attempts=options["max_attempts"],
            item_timeout_seconds=options["item_timeout_seconds"],
            deadline_minutes=options["deadline_minutes"],
            min_interval_seconds=options["min_interval_seconds"],
            budget_microusd=options["budget"],
            model=options["model"],
        ),
        template=None if template is None else TemplateRef(template["id"], template["version"]),
        voice_version=row.get("voice", 0),
        idempotency_key=row.get("key"),
    )
