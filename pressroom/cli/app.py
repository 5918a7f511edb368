"""The surface of the command: what can be typed. The work stands beside it, and is loaded when it is needed."""

# ruff: noqa: PLC0415  each command loads only its own work, so that --help stays quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pressroom.cli.admin import admin_app
from pressroom.cli.exits import ExitCode
from pressroom.cli.members import members_app
from pressroom.cli.options import (
    DEFAULT_API_URL,
    ApiUrl,
    AsJson,
    AsView,
    JobId,
    Project,
    ResultFormat,
    Verbose,
    Where,
    Yes,
)
from pressroom.cli.sources import Format  # noqa: TC001  Typer reads the annotations when it runs
from pressroom.cli.templates import templates_app, voice_app
from pressroom.cli.terminal import VERBOSE, emit, say
from shared.errors import ErrorCode, PressroomError
from shared.jobs.statuses import Drive, ItemStatus, OnDuplicate, OnError  # noqa: TC001  likewise

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "run"]

_HELP: Final = """
Bulk generation with Claude: submit a file, watch it, collect the results.

Data goes to standard output, messages to standard error.
"""
_EPILOG: Final = (
    "Exit codes: 0 done · 1 the job ended with failed or cancelled items, or is paused; doctor found something · "
    "2 bad input · "
    "3 not authorized · 4 not found, or refused by state or limit · 5 no answer from Pressroom · "
    "70 a fault of Pressroom · 130 interrupted · 141 output closed.\n\n"
    "Environment: PRESSROOM_API_URL (default " + DEFAULT_API_URL + "), PRESSROOM_TOKEN, PRESSROOM_PROJECT. "
    "Without a token that of pressroom login is taken; without that, and only on this machine, the local runtime is "
    "asked for one."
)

app = typer.Typer(
    name="pressroom",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
projects_app = typer.Typer(help="Make or delete a project.", no_args_is_help=True)
app.add_typer(projects_app, name="project", rich_help_panel="Setting up")
app.add_typer(templates_app, name="templates", rich_help_panel="Setting up")
app.add_typer(voice_app, name="voice", rich_help_panel="Setting up")
app.add_typer(members_app, name="members", rich_help_panel="Setting up")
app.add_typer(admin_app, name="admin", rich_help_panel="Setting up")

_JOBS: Final = "Jobs"
_STEERING: Final = "Steering jobs"
_SETTING_UP: Final = "Setting up"
_THIS_MACHINE: Final = "This machine"
_RUNNING: Final = "How the job runs"


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; its exit code. The outermost edge: whatever happens ends in a line and a code."""
    VERBOSE.set(False)
    try:
        app(args=None if arguments is None else list(arguments), prog_name="pressroom")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(ExitCode.OK)
    except PressroomError as error:
        from pressroom.cli.failures import report

        return report(error)
    except Exception as error:  # noqa: BLE001  the outermost edge
        from pressroom.cli.failures import report_bug

        return report_bug(error)
    return ExitCode.OK


@app.command(rich_help_panel=_JOBS)
def submit(
    *,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of items, one job of all; - is standard input.", allow_dash=True),
    ],
    form: Annotated[
        Format | None, typer.Option("--format", "-f", help="How to read them; else their endings tell.")
    ] = None,
    kind: Annotated[str, typer.Option("--kind", "-k", help="What to generate: see pressroom kinds.")] = "outline",
    name: Annotated[str | None, typer.Option("--name", help="The job's name; else the first file's.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A value for every item that gives none itself."),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="TEMPLATE", help="A template's id, or auto for the one that fits best."),
    ] = None,
    tone: Annotated[str | None, typer.Option("--tone", help="Short for --set tone=….")] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="Items at once.", rich_help_panel=_RUNNING)
    ] = None,
    drive: Annotated[
        Drive | None,
        typer.Option("--drive", help="Who advances it: the queue, or this command.", rich_help_panel=_RUNNING),
    ] = None,
    on_error: Annotated[
        OnError | None,
        typer.Option("--on-error", help="What a failed item means for the rest.", rich_help_panel=_RUNNING),
    ] = None,
    on_duplicate: Annotated[
        OnDuplicate | None,
        typer.Option("--on-duplicate", help="What happens to a repeated item.", rich_help_panel=_RUNNING),
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option("--max-attempts", min=1, help="Tries an item.", rich_help_panel=_RUNNING)
    ] = None,
    item_timeout: Annotated[
        int | None,
        typer.Option("--item-timeout", metavar="SECONDS", min=1, help="Time an item.", rich_help_panel=_RUNNING),
    ] = None,
    deadline: Annotated[
        int | None,
        typer.Option("--deadline-minutes", min=1, help="Time of the whole job.", rich_help_panel=_RUNNING),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget-usd", min=0, help="Pause before more than this is spent.", rich_help_panel=_RUNNING),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Another of Claude's models.", rich_help_panel=_RUNNING)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and estimate; create nothing.")] = False,
    watch_it: Annotated[bool, typer.Option("--watch/--no-watch", help="Stay until the job ends.")] = True,
    again: Annotated[bool, typer.Option("--again", help="A new job even if the same was submitted before.")] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="Your own key; else content and options make it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: JSON instead of a table.")] = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Check files of items, make a job of them, and watch it; prints the job's id.

    A .txt file has one topic a line; a .csv file names its fields in its first line; a .jsonl file has one object a
    line. A custom_id beside the fields is your own name for an item. Nothing is sent while anything is wrong, and
    the same again makes no second job.
    """
    from pressroom.cli.session import connect
    from pressroom.cli.submitting import Order, read
    from pressroom.cli.submitting import submit as work

    order = Order(
        files=files,
        form=form,
        kind=kind,
        name=name,
        template=template,
        defaults=[*(settings or []), *([f"tone={tone}"] if tone is not None else [])],
        options={
            "concurrency": concurrency,
            "drive": drive,
            "on_error": on_error,
            "on_duplicate": on_duplicate,
            "max_attempts": max_attempts,
            "item_timeout_seconds": item_timeout,
            "deadline_minutes": deadline,
            "budget_usd": budget,
            "model": model,
        },
        idempotency_key=idempotency_key,
        again=again,
        dry_run=dry_run,
        watch=watch_it,
        as_json=as_json,
    )
    sources = read(order)
    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, order, sources))


@app.command(rich_help_panel=_JOBS)
def watch(*, job: JobId, project: Project = None, api_url: ApiUrl = DEFAULT_API_URL, verbose: Verbose = False) -> None:  # noqa: ARG001
    """Show a job's progress until it ends. Ctrl-C leaves the job running."""
    from pressroom.cli.following import watch as work
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, session.project_id(), job))


@app.command(rich_help_panel=_JOBS)
def drive(
    *,
    job: JobId,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=32, help="Callers at once; else the job's concurrency.")
    ] = None,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Advance a job from here, item by item, until it ends. Safe beside the queue and other drivers."""
    from pressroom.cli.following import drive as work
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, session.project_id(), job, workers))


@app.command(rich_help_panel=_STEERING)
def pause(
    *,
    job: JobId,
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Let nothing new start; items in work are finished and kept. pressroom resume goes on."""
    from pressroom.cli.session import connect
    from pressroom.cli.steering import pause as work

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, job, as_json=as_json))


@app.command(rich_help_panel=_STEERING)
def resume(
    *,
    job: JobId,
    budget: Annotated[
        float | None,
        typer.Option("--budget-usd", min=0, help="A new budget in all, larger than the job's present one."),
    ] = None,
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Go on with a paused job, whatever paused it."""
    from pressroom.cli.session import connect
    from pressroom.cli.steering import resume as work

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, job, budget, as_json=as_json))


@app.command(rich_help_panel=_STEERING)
def cancel(
    *,
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="The jobs' ids, job_….")],
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """End jobs: nothing new starts, what has been generated is kept."""
    from pressroom.cli.session import connect
    from pressroom.cli.steering import cancel as work

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, jobs, as_json=as_json))


@app.command(rich_help_panel=_STEERING)
def delete(
    *,
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="The jobs' ids, job_….")],
    yes: Yes = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Delete jobs that have ended, for good, with everything under them."""
    from pressroom.cli.deleting import delete_jobs
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        raise typer.Exit(delete_jobs(session, jobs, yes=yes))


@app.command(rich_help_panel=_STEERING)
def retry(
    *,
    job: JobId,
    codes: Annotated[
        list[ErrorCode] | None,
        typer.Option(
            "--code", metavar="CODE", help="Only items that failed with this code, as pressroom show names it."
        ),
    ] = None,
    positions: Annotated[
        list[int] | None,
        typer.Option("--position", metavar="NUMBER", min=1, help="Only this item, which must have failed."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget-usd", min=0, help="A new budget in all, larger than the job's present one."),
    ] = None,
    watch_it: Annotated[bool, typer.Option("--watch/--no-watch", help="Stay until the job ends.")] = False,
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Try the failed items of a job again: all, or those that are named. The others stay as they are."""
    from pressroom.cli.session import connect
    from pressroom.cli.steering import Again
    from pressroom.cli.steering import retry as work

    again = Again(codes=codes or (), positions=positions or (), budget_usd=budget)
    with connect(Where(api_url, project)) as session:
        raise typer.Exit(work(session, job, again, follow=watch_it, as_json=as_json))


@app.command(rich_help_panel=_JOBS)
def jobs(
    *,
    status: Annotated[
        str | None, typer.Option("--status", help="One status, or active for all unfinished ones.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many; 0 shows all.")] = 20,
    as_json: AsJson = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """List the project's jobs, newest first."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_jobs

    with connect(Where(api_url, project)) as session:
        show_jobs(session, status=status, count=limit, as_json=as_json)


@app.command(rich_help_panel=_JOBS)
def show(
    *,
    job: JobId,
    as_json: AsJson = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Show one job."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_job

    with connect(Where(api_url, project)) as session:
        show_job(session, job, as_json=as_json)


@app.command(rich_help_panel=_JOBS)
def items(
    *,
    job: JobId,
    status: Annotated[ItemStatus | None, typer.Option("--status", help="Only items of this status.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one item a line, instead of a table.")] = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """List a job's items, with the errors of those that failed."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_items

    with connect(Where(api_url, project)) as session:
        show_items(session, job, status=status, as_json=as_json)


@app.command(rich_help_panel=_JOBS)
def events(
    *,
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", help="Stay until the job ends, and show what happens.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one event a line, instead of a table.")] = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Show a job's timeline: what happened when, and who did it."""
    from pressroom.cli.session import connect
    from pressroom.cli.timeline import follow_events, show_events

    with connect(Where(api_url, project)) as session:
        work = follow_events if follow else show_events
        work(session, job, as_json=as_json)


@app.command(rich_help_panel=_JOBS)
def results(
    *,
    job: JobId,
    form: Annotated[ResultFormat, typer.Option("--format", "-f", help="How to write them.")] = ResultFormat.NDJSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file instead of standard output.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", "-d", metavar="DIR", help="One Markdown file an item, into a folder.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Collect what is finished: a stream of lines, a file, or a folder of Markdown files."""
    from pressroom.cli.results import send_results
    from pressroom.cli.session import connect

    if output is not None and folder is not None:
        raise typer.BadParameter("--output and --dir contradict each other")
    with connect(Where(api_url, project)) as session:
        send_results(session, job, form, output=output, folder=folder, overwrite=overwrite)


@app.command(rich_help_panel=_SETTING_UP)
def login(
    *,
    user: Annotated[
        str | None, typer.Option("--user", help="At a local runtime: who to be; any name is a user there.")
    ] = None,
    web: Annotated[
        bool | None, typer.Option("--web/--no-web", help="With a browser; at a local runtime only if asked.")
    ] = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Sign in, with a browser; the tokens are kept in a file that only you can read, and refreshed by themselves."""
    from pressroom.cli.session import checked_url, local_token, local_user
    from pressroom.cli.signing_in import log_in

    url = checked_url(api_url)
    log_in(url, user=user, web=web, ask_locally=lambda name: local_token(url, name), local_user=local_user)


@app.command(rich_help_panel=_SETTING_UP)
def logout(*, api_url: ApiUrl = DEFAULT_API_URL, verbose: Verbose = False) -> None:  # noqa: ARG001
    """Sign out: forget the tokens, and have the user pool end them."""
    from pressroom.cli.session import checked_url
    from pressroom.cli.signing_in import log_out

    log_out(checked_url(api_url))


@app.command(rich_help_panel=_SETTING_UP)
def whoami(*, as_json: AsJson = False, api_url: ApiUrl = DEFAULT_API_URL, verbose: Verbose = False) -> None:  # noqa: ARG001
    """Show whom Pressroom takes you for."""
    from pressroom.cli.session import checked_url, token_source
    from pressroom.cli.signing_in import who_am_i
    from pressroom.client import PressroomClient

    url = checked_url(api_url)
    source = token_source(url)
    token = source() if callable(source) else source
    with PressroomClient(url, token) as client:
        who_am_i(client, token, as_json=as_json)


@app.command(rich_help_panel=_SETTING_UP)
def projects(*, as_json: AsJson = False, api_url: ApiUrl = DEFAULT_API_URL, verbose: Verbose = False) -> None:  # noqa: ARG001
    """List your projects."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_projects

    with connect(Where(api_url)) as session:
        show_projects(session, as_json=as_json)


@projects_app.command("create")
def create_project(
    *,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Make a project that you own; prints its id."""
    from pressroom.cli.session import connect

    with connect(Where(api_url)) as session:
        project = session.client.create_project(name)
    emit(project.id)
    say(f"Use it with --project {project.id}, or set PRESSROOM_PROJECT.")


@projects_app.command("delete")
def delete_project(
    *,
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id, prj_….")],
    yes: Yes = False,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Delete a project in which nothing runs, for good, with all that it holds; for its owners."""
    from pressroom.cli.deleting import delete_project as work
    from pressroom.cli.session import connect

    with connect(Where(api_url)) as session:
        raise typer.Exit(work(session, project, yes=yes))


@app.command(rich_help_panel=_SETTING_UP)
def kinds(
    *,
    kind: Annotated[str | None, typer.Argument(help="Show the fields of this one.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """List what can be generated, or the fields that a kind takes: the columns of a CSV file."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_kind, show_kinds

    with connect(Where(api_url)) as session:
        if kind is None:
            show_kinds(session, as_json=as_json)
        else:
            show_kind(session, kind, as_json=as_json)


@app.command(rich_help_panel=_SETTING_UP)
def doctor(
    *,
    stage: Annotated[str, typer.Option("--stage", help="The deployment, as in make deploy STAGE=dev.")] = "dev",
    region: Annotated[str | None, typer.Option("--region", help="If not the one of your AWS configuration.")] = None,
    endpoint_url: Annotated[
        str | None,
        typer.Option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="Where the AWS services are, if not at AWS."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Look a deployment over with AWS credentials: what is wrong, and the one command that helps. Changes nothing."""
    from pressroom.cli.doctor import examine

    examine(stage, region=region, endpoint_url=endpoint_url, as_json=as_json)


@app.command(rich_help_panel=_SETTING_UP)
def usage(
    *,
    as_json: AsJson = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Show what the project has used, reserved and left of its quota this month."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_usage

    with connect(Where(api_url, project)) as session:
        show_usage(session, as_json=as_json)


@app.command(rich_help_panel=_SETTING_UP)
def limits(*, as_json: AsJson = False, api_url: ApiUrl = DEFAULT_API_URL, verbose: Verbose = False) -> None:  # noqa: ARG001
    """List the limits in force."""
    from pressroom.cli.session import connect
    from pressroom.cli.showing import show_limits

    with connect(Where(api_url)) as session:
        show_limits(session, as_json=as_json)


@app.command(rich_help_panel=_THIS_MACHINE)
def local(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 takes a free one.")] = 8787,
    verbose: Verbose = False,
) -> None:
    """Run Pressroom on this machine until Ctrl-C: no AWS account, no Docker, and without a key an offline Claude."""
    from pressroom.cli.machine import serve

    raise typer.Exit(serve(port, verbose=verbose))


@app.command(rich_help_panel=_THIS_MACHINE)
def token(
    *,
    user: Annotated[str, typer.Argument(help="Whose; any name is a user of the local pool.")],
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """Print an access token of the local runtime, for PRESSROOM_TOKEN."""
    from pressroom.cli.machine import token_of

    emit(token_of(api_url, user))


@app.command(rich_help_panel=_THIS_MACHINE)
def demo(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")] = Path("out/demo"),
    topics: Annotated[
        Path | None, typer.Option("--topics", metavar="FILE", help="Other topics than examples/topics.csv.")
    ] = None,
    verbose: Verbose = False,  # noqa: ARG001
) -> None:
    """See it work: start the local runtime, turn 50 topics into 50 outlines, and collect them."""
    from pressroom.demo import run as work

    raise typer.Exit(work(out, topics))
