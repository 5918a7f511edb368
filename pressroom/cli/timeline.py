"""``events``: a job's timeline, as far as it goes or as it grows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import typer

from pressroom.cli.exits import ExitCode
from pressroom.cli.terminal import clean, emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from pressroom.cli.session import Session
    from pressroom.client import Event

__all__ = ["follow_events", "show_events"]

_COLUMNS: Final = ("time", "event", "item", "from", "to", "attempt", "actor", "detail")
_WIDTHS: Final = (23, 15, 5, 10, 16, 7, 14, 0)
"""Of a line that is shown before the next one is known."""
_UNKNOWN: Final = "?"


def show_events(session: Session, job_id: str, *, as_json: bool) -> None:
    """What happened so far; with JSON one object a line, as they come."""
    found = session.client.events(session.project_id(), job_id)
    if as_json:
        for event in found:
            emit_json(dict(event.raw))
        return
    rows = [_cells(event) for event in found]
    emit_table(_COLUMNS, rows, right=("item", "attempt"), optional=("attempt", "actor", "from"))
    if not rows:
        say("Nothing is on the timeline yet: it follows the job by a second or two.")


def follow_events(session: Session, job_id: str, *, as_json: bool) -> None:
    """What happened, and what happens until the job has ended, line by line."""
    project = session.project_id()
    try:
        if not as_json:
            _emit_line(_COLUMNS)
        for event in session.client.follow_events(project, job_id):
            if as_json:
                emit_json(dict(event.raw))
            else:
                _emit_line(_cells(event))
    except KeyboardInterrupt:
        say(f"\nStopped following; {job_id} goes on. Come back with: {session.again('events', job_id, '--follow')}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _cells(event: Event) -> tuple[str, ...]:
    return tuple(
        "" if cell is None else clean(cell)
        for cell in (
            f"{event.time:%Y-%m-%d %H:%M:%S}.{event.time.microsecond // 1000:03d}",
            event.type,
            event.position,
            event.before,
            event.after,
            event.attempt,
            event.actor or _UNKNOWN,
            event.detail,
        )
    )


def _emit_line(cells: tuple[str, ...]) -> None:
    """For a person columns, for a program tabs."""
    if sys.stdout.isatty():
        emit("  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip())
    else:
        emit("\t".join(cells))
