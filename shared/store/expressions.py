"""One conditional write as a value: key, condition, update and the values they name.

Conditions and updates are written with plain attribute names (``lanes.3.next``); every name becomes a placeholder,
because many are reserved words and lane numbers are digits. A value stands as ``:name``. Only the values that an
expression uses are sent, because DynamoDB refuses unused ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.store.attributes import Value, attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.keys import Key

__all__ = ["Change", "Check", "Delete", "Insert"]

_KEYWORDS: Final = frozenset(
    [
        "SET",
        "REMOVE",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "if_not_exists",
        "list_append",
        "attribute_exists",
        "attribute_not_exists",
        "size",
    ]
)
_NAME: Final = re.compile(r"(?<![:#\w])[A-Za-z_0-9]+")
_VALUE: Final = re.compile(r":(\w+)")


def _placeholders(expression: str, names: dict[str, str]) -> str:
    def place(match: re.Match[str]) -> str:
        word = match.group(0)
        if word in _KEYWORDS:
            return word
        names[f"#{word}"] = word
        return f"#{word}"

    return _NAME.sub(place, expression)


def _expressions(values: Mapping[str, Value], **expressions: str) -> dict[str, Any]:
    """The request's expression members, absent where there is nothing to say."""
    names: dict[str, str] = {}
    request: dict[str, Any] = {}
    for member, expression in expressions.items():
        if expression:
            request[member] = _placeholders(expression, names)
    used = set(_VALUE.findall(" ".join(expressions.values())))
    if names:
        request["ExpressionAttributeNames"] = names
    if used:
        request["ExpressionAttributeValues"] = attributes({f":{name}": values[name] for name in sorted(used)})
    return request


@dataclass(frozen=True, slots=True)
class Change:
    """An update of one row. ``sets`` and ``removes`` are the clauses, joined by commas."""

    key: Key
    condition: str = ""
    sets: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)

    def request(self, table: str) -> dict[str, Any]:
        """The body of ``UpdateItem``, or of an ``Update`` in a transaction."""
        update = f"SET {', '.join(self.sets)}" if self.sets else ""
        if self.removes:
            update = f"{update} REMOVE {', '.join(self.removes)}".strip()
        return {
            "TableName": table,
            "Key": attributes(self.key),
            **_expressions(self.values, UpdateExpression=update, ConditionExpression=self.condition),
        }

    def member(self, table: str) -> dict[str, Any]:
        """The same as a member of a transaction; a refusal carries the row that refused."""
        return {"Update": {**self.request(table), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}


@dataclass(frozen=True, slots=True)
class Insert:
    """A whole row, written where ``condition`` holds for what stands there (by default: nothing does)."""

    row: Mapping[str, Value]
    condition: str = "attribute_not_exists(pk)"
    values: Mapping[str, Value] = field(default_factory=dict)

    def member(self, table: str) -> dict[str, Any]:
        """The row as a member of a transaction."""
        request = {"TableName": table, "Item": attributes(self.row)}
        return {"Put": {**request, **_expressions(self.values, ConditionExpression=self.condition)}}


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on a row that the transaction does not write."""

    key: Key
    condition: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def member(self, table: str) -> dict[str, Any]:
        """The condition as a member of a transaction."""
        request = {"TableName": table, "Key": attributes(self.key)}
        return {"ConditionCheck": {**request, **_expressions(self.values, ConditionExpression=self.condition)}}


@dataclass(frozen=True, slots=True)
class Delete:
    """A row's removal, where ``condition`` holds for what stands there."""

    key: Key
    condition: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    def member(self, table: str) -> dict[str, Any]:
        """The removal as a member of a transaction."""
        request = {"TableName": table, "Key": attributes(self.key)}
        return {"Delete": {**request, **_expressions(self.values, ConditionExpression=self.condition)}}
