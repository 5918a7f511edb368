"""The repository as tests of the house see it: its files, without what tools leave behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PACKAGES", "ROOT", "files", "modules", "relative"]

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("functions", "infra", "pressroom", "shared")

_LEFT_BEHIND: Final = frozenset({"__pycache__", "build", "cdk.out", "dist", "node_modules", "out"})
_KEPT: Final = frozenset({".ci", ".github"})


def files(*suffixes: str) -> Iterator[Path]:
    """Every file of the repository, or those with one of the suffixes. Hidden and generated folders are left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(
            name for name in folders if name in _KEPT or not (name.startswith(".") or name in _LEFT_BEHIND)
        )
        for name in sorted(name for name in names if not name.startswith(".coverage")):
            path = Path(folder, name)
            if not suffixes or path.suffix in suffixes:
                yield path


def modules() -> Iterator[Path]:
    """Every module of the packages, tests apart."""
    return (path for path in files(".py") if path.relative_to(ROOT).parts[0] in PACKAGES)


def relative(path: Path) -> str:
    """``path`` as the repository names it."""
    return path.relative_to(ROOT).as_posix()
