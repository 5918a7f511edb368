"""The commands that steer jobs: pause, resume, cancel, retry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pressroom.cli.exits import ExitCode
from pressroom.cli.following import drive, how_to_resume, watch
from pressroom.cli.terminal import emit_json, emit_table, say
from pressroom.cli.wording import items, outcome
from shared.jobs.statuses import Drive, ShownStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pressroom.cli.session import Session
    from pressroom.client import Job

__all__ = ["Again", "cancel", "pause", "resume", "retry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Which failed items ``retry`` tries again; without any of it, all."""

    codes: Sequence[str]
    positions: Sequence[int]
    budget_usd: float | None = None


def pause(session: Session, job_id: str, *, as_json: bool) -> ExitCode:
    """Lets nothing new start."""
    job = session.client.pause(session.project_id(), job_id)
    if as_json:
        emit_json(dict(job.raw))
    running = f"; {items(job.counts.processing)} still in work will be kept" if job.counts.processing else ""
    say(f"{job.id} {job.status}: {outcome(job)}{running}.", "green")
    say(how_to_resume(session, job))
    return ExitCode.OK


def resume(session: Session, job_id: str, budget_usd: float | None, *, as_json: bool) -> ExitCode:
    """Goes on."""
    job = session.client.resume(session.project_id(), job_id, budget_usd=budget_usd)
    if as_json:
        emit_json(dict(job.raw))
    say(f"{job.id} {job.status}: {outcome(job)}.", "green")
    say(f"Follow it: {session.again(_way_to_follow(job), job.id)}")
    return ExitCode.OK


def cancel(session: Session, job_ids: Sequence[str], *, as_json: bool) -> ExitCode:
    """Ends jobs: one is refused with the reason why, of several each is told of."""
    if len(job_ids) > 1:
        return _cancel_many(session, job_ids, as_json=as_json)
    job = session.client.cancel(session.project_id(), job_ids[0])
    if as_json:
        emit_json(dict(job.raw))
    is_over = job.status == ShownStatus.CANCELLED
    rest = "" if is_over else "; it ends when what is in work has ended"
    say(f"{job.id} {job.status}: {outcome(job)}{rest}.", "green")
    if not is_over:
        say(f"See it end: {session.again('watch', job.id)}")
    return ExitCode.OK


def _cancel_many(session: Session, job_ids: Sequence[str], *, as_json: bool) -> ExitCode:
    cancelled = session.client.cancel_many(session.project_id(), job_ids)
    if as_json:
        emit_json(dict(cancelled.raw))
    else:
        emit_table(("job", "result"), [(entry.job_id, entry.result) for entry in cancelled.results])
    summary = cancelled.summary
    say(f"{summary.cancelled} cancelled, {summary.already_final} had ended before, {summary.not_found} not found.")
    return ExitCode.REFUSED if summary.not_found else ExitCode.OK


def retry(session: Session, job_id: str, again: Again, *, follow: bool, as_json: bool) -> ExitCode:
    """Tries failed items again; how the job then ends, if it is followed."""
    project = session.project_id()
    job = session.client.retry(
        project,
        job_id,
        error_codes=list(again.codes) or None,
        positions=list(again.positions) or None,
        budget_usd=again.budget_usd,
    )
    if as_json:
        emit_json(dict(job.raw))
    chosen = job.counts.queued + job.counts.processing
    left = f", {job.counts.failed} stay failed" if job.counts.failed else ""
    say(f"{job.id} tries {items(chosen)} again{left}.", "green")
    way = _way_to_follow(job)
    if not follow:
        say(f"Follow it: {session.again(way, job.id)}")
        return ExitCode.OK
    return drive(session, project, job_id) if way == "drive" else watch(session, project, job_id)


def _way_to_follow(job: Job) -> str:
    return "drive" if job.options.get("drive") == Drive.CLIENT else "watch"
