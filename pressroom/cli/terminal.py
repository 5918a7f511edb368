"""What the command shows: data on standard output, messages on standard error.

Texts of files, items and servers are shown as they are: no markup of theirs is obeyed, and control characters,
which a terminal would obey, are taken out.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pressroom.cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "VERBOSE",
    "clean",
    "detail",
    "drawing",
    "emit",
    "emit_bytes",
    "emit_json",
    "emit_table",
    "fail",
    "is_live",
    "messages",
    "say",
    "warn",
]

VERBOSE: ContextVar[bool] = ContextVar("verbose", default=False)
"""Whether details are told; one a run."""

_SHOWN_DETAILS: Final = 20
_GAP: Final = 2
_FOLDED_FROM: Final = 30


class _Screen:
    """Who draws on the terminal now. Shared by all threads: a message of any of them goes above a live picture."""

    console: Console | None = None


def messages() -> Console:
    """Standard error. Made anew each time, because a test may have replaced the stream."""
    return _Screen.console or Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def drawing() -> Iterator[Console]:
    """The console for a live picture; messages go above it meanwhile."""
    _Screen.console = Console(stderr=True, highlight=False)
    try:
        yield _Screen.console
    finally:
        _Screen.console = None


def is_live() -> bool:
    """Whether a picture that changes can be shown: a person looks on, at a terminal that can move its cursor."""
    console = messages()
    return console.is_terminal and not console.is_dumb_terminal


def clean(text: object, *, lines: bool = False) -> str:
    """``text`` without control characters; ``lines`` keeps line feeds."""
    return "".join(
        character if character.isprintable() or (lines and character == "\n") else "\N{REPLACEMENT CHARACTER}"
        for character in str(text)
    )


def say(message: str, style: str = "") -> None:
    """A message."""
    messages().print(Text(clean(message, lines=True), style=style))


def detail(message: str) -> None:
    """A message for whoever asked for details."""
    if VERBOSE.get():
        say(message, "dim")


def warn(message: str) -> None:
    """A message that should not be overlooked."""
    messages().print(Text.assemble(("Note: ", "yellow"), clean(message, lines=True)))


def fail(message: str, *, hint: str = "", details: Sequence[str] = ()) -> None:
    """Why the command ends without having done what was asked."""
    console = messages()
    console.print(Text.assemble(("Error: ", "bold red"), clean(message)))
    shown = len(details) if VERBOSE.get() else _SHOWN_DETAILS
    for line in details[:shown]:
        console.print(Text(f"  {clean(line)}"))
    if len(details) > shown:
        console.print(Text(f"  … and {len(details) - shown:,} more; --verbose shows all"))
    if hint:
        console.print(Text(clean(hint)))


def emit(line: str) -> None:
    """A line of data."""
    emit_bytes(f"{line}\n".encode())


def emit_bytes(data: bytes) -> None:
    """Data as it is."""
    with _ending_with_the_reader():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def emit_json(value: Any) -> None:  # noqa: ANN401  JSON
    """Data as JSON: for a person indented, for a program one line."""
    indent = 2 if sys.stdout.isatty() else None
    emit(json.dumps(value, ensure_ascii=False, indent=indent))


def emit_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> None:
    """A table for a person; for a program, tab-separated lines under a line of names.

    Args:
        columns: the names; the first column is never folded, because it is what a person copies.
        rows: the cells, shown as text; ``None`` is an empty one.
        right: the columns that hold numbers.
        optional: the columns that a terminal too narrow for all of them goes without, the first one first.
    """
    cells = [["" if cell is None else clean(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [list(columns), *cells]:
            emit("\t".join(line))
        return
    console = Console(highlight=False)
    shown = _columns_that_fit(columns, cells, optional, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in shown:
        name = columns[index]
        table.add_column(name, justify="right" if name in right else "left", no_wrap=index == 0, overflow="fold")
    for line in cells:
        table.add_row(*(Text(line[index]) for index in shown))
    with _ending_with_the_reader():
        console.print(table)


def _columns_that_fit(
    columns: Sequence[str], cells: Sequence[Sequence[str]], optional: Sequence[str], width: int
) -> list[int]:
    widths = [max(cell_len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    widths[1:] = [min(wanted, _FOLDED_FROM) for wanted in widths[1:]]
    shown = list(range(len(columns)))
    for name in optional:
        if sum(widths[index] + _GAP for index in shown) - _GAP <= width:
            break
        shown.remove(columns.index(name))
    return shown


@contextmanager
def _ending_with_the_reader() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Python would complain once more when it flushes standard output on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OUTPUT_CLOSED) from None
