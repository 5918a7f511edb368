"""The commands that delete for good: jobs, and a project."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import say, warn
from pressroom.client.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pressroom.cli.session import Session

__all__ = ["delete_jobs", "delete_project"]


def delete_jobs(session: Session, job_ids: Sequence[str], *, yes: bool) -> ExitCode:
    """Deletes jobs that have ended; each is told of, and none fails the others."""
    project = session.project_id()
    what = job_ids[0] if len(job_ids) == 1 else f"{len(job_ids)} jobs"
    _confirm(f"Delete {what} with all items, results and events, for good?", yes=yes)
    kept = 0
    for job in job_ids:
        try:
            session.client.delete_job(project, job)
        except (ConflictError, NotFoundError) as error:
            warn(f"{job} is not deleted: {error.detail}")
            kept += 1
        else:
            say(f"{job} is deleted.", "green")
    return ExitCode.REFUSED if kept else ExitCode.OK


def delete_project(session: Session, project_id: str, *, yes: bool) -> ExitCode:
    """Deletes a project with all that it holds."""
    project = session.client.get_project(project_id)
    _confirm(
        f"Delete the project {project.name} ({project.id}) with all its jobs, templates and members, for good?", yes=yes
    )
    session.client.delete_project(project.id)
    say(f"{project.name} ({project.id}) is deleted; its rows are being erased.", "green")
    return ExitCode.OK


def _confirm(question: str, *, yes: bool) -> None:
    """Nothing, if it is to be done.

    Raises:
        CommandError: nobody is there to be asked, or says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked", ExitCode.BAD_INPUT, hint="--yes answers for you.")
    if not typer.confirm(question, err=True):
        raise CommandError("nothing was deleted", ExitCode.REFUSED)
