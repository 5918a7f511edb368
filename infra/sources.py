"""What of this repository a function loads: the closure of its imports, read from the source without running it.

So a bundle holds the function's own code and nothing else, and a change elsewhere leaves its hash alone.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["modules_of"]

_OURS = ("functions", "shared")


def modules_of(function: str, root: Path) -> list[Path]:
    """The files of ``functions.<function>.handler`` and of all it imports, relative to ``root`` and sorted.

    Raises:
        ModuleNotFoundError: a module of ours is imported and does not exist.
    """
    waiting = [f"functions.{function}.handler"]
    found: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _file(name, root)
        if path is None:
            raise ModuleNotFoundError(f"{name} is imported by the bundle of {function} and does not exist", name=name)
        found[name] = path.relative_to(root)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        waiting.extend(_imports(ast.parse(path.read_bytes()), root))
    return sorted(found.values())


def _file(name: str, root: Path) -> Path | None:
    """The source of the module or package ``name``."""
    base = root.joinpath(*name.split("."))
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


def _imports(tree: ast.AST, root: Path) -> Iterator[str]:
    """Our modules that ``tree`` imports anywhere but for types. We have no relative imports (ruff's TID252)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            if node.module is not None and _is_ours(node.module):
                yield node.module
                members = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (member for member in members if _file(member, root) is not None)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                yield from _imports(ast.Module([other], []), root)
        else:
            yield from _imports(node, root)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _OURS
