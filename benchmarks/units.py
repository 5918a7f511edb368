"""A table that counts what DynamoDB would bill, from the rows themselves: an emulator's own figures prove nothing.

Sizes follow DynamoDB's documented accounting: names and strings in UTF-8 bytes, a number about half a byte a digit,
one byte for a boolean, three bytes and one an element for lists and maps. A write is billed by the larger of the row
before and after, a kibibyte a unit, doubled in a transaction; a consistent read by four kibibytes a unit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from shared.store.dynamodb import DynamoTable
from shared.store.expressions import Change, Insert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.store.attributes import Row
    from shared.store.expressions import Check, Delete
    from shared.store.keys import Key

__all__ = ["CountingTable", "row_bytes"]


def value_bytes(value: Any) -> int:  # noqa: ANN401  whatever a row holds
    """The bytes that DynamoDB counts for a value."""
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return len(str(abs(value)).rstrip("0") or "0") // 2 + 2
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return 3 + sum(1 + value_bytes(element) for element in value)
    return 3 + sum(1 + len(name.encode()) + value_bytes(element) for name, element in value.items())


def row_bytes(row: Row) -> int:
    """The bytes that DynamoDB counts for a row."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in row.items())


@dataclass(frozen=True)
class CountingTable(DynamoTable):
    """A table that counts calls by transition, and units read and written."""

    calls: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)

    def _peek(self, key: Key) -> Row:
        return DynamoTable.get(self, key, consistent=True) or {}

    def get(self, key: Key, *, consistent: bool = False) -> Row | None:
        """One row, counted."""
        row = super().get(key, consistent=consistent)
        self._read("get", [row], consistent=consistent)
        return row

    def glance(self, key: Key, wanted: Sequence[str] = ()) -> Row | None:
        """A row or part of it, counted: the whole row is billed."""
        seen = super().glance(key, wanted)
        self._read("glance", [self._peek(key)], consistent=False)
        return seen

    def get_many(self, keys: Sequence[Key], *, consistent: bool = False) -> list[Row | None]:
        """Rows, counted."""
        rows = super().get_many(keys, consistent=consistent)
        self._read("get_many", rows, consistent=consistent)
        return rows

    def _read(self, what: str, rows: Sequence[Row | None], *, consistent: bool) -> None:
        self.calls[what] += 1
        factor = 1.0 if consistent else 0.5
        self.units["read"] += sum(factor * max(1, ceil(row_bytes(row or {}) / 4096)) for row in rows)  # type: ignore[assignment]

    def update(self, what: str, change: Change) -> Row:
        """A write, counted."""
        before = row_bytes(self._peek(change.key))
        row = super().update(what, change)
        self.calls[what] += 1
        self.units[what] += ceil(max(before, row_bytes(row)) / 1024)
        return row

    def put_many(self, rows: Sequence[Row]) -> None:
        """Rows where nothing stood, counted; 25 a call."""
        super().put_many(rows)
        self.calls["put_many"] += ceil(len(rows) / 25)
        self.units["put_many"] += sum(ceil(row_bytes(row) / 1024) for row in rows)

    def transact(
        self, what: str, members: Sequence[Change | Check | Delete | Insert], *, token: str | None = None
    ) -> None:
        """A transaction, counted: every row costs twice."""
        keys = [self._key(member) for member in members]
        before = [row_bytes(self._peek(key)) for key in keys]
        super().transact(what, members, token=token)
        self.calls[what] += 1
        for key, old in zip(keys, before, strict=True):
            self.units[what] += 2 * ceil(max(old, row_bytes(self._peek(key))) / 1024)

    def _key(self, member: Change | Check | Delete | Insert) -> Key:
        if isinstance(member, Insert):
            return {"pk": member.row["pk"], "sk": member.row["sk"]}
        return member.key
