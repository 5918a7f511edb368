"""The commands that show: projects, kinds, limits, jobs, one job, its items."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import emit_json, emit_table, say
from pressroom.cli.wording import money, outcome, spent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pressroom.cli.session import Session
    from pressroom.client import Item, Job, Kind

__all__ = [
    "show_items",
    "show_job",
    "show_jobs",
    "show_kind",
    "show_kinds",
    "show_limits",
    "show_projects",
    "show_usage",
]


def show_projects(session: Session, *, as_json: bool) -> None:
    """The caller's projects."""
    projects = list(session.client.list_projects())
    if as_json:
        emit_json([dict(project.raw) for project in projects])
        return
    rows = [(each.id, each.name, each.role, f"{each.created_at:%Y-%m-%d %H:%M}") for each in projects]
    emit_table(("id", "name", "role", "created"), rows, optional=("created", "role"))
    if not projects:
        say("You have no project yet: pressroom project create NAME makes one.")


def show_kinds(session: Session, *, as_json: bool) -> None:
    """What can be generated."""
    kinds = session.client.kinds()
    if as_json:
        emit_json([dict(kind.raw) for kind in kinds])
        return
    rows = [(kind.name, kind.title, ", ".join(kind.input_schema.get("properties", ()))) for kind in kinds]
    emit_table(("kind", "title", "fields"), rows)


def show_kind(session: Session, name: str, *, as_json: bool) -> None:
    """The fields of one kind: the columns that a CSV file may have."""
    kind = next((kind for kind in session.client.kinds() if kind.name == name), None)
    if kind is None:
        raise CommandError(f"there is no kind {name!r}", ExitCode.REFUSED, hint="pressroom kinds lists them.")
    if as_json:
        emit_json(dict(kind.raw))
        return
    columns = ("field", "required", "default", "values", "meaning")
    emit_table(columns, list(_fields_of(kind)), optional=("default",))


def show_limits(session: Session, *, as_json: bool) -> None:
    """The limits in force."""
    limits = session.client.limits().raw
    if as_json:
        emit_json(dict(limits))
        return
    emit_table(("limit", "value"), list(_flat(limits)), right=("value",))


def show_usage(session: Session, *, as_json: bool) -> None:
    """What the project has of its quota this month."""
    usage = session.client.get_usage(session.project_id())
    if as_json:
        emit_json(dict(usage.raw))
        return
    amounts = [("items", usage.items, "{:,.0f}".format), ("usd", usage.usd, money)]
    rows = [(name, told(of.limit), told(of.used), told(of.reserved), told(of.remaining)) for name, of, told in amounts]
    columns = ("quota", "limit", "used", "reserved", "remaining")
    emit_table(columns, rows, right=columns[1:])
    say(f"Of {usage.period}; the next month begins at {usage.renews_at:%Y-%m-%d %H:%M} UTC.", "dim")


def show_jobs(session: Session, *, status: str | None, count: int, as_json: bool) -> None:
    """The project's jobs, newest first; ``count`` 0 shows all."""
    found = session.client.list_jobs(session.project_id(), status=status)
    jobs = list(islice(found, count + 1 if count else None))
    shown = jobs[:count] if count else jobs
    if as_json:
        emit_json([dict(job.raw) for job in shown])
    else:
        columns = ("id", "name", "kind", "status", "done", "failed", "cost", "created")
        optional = ("created", "kind", "cost", "failed", "name")
        emit_table(columns, [_job_row(job) for job in shown], right=("done", "failed", "cost"), optional=optional)
    if len(jobs) > len(shown):
        say(f"There are more than these {count}: --limit 0 shows all.")


def show_job(session: Session, job_id: str, *, as_json: bool) -> None:
    """One job."""
    job = session.client.get_job(session.project_id(), job_id)
    if job is None:
        return
    if as_json:
        emit_json(dict(job.raw))
        return
    emit_table(("what", "value"), list(_job_lines(job)))


def show_items(session: Session, job_id: str, *, status: str | None, as_json: bool) -> None:
    """A job's items in order; with JSON one object a line, as they come."""
    found = session.client.items(session.project_id(), job_id, status=status)
    if as_json:
        for item in found:
            emit_json(dict(item.raw))
        return
    columns = ("position", "custom_id", "status", "input", "error")
    optional = ("custom_id",)
    emit_table(columns, [_item_row(item) for item in found], right=("position",), optional=optional)


def _job_row(job: Job) -> Sequence[object]:
    done = f"{job.progress.done}/{job.progress.total}"
    cost, created = money(job.usage.cost_usd), f"{job.created_at:%Y-%m-%d %H:%M}"
    return job.id, job.name, job.kind, job.status, done, job.counts.failed, cost, created


def _item_row(item: Item) -> Sequence[object]:
    error = f"{item.error.code}: {item.error.message}" if item.error else None
    return item.position, item.custom_id, item.status, next(iter(item.input.values()), None), error


def _job_lines(job: Job) -> Iterator[tuple[str, object]]:
    reason = job.pause_reason or job.cancel_reason
    yield "id", job.id
    yield "name", job.name
    yield "kind", job.kind
    yield "status", f"{job.status} ({reason})" if reason else job.status
    yield "progress", f"{job.progress.done}/{job.progress.total}, {job.progress.percent} %"
    yield "items", outcome(job)
    yield "used", spent(job)
    for error in job.error_summary:
        yield "error", f"{error.code}: {error.count}, the first is item {error.first_position}"
    for name in ("created_at", "started_at", "last_activity_at", "estimated_completion_at", "completed_at"):
        moment = getattr(job, name)
        if moment is not None:
            yield name.removesuffix("_at").replace("_", " "), f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    for name, value in job.options.items():
        if value is not None:
            yield f"option {name}", value


def _fields_of(kind: Kind) -> Iterator[Sequence[object]]:
    schema = kind.input_schema
    for name, field in schema.get("properties", {}).items():
        resolved = {**schema.get("$defs", {}).get(str(field.get("$ref", "")).rpartition("/")[2], {}), **field}
        required = "yes" if name in schema.get("required", ()) else ""
        yield name, required, resolved.get("default"), _values(resolved), resolved.get("description")


def _values(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(str(choice) for choice in field["enum"])
    if "anyOf" in field:
        return " or ".join(_values(option) for option in field["anyOf"] if option.get("type") != "null")
    least, most = field.get("minimum"), field.get("maximum")
    return str(field.get("type", "")) if least is None or most is None else f"{least} to {most}"


def _flat(limits: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in limits.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", f"{value:,}" if isinstance(value, int) else value
