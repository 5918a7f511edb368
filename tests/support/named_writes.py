"""The writes of the table that the sources can make, and those that a run makes, under the same names.

A write is told by the function that makes it, the table's method, and what the function calls it:
``TemplateStore.update: transact update_template``. Of a batch there is no such name: ``EventStore.write: put_many``.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from shared.store.dynamodb import DynamoTable
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RecordingTable", "operation_of", "writes_in_the_sources"]

_NAMED: Final = ("update", "transact")
_BATCHES: Final = ("put_many", "delete_many")
_PASSED_ON: Final = "_write"
"""Such a method passes the name of its caller's write on."""


@dataclass(frozen=True)
class RecordingTable(DynamoTable):
    """A table that keeps the names of what was written, in order, done or refused."""

    written: list[str] = field(default_factory=list)

    def update(self, what: str, *args: Any, **parts: Any) -> Any:
        self._record("update", what)
        return super().update(what, *args, **parts)

    def transact(self, what: str, *args: Any, **parts: Any) -> None:
        self._record("transact", what)
        super().transact(what, *args, **parts)

    def put_many(self, rows: Any) -> None:
        if rows:
            self._record("put_many")
        super().put_many(rows)

    def delete_many(self, keys: Any) -> None:
        if keys:
            self._record("delete_many")
        super().delete_many(keys)

    def _record(self, *write: str) -> None:
        frame = sys._getframe(2)
        if frame.f_code.co_name == _PASSED_ON and frame.f_back is not None:
            frame = frame.f_back
        self.written.append(f"{frame.f_code.co_qualname}: {' '.join(write)}")


def operation_of(write: str) -> str:
    """The operation of AWS that makes the write of this name."""
    method = write.partition(": ")[2].partition(" ")[0]
    return {"update": "dynamodb.UpdateItem", "transact": "dynamodb.TransactWriteItems"}.get(
        method, "dynamodb.BatchWriteItem"
    )


def writes_in_the_sources() -> set[str]:
    """Every write that a function or what is shared can make."""
    return {
        name
        for package in ("functions", "shared")
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in _writes(ast.parse(path.read_text("utf-8")), "")
    }


def _writes(tree: ast.AST, where: str) -> Iterator[str]:
    """The writes under ``tree``, which is in the function or class ``where``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and not where.endswith(f".{_PASSED_ON}") and (write := _written_by(node)):
            yield f"{where}: {write}"
        match node:
            case ast.ClassDef(name=name):
                yield from _writes(node, f"{where}.{name}".lstrip("."))
            case ast.FunctionDef(name=name):
                inside = ".<locals>" if isinstance(tree, ast.FunctionDef) else ""
                yield from _writes(node, f"{where}{inside}.{name}".lstrip("."))
            case _:
                yield from _writes(node, where)


def _written_by(call: ast.Call) -> str | None:
    """What ``call`` writes; None where it is no write."""
    if not isinstance(call.func, ast.Attribute):
        return None
    method, is_tables = call.func.attr, ast.unparse(call.func.value).endswith("table")
    if is_tables and method in _NAMED:
        return f"{method} {ast.literal_eval(call.args[0])}"  # a name that is put together could be told of nothing
    if is_tables and method in _BATCHES:
        return method
    match call:
        case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Constant(value=str(what)), *_]) if attr == _PASSED_ON:
            return f"update {what}"
    return None
