"""``pressroom demo``: the whole flow on one machine, from 50 topics to 50 files, with nothing to set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from pressroom.cli.checking import check
from pressroom.cli.exits import ExitCode
from pressroom.cli.machine import starting_local
from pressroom.cli.progress import job_display
from pressroom.cli.results import new_file, writable_folder, write_markdown_files
from pressroom.cli.schema import InputSchema
from pressroom.cli.session import local_user
from pressroom.cli.sources import load
from pressroom.cli.terminal import emit_table, say, warn
from pressroom.cli.wording import duration, items, money
from pressroom.client import NewJob, PressroomClient
from shared.clock import SystemClock
from shared.jobs.statuses import ShownStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pressroom.cli.sources import Source
    from pressroom.client import Job

__all__ = ["TOPICS", "demonstrate", "run"]

TOPICS: Final = Path(__file__).parents[1] / "examples" / "topics.csv"
_KIND: Final = "outline"
_CONCURRENCY: Final = 4
_RESULTS: Final = "results.ndjson"


def run(out: Path, topics: Path | None = None) -> ExitCode:
    """Starts the local runtime, shows the flow on it, and ends it again.

    Args:
        out: where the results go; made when it is not there.
        topics: other topics than the examples.

    Raises:
        CommandError: the topics, the folder or the runtime cannot be used.
    """
    clock = SystemClock()
    started_at = clock.now()
    sources = load([topics or TOPICS], None)
    writable_folder(out, overwrite=True)
    if any(out.iterdir()):
        warn(f"{out} holds an earlier run: files of the same names are replaced.")
    try:
        with starting_local():
            from pressroom.local.runtime import LocalRuntime  # noqa: PLC0415  the heaviest import of all

            say("Starting Pressroom on this machine …")
            with LocalRuntime() as runtime:
                say(f"It listens at {runtime.base_url}.", "dim")
                with PressroomClient(runtime.base_url, lambda: runtime.token(local_user())) as client:
                    job = demonstrate(client, sources, out, is_paid=runtime.claude_url is None)
    except KeyboardInterrupt:
        say("\nStopped. The demo's machine is gone, and its job with it; what was written stays.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    say(f"From start to end: {duration((clock.now() - started_at).total_seconds())}.", "dim")
    return ExitCode.OK if job.status == ShownStatus.COMPLETED else ExitCode.INCOMPLETE


def demonstrate(client: PressroomClient, sources: Sequence[Source], out: Path, *, is_paid: bool) -> Job:
    """Submits, watches, collects and sums up.

    Args:
        client: the API to use.
        sources: the files of items.
        out: an existing folder for the results.
        is_paid: whether the real Claude writes, so that the cost is told before it starts.

    Returns:
        The job as it ended, or as it was paused.
    """
    kind = next(kind for kind in client.kinds() if kind.name == _KIND)
    batch = check(sources, InputSchema(kind.input_schema), client.limits(), {})
    new_job = NewJob(kind=_KIND, name="Demo", items=batch.items(), options={"concurrency": _CONCURRENCY})
    project = client.create_project("Demo")
    if is_paid:
        estimate = client.dry_run(project.id, new_job).estimate
        warn(
            f"ANTHROPIC_API_KEY is set: the real Claude writes, for about {money(estimate.cost_usd)} and "
            f"{estimate.minutes:,.0f} minutes. Ctrl-C ends it; without the key the demo costs nothing."
        )
    else:
        say("No ANTHROPIC_API_KEY is set: an offline Claude writes made-up text, at no cost.", "dim")
    job = client.create_job(project.id, new_job).job
    say(f"Created {job.id}: {items(job.counts.total)} as outlines, {_CONCURRENCY} at a time.")
    with job_display() as display:
        for now in client.watch(project.id, job.id, until_paused=True):
            job = now
            display.show(job)
    _collect(client, job, out, is_paid=is_paid)
    return job


def _collect(client: PressroomClient, job: Job, out: Path, *, is_paid: bool) -> None:
    with new_file(out / _RESULTS, overwrite=True) as file:
        for page in client.result_pages(job.project_id, job.id, "ndjson"):
            file.write(page)
    written = write_markdown_files(client, job, out)
    took = (job.completed_at - job.started_at).total_seconds() if job.completed_at and job.started_at else 0.0
    emit_table(
        ("what", "value"),
        (
            ("job", f"{job.id} {job.status}"),
            ("completed", f"{job.counts.completed:,} of {job.counts.total:,}"),
            ("failed", f"{job.counts.failed:,}"),
            ("cancelled", f"{job.counts.cancelled:,}"),
            ("time", duration(took)),
            ("input tokens", f"{job.usage.input_tokens:,}"),
            ("output tokens", f"{job.usage.output_tokens:,}"),
            ("cost" if is_paid else "cost at list price, not charged", money(job.usage.cost_usd)),
            ("results", str(out / _RESULTS)),
            ("documents", f"{written.files:,} Markdown files in {out}"),
        ),
    )
    for error in job.error_summary:
        say(f"  {error.code}: {items(error.count)}")
