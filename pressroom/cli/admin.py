"""``pressroom admin``: what an operator types where the API is not enough. Needs AWS credentials, not a token."""

# ruff: noqa: PLC0415  boto3 and the sweeper are loaded when they are needed

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.options import AsJson, JobId, Verbose  # noqa: TC001  Typer reads the annotations when it runs
from pressroom.cli.terminal import emit, emit_json, emit_table, say, warn
from shared.clock import to_iso
from shared.errors import CorruptRowError
from shared.jobs.ids import JOB, PROJECT, is_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pressroom.admin.operator import Inspection, Operator

__all__ = ["admin_app"]

_HELP: Final = """
What the API cannot do: straight to the table, with AWS credentials as boto3 finds them.

Every step is safe beside everything that runs.
"""
_AWS: Final = "AWS"
_MILLION: Final = 1_000_000

admin_app = typer.Typer(help=_HELP, no_args_is_help=True)

Table = Annotated[
    str,
    typer.Option("--table", envvar="PRESSROOM_TABLE_NAME", help="The deployment's table.", rich_help_panel=_AWS),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint-url",
        envvar="AWS_ENDPOINT_URL",
        help="Where the AWS services are, if not at AWS.",
        rich_help_panel=_AWS,
    ),
]
OfProject = Annotated[
    str | None,
    typer.Option("--project", "-p", help="The job's project, prj_…; needed only if the job's own rows are lost."),
]


@admin_app.command()
def inspect(
    *,
    job: JobId,
    table: Table,
    project: OfProject = None,
    as_json: AsJson = False,
    endpoint_url: Endpoint = None,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Show a job as it is stored: ledger, leases, cursor, and what the sweeper would do now. Writes nothing."""
    with _operating(table, endpoint_url) as operator:
        found = operator.inspect(*_checked(job, project))
    if as_json:
        emit_json(
            {
                "ledger": found.row,
                "cursor_limit": found.cursor_limit,
                "sweeper_would": found.repairs,
                "mismatches": found.mismatches,
            }
        )
    else:
        _show(found)


@admin_app.command()
def cancel(
    *,
    job: JobId,
    table: Table,
    project: OfProject = None,
    endpoint_url: Endpoint = None,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Stop a wedged job, whatever wedged it: nothing starts any more, and it ends when its last lease has."""
    with _operating(table, endpoint_url) as operator:
        ledger = operator.cancel(*_checked(job, project))
    leases = [lane.lease.expires_at for lane in ledger.lanes if lane.lease is not None]
    until = f"; its last lease ends at {to_iso(max(leases))}, and the sweeper closes what is left" if leases else ""
    say(f"{job} {ledger.status}: {ledger.held} items are in work{until}.", "green")


@admin_app.command()
def sweep(
    *,
    table: Table,
    queue_url: Annotated[
        str,
        typer.Option(
            "--queue-url", envvar="PRESSROOM_QUEUE_URL", help="The deployment's work queue.", rich_help_panel=_AWS
        ),
    ],
    topic_arn: Annotated[
        str,
        typer.Option(
            "--topic-arn", envvar="PRESSROOM_TOPIC_ARN", help="The topic of finished jobs.", rich_help_panel=_AWS
        ),
    ],
    retention_days: Annotated[
        int,
        typer.Option(
            "--retention-days",
            envvar="PRESSROOM_RETENTION_DAYS",
            min=0,
            help="Delete jobs so many days after their end, as the deployment's setting says; 0 keeps them.",
            rich_help_panel=_AWS,
        ),
    ] = 0,
    as_json: AsJson = False,
    endpoint_url: Endpoint = None,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Run the sweeper once, now: repair what nobody else can finish, and erase what was deleted."""
    with _operating(table, endpoint_url) as operator:
        swept, erased = operator.sweep(queue_url=queue_url, topic_arn=topic_arn, retention_days=retention_days)
    if as_json:
        emit_json({"looked": swept.looked, "failed": swept.failed, "repaired": swept.repaired, "erased": dict(erased)})
    else:
        emit_table(["REPAIR", "JOBS"], sorted(swept.repaired.items()), right=["JOBS"])
    say(f"Jobs that were due: {swept.looked} looked at, {swept.failed} of them in vain. Rows erased: {erased['rows']}.")
    if swept.mismatched:
        warn(f"{swept.mismatched} ledgers and their items disagree: see the log above, and pressroom admin inspect.")
    is_troubled = swept.failed or swept.mismatched or erased["failed"]
    raise typer.Exit(ExitCode.INCOMPLETE if is_troubled else ExitCode.OK)


@admin_app.command()
def quota(
    *,
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id, prj_…")],
    table: Table,
    items: Annotated[int | None, typer.Option("--items", min=0, help="Items a month, of its own.")] = None,
    usd: Annotated[float | None, typer.Option("--usd", min=0, help="US dollars a month, of its own.")] = None,
    default: Annotated[
        bool, typer.Option("--default", help="The deployment's default again, for what is not given.")
    ] = False,
    as_json: AsJson = False,
    endpoint_url: Endpoint = None,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Show or set what a project may use a month, instead of the deployment's default. Holds from the next job on."""
    _check_project(project)
    microusd = None if usd is None else round(usd * _MILLION)
    with _operating(table, endpoint_url) as operator:
        found = operator.quota(project, items=items, microusd=microusd, reset=default)
    own, usage = found.own, found.usage
    own_usd = None if own.microusd is None else own.microusd / _MILLION
    reserved_usd, used_usd = usage.reserved.microusd / _MILLION, usage.used.microusd / _MILLION
    if as_json:
        of_items = {"own": own.items, "reserved": usage.reserved.items, "used": usage.used.items}
        of_usd = {"own": own_usd, "reserved": reserved_usd, "used": used_usd}
        emit_json({"period": usage.period, "items": of_items, "usd": of_usd})
        return
    rows = [
        ("items", "default" if own.items is None else own.items, usage.reserved.items, usage.used.items),
        ("usd", "default" if own_usd is None else own_usd, reserved_usd, used_usd),
    ]
    columns = ("own", "reserved", "used")
    emit_table((usage.period, *columns), rows, right=columns)


def _show(found: Inspection) -> None:
    ledger = found.ledger
    shown = {
        "job": ledger.job_id,
        "project": ledger.project_id,
        "status": ledger.status,
        "pause_reason": ledger.pause_reason,
        "cancel_reason": ledger.cancel_reason,
        "halted": ledger.halted or None,
        "drive": ledger.drive,
        "generation": f"{ledger.generation} (notified {ledger.notified_generation})",
        "epoch, round": f"{ledger.epoch}, {ledger.round}",
        "cursor": f"{ledger.cursor} of {found.cursor_limit} that may be sent now",
        "counts": f"{ledger.total} total, {ledger.queued} queued, {ledger.held} held, {ledger.open} open, "
        f"{ledger.completed} completed, {ledger.failed} failed",
        "headroom": ledger.headroom_microusd,
        "last written": f"version {ledger.version} by {ledger.actor}",
        "last activity": ledger.last_activity_at and to_iso(ledger.last_activity_at),
        "next look": ledger.check_at and to_iso(ledger.check_at),
        "deadline": ledger.deadline_at and to_iso(ledger.deadline_at),
    }
    for name, value in shown.items():
        if value is not None:
            emit(f"{name}: {value}")
    emit_table(
        ["LANE", "NEXT", "END", "LEASE UNTIL", "TOKEN", "ATTEMPTS", "NOT BEFORE", "REDRIVES"],
        [
            [
                number,
                lane.next,
                lane.end,
                lane.lease and to_iso(lane.lease.expires_at),
                lane.lease and lane.lease.token,
                " ".join(attempt.code for attempt in lane.attempts),
                lane.not_before and to_iso(lane.not_before),
                lane.redrives or None,
            ]
            for number, lane in enumerate(ledger.lanes)
        ],
    )
    emit(f"the sweeper would: {', '.join(found.repairs) or 'do nothing'}")
    for mismatch in found.mismatches:
        warn(f"mismatch: {mismatch}")


def _checked(job: str, project: str | None) -> tuple[str, str | None]:
    """The ids, if they are any.

    Raises:
        CommandError: one of them is not.
    """
    if not is_id(JOB, job):
        raise CommandError(f"{job!r} is no job's id", ExitCode.BAD_INPUT, hint="It begins with job_.")
    if project is not None:
        _check_project(project)
    return job, project


def _check_project(project: str) -> None:
    if not is_id(PROJECT, project):
        raise CommandError(f"{project!r} is no project's id", ExitCode.BAD_INPUT, hint="It begins with prj_.")


@contextmanager
def _operating(table: str, endpoint_url: str | None) -> Iterator[Operator]:
    """The operator, and their errors as ways for a command to end.

    Raises:
        CommandError: whatever went wrong.
    """
    try:
        from pressroom.admin import operator as admin
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the operator's commands are not installed here: {error.name} is missing",
            ExitCode.BAD_INPUT,
            hint="They come with a checkout of Pressroom: run make setup there.",
        ) from error
    try:
        with admin.aws_answers():
            yield admin.Operator.from_aws(table, endpoint_url=endpoint_url)
    except admin.AwsError as error:
        hint = "Check the AWS credentials and region, the table's name, and --endpoint-url."
        raise CommandError(f"AWS: {error}", ExitCode.UNREACHABLE, hint=hint) from error
    except CorruptRowError as error:
        hint = "See the row in the AWS console; the table has point-in-time recovery."
        raise CommandError(str(error), ExitCode.INTERNAL, hint=hint) from error
    except admin.AdminError as error:
        raise CommandError(str(error), ExitCode.REFUSED) from error
