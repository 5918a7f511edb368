"""Writing results: what is finished so far, in the order of the input, an answer's worth at a time."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from functions.api.item_reader import FINISHED
from functions.api.presenter import result_line, usd
from shared.contracts.requests import ResultFormat
from shared.errors import CorruptRowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.api.item_reader import ItemReader, Reading, ShownItem
    from shared.generation.kind import Kind

__all__ = ["Exporter", "Results"]

MAX_BYTES: Final = 4_000_000
_MAX_EVALUATED: Final = 2_000
"""Rows that one answer reads: a job with few finished items must not be read whole for nothing."""
_ROWS_A_READ: Final = 50
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, full-width letters too (OWASP, CSV Injection)."""


class Form(Protocol):
    """One format of results."""

    content_type: str

    def start(self) -> str:
        """What stands before the first item of all."""
        ...

    def item(self, shown: ShownItem) -> str:
        """A finished item."""
        ...


class Ndjson:
    """A line of JSON an item."""

    content_type = "application/x-ndjson"

    def start(self) -> str:
        """Nothing."""
        return ""

    def item(self, shown: ShownItem) -> str:
        """The item's line."""
        return result_line(shown).model_dump_json() + "\n"


class Csv:
    """A row an item: its input and its output field by field, structures as JSON.

    A cell that a spreadsheet would take for a formula gets an apostrophe in front: the text is a stranger's.
    """

    content_type = "text/csv; charset=utf-8"

    def __init__(self, kind: Kind[Any, Any]) -> None:
        self._inputs = tuple(kind.input_model.model_fields)
        self._outputs = tuple(kind.output_model.model_fields)

    def start(self) -> str:
        """The row of headings."""
        return _row(
            [
                "position",
                "custom_id",
                "status",
                *(f"input.{name}" for name in self._inputs),
                *(f"output.{name}" for name in self._outputs),
                "error_code",
                "error_message",
                "input_tokens",
                "output_tokens",
                "cost_usd",
            ]
        )

    def item(self, shown: ShownItem) -> str:
        """The item's row."""
        outcome = shown.outcome
        error = None if outcome is None else outcome.error
        output: dict[str, Any] = json.loads(outcome.output) if outcome is not None and outcome.output else {}
        used: list[object] = ["", "", ""]
        if outcome is not None:
            used = [outcome.input_tokens, outcome.output_tokens, usd(outcome.cost_microusd)]
        return _row(
            [
                shown.row.position,
                _cell(shown.row.custom_id),
                shown.status.value,
                *(_cell(shown.row.input.get(name)) for name in self._inputs),
                *(_cell(output.get(name)) for name in self._outputs),
                "" if error is None else error.code.value,
                "" if error is None else _cell(error.message),
                *used,
            ]
        )


def _row(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


class Markdown:
    """A document of all completed items. A comment stands before each, and instead of what did not complete."""

    content_type = "text/markdown; charset=utf-8"

    def __init__(self, kind: Kind[Any, Any]) -> None:
        self._kind = kind

    def start(self) -> str:
        """Nothing."""
        return ""

    def item(self, shown: ShownItem) -> str:
        """The item's document, or a comment that says why there is none."""
        outcome = shown.outcome
        if outcome is None or outcome.output is None:
            code = f" ({outcome.error.code})" if outcome is not None and outcome.error is not None else ""
            return f"<!-- item {shown.row.position}: {shown.status}{code} -->\n\n"
        try:
            document = self._kind.to_markdown(shown.row.input, json.loads(outcome.output))
        except CorruptRowError:
            # Written by a version whose kind was another: NDJSON has it as it is, and the others are not held up.
            return f"<!-- item {shown.row.position}: does not fit its kind any more -->\n\n"
        return f"<!-- item {shown.row.position} -->\n\n{document}\n"


@dataclass(frozen=True, slots=True)
class Results:
    """An answer's worth of results, and the position behind which they go on (None: nowhere)."""

    content: bytes
    content_type: str
    after: int | None


@dataclass(frozen=True)
class Exporter:
    """Writes results."""

    items: ItemReader
    kinds: Callable[[], Mapping[str, Kind[Any, Any]]]

    def export(self, project_id: str, job_id: str, *, form: ResultFormat, after: int) -> Results:
        """What is finished behind the position ``after``, at most 4 MB of it, but always one item where there is one.

        Raises:
            RequestError: 404.
        """

        def look(reading: Reading) -> Results:
            return self._written(reading, self._form(form, reading.ledger.kind), after)

        return self.items.consistently(project_id, job_id, look)

    def _form(self, form: ResultFormat, kind: str) -> Form:
        if form is ResultFormat.NDJSON:
            return Ndjson()
        known = self.kinds()[kind]
        return Csv(known) if form is ResultFormat.CSV else Markdown(known)

    def _written(self, reading: Reading, form: Form, after: int) -> Results:
        parts = [form.start().encode()] if after == 0 else []
        size, last, end = sum(map(len, parts)), after, reading.last_finished
        rows = self.items.items.after(reading.ledger.job_id, after, page=_ROWS_A_READ, outputs=True)
        for number, shown in enumerate(reading.show_all(rows)):
            if shown.row.position > end:
                break
            part = form.item(shown).encode() if shown.status in FINISHED else b""
            if (size + len(part) > MAX_BYTES and last > after) or number == _MAX_EVALUATED:
                return Results(b"".join(parts), form.content_type, last)
            parts.append(part)
            size, last = size + len(part), shown.row.position
        return Results(b"".join(parts), form.content_type, None)
