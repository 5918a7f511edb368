"""Makes a package load what it re-exports at first use instead of at once (PEP 562): Claude's SDK, in its bundle.

The SDK's packages import all that is in them: importing ``anthropic`` runs two thousand modules of which a call of the
Messages API needs a few dozen. Here each ``__init__`` that does nothing but hand names on is written anew: the same
names from the same modules, each loaded when it is asked for. No other file of the SDK is touched.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["UnknownPackageError", "make_lazy"]

_TEXT: Final = '''\
"""Re-exports, each loaded at its first use. Written by Pressroom's infra/lazy_packages.py from the SDK's own."""

from importlib import import_module as _import_module

_PLACES = {places}
{rest}

def __getattr__(name):
    try:
        module, member = _PLACES[name]
    except KeyError:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}") from None
    place = _import_module(module, __name__)
    found = place if member is None else getattr(place, member)
    globals()[name] = found
    return found


def __dir__():
    return sorted({{*globals(), *_PLACES}})
'''
_DROPPED: Final = (
    # Where the classes pretend to be defined, which only messages show; it would load every one of them.
    "__locals = locals()",
    "for __name in __all__:",
    # A stand-in of the package of resources until it is loaded, which the submodule itself is here.
    "if not _t.TYPE_CHECKING:",
    "import typing as _t",
)
_KEPT: Final = {"_setup_logging()": "from ._utils._logs import setup_logging as _setup_logging\n_setup_logging()"}

Place = tuple[str, str | None]
"""A module, relative to the package; and what of it, or None for the module itself."""


class UnknownPackageError(Exception):
    """A package does more when it is imported than this module knows how to keep."""


def make_lazy(package: Path) -> int:
    """Write the ``__init__`` of ``package`` and of every package in it that only re-exports; how many were written.

    Raises:
        UnknownPackageError: the ``__init__`` of ``package`` itself does what is not known here, as a later version
            may.
    """
    written = 0
    for init in sorted(package.rglob("__init__.py")):
        try:
            text = _lazy(init)
        except UnknownPackageError:
            if init.parent == package:
                raise
            continue  # it stays as it is: dearer, and right
        init.write_text(text, encoding="utf-8")
        written += 1
    return written


def _lazy(init: Path) -> str:
    places: dict[str, Place] = {}
    rest: list[str] = []
    for statement in ast.parse(init.read_bytes()).body:
        source = ast.unparse(statement)
        first_line = source.partition("\n")[0]
        if _is_re_export(statement):
            places |= dict(_places(statement, init.parent))
        elif _is_names(statement):
            rest.append(source)
        elif first_line in _KEPT:
            rest.append(_KEPT[first_line])
        elif not (_says_nothing(statement) or first_line in _DROPPED):
            raise UnknownPackageError(f"{init.parent.name} does what is not known when it is imported: {first_line}")
    for name, (module, member) in places.items():
        # A submodule that is loaded becomes its package's attribute, and would hide what is re-exported by its name.
        if member is not None and _module(init.parent, f".{name}") is not None:
            raise UnknownPackageError(f"{init.parent.name} names {name} of {module} as it names a module")
    return _TEXT.format(places=_literal(places), rest="\n".join(rest))


def _is_re_export(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.level > 0


def _is_names(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["__all__"]


def _says_nothing(statement: ast.stmt) -> bool:
    """A docstring, or an import of how annotations are read."""
    return (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)) or (
        isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    )


def _places(statement: ast.stmt, package: Path) -> Iterator[tuple[str, Place]]:
    if not isinstance(statement, ast.ImportFrom):
        raise TypeError(ast.unparse(statement))
    source = "." * statement.level + (statement.module or "")
    for alias in statement.names:
        if alias.name == "*":
            yield from ((name, (source, name)) for name in _public_names(package, source))
        elif statement.module is None and _module(package, f".{alias.name}") is not None:
            yield alias.asname or alias.name, (f".{alias.name}", None)
        else:
            yield alias.asname or alias.name, (source, alias.name)


def _public_names(package: Path, module: str) -> list[str]:
    """What a star would import of ``module``: its public names, for it says no ``__all__`` or says it in full."""
    path = _module(package, module)
    if path is None:
        raise UnknownPackageError(f"{package.name} imports all of {module}, which is not there")
    body = ast.parse(path.read_bytes()).body
    for statement in body:
        if _is_names(statement) and isinstance(statement, ast.Assign):
            named: list[str] = ast.literal_eval(statement.value)
            return named
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.AnnAssign | ast.Assign):
            targets = [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
            names |= {ast.unparse(target) for target in targets}
        elif isinstance(statement, ast.ClassDef | ast.FunctionDef):
            names.add(statement.name)
    return sorted(name for name in names if not name.startswith("_"))


def _module(package: Path, module: str) -> Path | None:
    """The file of ``module`` (``.a.b``) seen from ``package``."""
    name = module.lstrip(".")
    base = package
    for _ in range(len(module) - len(name) - 1):
        base = base.parent
    base = base.joinpath(*name.split("."))
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


def _literal(places: dict[str, Place]) -> str:
    return "{\n" + "".join(f"    {name!r}: {place!r},\n" for name, place in sorted(places.items())) + "}"
