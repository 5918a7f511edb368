"""``watch`` and ``drive``: a job to its end, or until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pressroom.cli.exits import ExitCode
from pressroom.cli.progress import job_display
from pressroom.cli.terminal import say, warn
from pressroom.cli.wording import duration, items, outcome, spent
from pressroom.client import ConflictError
from shared.jobs.statuses import Drive, PauseReason, ShownStatus

if TYPE_CHECKING:
    from pressroom.cli.session import Session
    from pressroom.client import Job

__all__ = ["drive", "how_to_resume", "watch"]


def watch(session: Session, project: str, job_id: str) -> ExitCode:
    """Shows the job until it ends or is paused; how that is to be told to a script."""
    job: Job | None = None
    try:
        with job_display() as display:
            for now in session.client.watch(project, job_id, until_paused=True):
                if job is None and _waits_for_a_driver(now):
                    warn(f"{job_id} advances only when it is driven: {session.again('drive', job_id)}")
                job = now
                display.show(job)
    except KeyboardInterrupt:
        _tell_how_to_come_back(session, job_id, job)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return ExitCode.REFUSED if job is None else _conclude(session, job)


def drive(session: Session, project: str, job_id: str, workers: int | None = None) -> ExitCode:
    """Advances the job with process-next until it ends; how that is to be told to a script.

    Args:
        session: the connection.
        project: the project's id.
        job_id: the job's id.
        workers: callers at once; without it, as many as the job has lanes.
    """
    client = session.client
    job = client.get_job(project, job_id)
    try:
        with job_display() as display:
            if job is not None:
                display.show(job)
            lanes = job.options.get("concurrency", 1) if job else 1
            try:
                for answer in client.drive(project, job_id, workers=workers or int(lanes)):
                    job = answer.job
                    display.show(job)
            except ConflictError:
                job = client.get_job(project, job_id)
                if job is None or job.pause_reason is None:
                    raise
            # Nothing is left to start; what other callers started may still run, and the job still be closed.
            for job in client.watch(project, job_id, until_paused=True):
                display.show(job)
    except KeyboardInterrupt:
        _tell_how_to_come_back(session, job_id, job)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    return ExitCode.REFUSED if job is None else _conclude(session, job)


def _conclude(session: Session, job: Job) -> ExitCode:
    if job.is_paused:
        warn(f"{job.id} is paused ({job.pause_reason or 'user'}): {outcome(job)}.")
        say(how_to_resume(session, job))
        say(f"Once it is resumed: {session.again('watch', job.id)}")
        return ExitCode.INCOMPLETE
    took = ""
    if job.started_at and job.completed_at and job.generation == 1:  # a retry may lie days after the start
        took = f" in {duration((job.completed_at - job.started_at).total_seconds())}"
    reason = f" ({job.cancel_reason})" if job.cancel_reason else ""
    is_complete = job.status == ShownStatus.COMPLETED
    say(
        f"{job.id} {job.status}{reason}: {outcome(job)} of {items(job.counts.total)}{took}; {spent(job)}.",
        "green" if is_complete else "yellow",
    )
    for error in job.error_summary:
        first = f", the first is item {error.first_position}" if error.first_position else ""
        say(f"  {error.code}: {items(error.count)}{first}")
    if job.counts.failed:
        say(f"Why: {session.again('items', job.id, '--status', 'failed')}")
        if job.status != ShownStatus.CANCELLED:
            say(f"Try them again: {session.again('retry', job.id)}")
    if job.counts.completed:
        say(f"Results: {session.again('results', job.id)}")
    return ExitCode.OK if is_complete else ExitCode.INCOMPLETE


def how_to_resume(session: Session, job: Job) -> str:
    """What lets a paused job go on, by the reason for which it is paused."""
    match job.pause_reason:
        case PauseReason.BUDGET_EXHAUSTED:
            return f"Raise its budget: {session.again('resume', job.id, '--budget-usd', 'MORE')}"
        case PauseReason.BILLING | PauseReason.AUTHENTICATION | PauseReason.PERMISSION:
            return f"Mend the account, then: {session.again('resume', job.id)}"
        case _:
            return f"Nothing new starts until it is resumed: {session.again('resume', job.id)}"


def _waits_for_a_driver(job: Job) -> bool:
    return job.options.get("drive") == Drive.CLIENT and not job.is_final


def _tell_how_to_come_back(session: Session, job_id: str, job: Job | None) -> None:
    if job is not None and _waits_for_a_driver(job):
        say(f"\nStopped driving {job_id}: it rests where it is. Go on with: {session.again('drive', job_id)}")
    else:
        say(f"\nStopped watching; {job_id} goes on. Come back with: {session.again('watch', job_id)}")
        say(f"Stop the job itself with: {session.again('cancel', job_id)}")
