"""The files that a job is made from, as bytes and then as text."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pressroom.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["STDIN", "Format", "Source", "TextError", "load", "text_of"]

STDIN: Final = Path("-")
_MOST_BYTES: Final = 32 * 1024 * 1024
"""Far above what any request may carry: whoever gives us the wrong file need not wait until all of it is read."""

_BEGINNINGS: Final = {
    b"PK\x03\x04": "it is a zip archive, as Excel's .xlsx files are: save the table as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "it is an Excel or Word file: save the table as CSV in UTF-8",
    b"%PDF": "it is a PDF",
    b"\x1f\x8b": "it is compressed: unpack it first",
    b"\xff\xfe": "it is UTF-16: save it as UTF-8",
    b"\xfe\xff": "it is UTF-16: save it as UTF-8",
}


@unique
class Format(StrEnum):
    """How items stand in a file."""

    TXT = "txt"
    """One topic a line."""
    CSV = "csv"
    """A header names the fields; ``custom_id`` is the caller's own name for a row."""
    JSONL = "jsonl"
    """One object a line: the input itself, or ``{"custom_id": …, "input": {…}}``."""


_BY_SUFFIX: Final = {
    ".txt": Format.TXT,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file: what to call it, how it is to be read, what is in it."""

    name: str
    format: Format
    data: bytes


class TextError(Exception):
    """The bytes are no text; the message says why, and in which line where that makes sense."""


def load(paths: Sequence[Path], forced: Format | None) -> list[Source]:
    """All files, read to their ends and closed.

    Raises:
        CommandError: a file cannot be read, or nothing tells its format; all such files are named.
    """
    sources: list[Source] = []
    troubles: list[str] = []
    for path in paths:
        name = "standard input" if path == STDIN else str(path)
        form = forced or _BY_SUFFIX.get(path.suffix.lower())
        if form is None:
            troubles.append(f"{name}: say how to read it: --format txt, csv or jsonl")
            continue
        try:
            sources.append(Source(name, form, _bytes_of(path)))
        except OSError as error:
            troubles.append(f"{name}: {error.strerror or error}")
    if not troubles:
        return sources
    if len(troubles) == 1:
        raise CommandError(troubles[0], ExitCode.BAD_INPUT)
    raise CommandError("these files cannot be read:", ExitCode.BAD_INPUT, details=tuple(troubles))


def text_of(data: bytes) -> str:
    """The bytes as text, by UTF-8 alone: a guess would put wrong letters into what is paid for.

    Raises:
        TextError: they are none.
    """
    if len(data) > _MOST_BYTES:
        raise TextError(f"it is larger than {_MOST_BYTES // 1024 // 1024} MB")
    for beginning, meaning in _BEGINNINGS.items():
        if data.startswith(beginning):
            raise TextError(meaning)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if 0 in data:
            raise TextError("it is a binary file") from None
        line = data.count(b"\n", 0, error.start) + 1
        raise TextError(f"line {line}: byte 0x{data[error.start]:02x} is no UTF-8: save the file as UTF-8") from None
    if "\0" in text:
        raise TextError("it is a binary file")
    if not text.strip():
        raise TextError("it is empty")
    return text


def _bytes_of(path: Path) -> bytes:
    if path == STDIN:
        return _up_to_the_most(sys.stdin.buffer)
    with path.open("rb") as file:
        return _up_to_the_most(file)


def _up_to_the_most(file: BinaryIO) -> bytes:
    return file.read(_MOST_BYTES + 1)
