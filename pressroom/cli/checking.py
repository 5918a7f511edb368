"""All rows of all files against the kind and the limits, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.rows import Row, Trouble, read_rows
from pressroom.client import NewItem
from pressroom.client.http import compact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pressroom.cli.schema import InputSchema
    from pressroom.cli.sources import Source
    from pressroom.client import InvalidRequestError, Limits

__all__ = ["Batch", "check", "refusal_of"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that may be sent, in the order of the files."""

    rows: tuple[Row, ...]

    def items(self) -> tuple[NewItem, ...]:
        """The rows as items."""
        return tuple(NewItem(input=row.input, custom_id=row.custom_id) for row in self.rows)


def check(sources: Sequence[Source], schema: InputSchema, limits: Limits, defaults: Mapping[str, Any]) -> Batch:
    """The rows of all files.

    Raises:
        CommandError: something is wrong; ``details`` name all of it with file and line.
    """
    rows: list[Row] = []
    troubles: list[Trouble] = []
    for source in sources:
        found = list(read_rows(source, schema))
        rows += (row for row in found if isinstance(row, Row))
        troubles += (trouble for trouble in found if isinstance(trouble, Trouble))
        if not found:
            troubles.append(Trouble(source.name, None, "it holds no items"))
    troubles += _faults_of_rows(rows, schema, limits, defaults)
    most = limits.items_per_job.max
    if len(rows) > most:
        fault = f"{len(rows):,} items, but a job takes at most {most:,}: split them into {-(-len(rows) // most)} jobs"
        troubles.insert(0, Trouble(" + ".join(source.name for source in sources), None, fault))
    if len(troubles) == 1:
        raise CommandError(str(troubles[0]), ExitCode.BAD_INPUT, hint="Nothing was sent.")
    if troubles:
        raise CommandError(
            f"{len(troubles):,} things are wrong; nothing was sent:",
            ExitCode.BAD_INPUT,
            details=tuple(str(trouble) for trouble in troubles),
        )
    return Batch(tuple(rows))


def _faults_of_rows(
    rows: Sequence[Row], schema: InputSchema, limits: Limits, defaults: Mapping[str, Any]
) -> Iterator[Trouble]:
    seen: dict[str, Row] = {}
    provided = frozenset(defaults)
    for row in rows:
        for fault in schema.faults(row.input, provided=provided):
            yield Trouble(row.source, row.line, fault)
        yield from _faults_of_size(row, limits, defaults)
        if row.custom_id is not None:
            first = seen.setdefault(row.custom_id, row)
            if first is not row:
                fault = f"custom_id {row.custom_id!r} is taken by {first.place}"
                yield Trouble(row.source, row.line, fault)


def _faults_of_size(row: Row, limits: Limits, defaults: Mapping[str, Any]) -> Iterator[Trouble]:
    try:
        size = len(compact({**defaults, **row.input}))
        (row.custom_id or "").encode()
    except UnicodeEncodeError:
        yield Trouble(row.source, row.line, "holds half of a surrogate pair, which is no text")
        return
    if size > limits.bytes_per_item:
        fault = f"is {size:,} bytes as JSON; an item takes at most {limits.bytes_per_item:,}"
        yield Trouble(row.source, row.line, fault)


def refusal_of(error: InvalidRequestError, batch: Batch) -> CommandError:
    """The server's refusal, in the words of the files: an item's pointer becomes the line that it came from."""
    return CommandError(
        f"Pressroom refused it: {error.detail}",
        ExitCode.BAD_INPUT,
        details=tuple(_told(bad.pointer, bad.detail, batch) for bad in error.errors),
        hint="Nothing was created.",
    )


def _told(pointer: str, fault: str, batch: Batch) -> str:
    parts = pointer.lstrip("/").split("/")
    if len(parts) > 1 and parts[0] == "items" and parts[1].isdecimal() and int(parts[1]) < len(batch.rows):
        field = ".".join(part for part in parts[2:] if part != "input")
        return f"{batch.rows[int(parts[1])].place}: {field + ': ' if field else ''}{fault}"
    place = ".".join(parts)
    return f"{place}: {fault}" if place else fault
