"""``submit``: files to a job. Everything is checked before anything is sent; the same again makes no second job."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer

from pressroom.cli.checking import check, refusal_of
from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.following import drive, watch
from pressroom.cli.progress import upload_display
from pressroom.cli.schema import InputSchema
from pressroom.cli.sources import STDIN, load
from pressroom.cli.terminal import clean, emit, emit_json, emit_table, say, warn
from pressroom.cli.wording import items, money
from pressroom.client import InvalidRequestError, NewJob
from pressroom.client.http import compact
from shared.jobs.statuses import Drive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pressroom.cli.checking import Batch
    from pressroom.cli.session import Session
    from pressroom.cli.sources import Format, Source
    from pressroom.client import CreatedJob, Kind

__all__ = ["Order", "submit"]

_SHOWN_DUPLICATES: Final = 10
_LONGEST_NAME: Final = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asked for. Options that are ``None`` are the server's to choose."""

    files: Sequence[Path]
    kind: str
    form: Format | None = None
    name: str | None = None
    template: str | None = None
    defaults: Sequence[str] = ()
    options: Mapping[str, Any]
    idempotency_key: str | None = None
    again: bool = False
    dry_run: bool = False
    watch: bool = True
    as_json: bool = False


def read(order: Order) -> list[Source]:
    """The files' bytes: what can be found wrong without asking anybody is found here."""
    if order.again and order.idempotency_key:
        raise CommandError("--again and --idempotency-key contradict each other", ExitCode.BAD_INPUT)
    if list(order.files).count(STDIN) > 1:
        raise CommandError("standard input can be read once only", ExitCode.BAD_INPUT)
    return load(order.files, order.form)


def submit(session: Session, order: Order, sources: Sequence[Source]) -> ExitCode:
    """Checks, sends and follows the job."""
    client = session.client
    limits = client.limits()
    kind = _kind(order.kind, client.kinds())
    schema = InputSchema(kind.input_schema)
    defaults = _defaults(order.defaults, schema)
    batch = check(sources, schema, limits, defaults)
    job = NewJob(
        kind=kind.name,
        items=batch.items(),
        name=order.name or _name(order.files),
        template_id=order.template,
        defaults=defaults,
        options={name: value for name, value in order.options.items() if value is not None},
    )
    size = len(compact(job.body()))
    if size > limits.bytes_per_request:
        raise CommandError(
            f"the request would be {size:,} bytes; at most {limits.bytes_per_request:,} are taken; nothing was sent",
            ExitCode.BAD_INPUT,
            hint="Split the input into smaller files.",
        )
    project = session.project_id()
    try:
        if order.dry_run:
            return _estimate(session, project, job, batch, order)
        created = _create(session, project, job, size, order)
    except InvalidRequestError as error:
        raise refusal_of(error, batch) from error
    _tell(created, batch)
    emit(created.job.id)
    if not order.watch:
        say(f"Follow it: {session.again('watch', created.job.id)}")
        return ExitCode.OK
    follow = drive if created.job.options.get("drive") == Drive.CLIENT else watch
    return follow(session, project, created.job.id)


def _kind(name: str, kinds: Sequence[Kind]) -> Kind:
    for kind in kinds:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in kinds)
    raise CommandError(f"there is no kind {name!r}; there are {known}", ExitCode.BAD_INPUT)


def _defaults(settings: Sequence[str], schema: InputSchema) -> dict[str, object]:
    """``field=value`` options; all that is wrong with them at once."""
    defaults: dict[str, object] = {}
    faults: list[str] = []
    for setting in settings:
        field, equals, value = setting.partition("=")
        field = field.strip()
        if not equals or not field:
            faults.append(f"--set {setting}: should be FIELD=VALUE")
        else:
            defaults[field] = schema.from_text(field, value.strip())
    faults += [f"--set {fault}" for fault in schema.faults(defaults, provided=frozenset(schema.required))]
    if faults:
        raise CommandError("the defaults are wrong; nothing was sent:", ExitCode.BAD_INPUT, details=tuple(faults))
    return defaults


def _name(files: Sequence[Path]) -> str:
    first = files[0]
    stem = "standard input" if first == STDIN else clean(first.stem)[:_LONGEST_NAME]
    return stem if len(files) == 1 else f"{stem} and {len(files) - 1} more"


def _create(session: Session, project: str, job: NewJob, size: int, order: Order) -> CreatedJob:
    key = order.idempotency_key or (f"again-{uuid.uuid4()}" if order.again else _content_key(project, job))
    say(f"Sending {items(len(job.items))} …", "dim")
    try:
        with upload_display(size) as progress:
            tell = None
            if progress is not None:

                def tell(sent: int, total: int) -> None:
                    progress.update(progress.task_ids[0], completed=sent, total=total)

            return session.client.create_job(project, job, idempotency_key=key, on_sent=tell)
    except KeyboardInterrupt:
        say("\nStopped while sending. Run the same command again: what arrived is not made twice.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _content_key(project: str, job: NewJob) -> str:
    """The same content, options and project: the same key, so that a command that is run again replays its job."""
    digest = hashlib.sha256(f"{project}\n".encode() + compact(job.body())).hexdigest()
    return f"submit-{digest[:48]}"


def _tell(created: CreatedJob, batch: Batch) -> None:
    job = created.job
    if created.replayed:
        warn(
            f"the same was submitted within the last 24 hours: it is {job.id}, and no second job was made. "
            "--again makes one."
        )
        return
    say(f"Created {job.id} with {items(created.accepted)}.", "green")
    _tell_duplicates(batch, [(duplicate.index, duplicate.duplicate_of) for duplicate in created.duplicates])


def _tell_duplicates(batch: Batch, duplicates: Sequence[tuple[int, int]]) -> None:
    if not duplicates:
        return
    warn(f"{items(len(duplicates))} left out, because another says the same:")
    for index, original in duplicates[:_SHOWN_DUPLICATES]:
        say(f"  {_place(batch, index)} repeats {_place(batch, original)}")
    if len(duplicates) > _SHOWN_DUPLICATES:
        say(f"  … and {len(duplicates) - _SHOWN_DUPLICATES:,} more")


def _place(batch: Batch, index: int) -> str:
    return batch.rows[index].place if 0 <= index < len(batch.rows) else f"item {index + 1}"


def _estimate(session: Session, project: str, job: NewJob, batch: Batch, order: Order) -> ExitCode:
    run = session.client.dry_run(project, job)
    if order.as_json:
        emit_json(dict(run.raw))
        return ExitCode.OK if run.refusal is None else ExitCode.REFUSED
    estimate = run.estimate
    emit_table(
        ("what", "value"),
        (
            ("items", f"{run.accepted:,}"),
            ("duplicates left out", f"{len(run.duplicates):,}"),
            ("input tokens", f"{estimate.input_tokens:,}"),
            ("output tokens", f"{estimate.output_tokens:,}"),
            ("cost", money(estimate.cost_usd)),
            ("minutes", f"{estimate.minutes:,.1f}"),
        ),
        right=("value",),
    )
    if estimate.basis:
        say(f"Estimated from {estimate.basis}.", "dim")
    _tell_duplicates(batch, [(duplicate.index, duplicate.duplicate_of) for duplicate in run.duplicates])
    quota = run.quota
    say(f"Left this month: {items(int(quota.items.remaining))}, {money(quota.usd.remaining)}.")
    say("A dry run: nothing was created.")
    if run.refusal is not None:
        warn(f"It would be refused now ({run.refusal.code}): {run.refusal.detail}")
        return ExitCode.REFUSED
    return ExitCode.OK
