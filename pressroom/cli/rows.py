"""The rows of a file: from text to items, with everything that is wrong beside the line it stands on."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pressroom.cli.sources import Format, Source, TextError, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pressroom.cli.schema import InputSchema

__all__ = ["Row", "Trouble", "read_rows"]

CUSTOM_ID: Final = "custom_id"
_INPUT: Final = "input"
_DELIMITERS: Final = ",;\t"
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """What one row of a file says about one item."""

    source: str
    line: int
    input: Mapping[str, Any]
    custom_id: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for a person."""
        return f"{self.source}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong with a file, or with one line of it."""

    source: str
    line: int | None
    fault: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}, line {self.line}"
        return f"{place}: {self.fault}"


def read_rows(source: Source, schema: InputSchema) -> Iterator[Row | Trouble]:
    """The rows of a file in order, and what is wrong with it. Never raises, whatever the file holds."""
    try:
        text = text_of(source.data)
    except TextError as error:
        yield Trouble(source.name, None, str(error))
        return
    yield from _READERS[source.format](source.name, text, schema)


def _topics(name: str, text: str, schema: InputSchema) -> Iterator[Row | Trouble]:
    if len(schema.required) != 1:
        fields = ", ".join(schema.required)
        yield Trouble(name, None, f"a text file gives one field an item, but this kind needs {fields}: use CSV")
        return
    (field,) = schema.required
    for line, topic in _lines(text):
        yield Row(name, line, {field: schema.from_text(field, topic)})


def _records(name: str, text: str, schema: InputSchema) -> Iterator[Row | Trouble]:
    """CSV as spreadsheets write it: comma, semicolon or tab, told from the header line."""
    header_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header_line.count)
    # The default of 128 KB is no limit of ours. The limit is the whole process's, so it is raised and never lowered:
    # after a small file, whoever else reads CSV here would be refused an ordinary cell.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1  # a quoted cell may go on over several lines; the row is where it begins
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Trouble(name, line, f"is no CSV from here on: {error}")
            return
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if columns is None:
            columns = cells
            faults = list(_header_faults(cells, schema))
            yield from (Trouble(name, line, fault) for fault in faults)
            if faults:
                return
        elif len(cells) > len(columns):
            yield Trouble(
                name,
                line,
                f"has {len(cells)} cells, the header has {len(columns)}: quote a text that holds "
                f"{'a tab' if delimiter == chr(9) else delimiter!r}",
            )
        else:
            yield _record(name, line, columns, cells, schema)


def _record(name: str, line: int, columns: list[str], cells: list[str], schema: InputSchema) -> Row:
    # An empty cell gives nothing, so that the job's defaults hold for it.
    given = {column: cell for column, cell in zip(columns, cells, strict=False) if cell}
    custom_id = given.pop(CUSTOM_ID, None)
    return Row(name, line, {field: schema.from_text(field, cell) for field, cell in given.items()}, custom_id)


def _header_faults(columns: list[str], schema: InputSchema) -> Iterator[str]:
    unknown = [column for column in columns if column and column != CUSTOM_ID and not schema.knows(column)]
    fields = ", ".join((CUSTOM_ID, *schema.fields))
    if unknown and len(unknown) == len(columns):
        yield f"the first line names none of the columns: {fields}"
        return
    for column in unknown:
        yield f"unknown column {column!r}; this kind takes {fields}"
    if "" in columns:
        yield f"column {columns.index('') + 1} has no name"
    for column in dict.fromkeys(columns):
        if column and columns.count(column) > 1:
            yield f"column {column!r} stands there {columns.count(column)} times"


def _objects(name: str, text: str, schema: InputSchema) -> Iterator[Row | Trouble]:
    for line, content in _lines(text):
        try:
            value = json.loads(content, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            yield Trouble(name, line, f"is no JSON: {error.msg} at character {error.pos + 1}")
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            yield Trouble(name, line, f"is no JSON that can be sent: {reason}")
        else:
            yield _object(name, line, value, schema)


def _object(name: str, line: int, value: object, schema: InputSchema) -> Row | Trouble:
    if not isinstance(value, dict):
        return Trouble(name, line, 'should be an object, such as {"topic": "Green tea"}')
    given, custom_id = value, None
    if CUSTOM_ID in value and CUSTOM_ID not in schema.fields:
        given = {key: entry for key, entry in value.items() if key != CUSTOM_ID}
        custom_id = value[CUSTOM_ID]
    if set(given) == {_INPUT} and _INPUT not in schema.fields:
        given = given[_INPUT]
    if not isinstance(given, dict):
        return Trouble(name, line, "input should be an object")
    if custom_id is not None and not isinstance(custom_id, str):
        return Trouble(name, line, "custom_id should be text")
    return Row(name, line, given, custom_id)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that hold something, trimmed, with their numbers.

    Unicode's other separators, at which str.splitlines cuts too, may stand inside a topic or a JSON text.
    """
    for number, line in enumerate(_LINE_END.split(text), start=1):
        content = line.strip()
        if content:
            yield number, content


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_READERS: Final[Mapping[Format, Callable[[str, str, InputSchema], Iterator[Row | Trouble]]]] = {
    Format.TXT: _topics,
    Format.CSV: _records,
    Format.JSONL: _objects,
}
