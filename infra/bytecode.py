"""Compiles a bundle for the Python that will run it: a cold function has no time to, and nowhere to keep it.

Compiled files are never compared with their sources (they are "unchecked"), so they do not hold the time of a build,
and the same bundle comes out of every one. Only the same Python writes what the Lambda's reads: where no such Python
can be had, the bundle is refused, unless ``cdk.json`` says that it may go without (``"bytecode": "off"``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["NoPythonError", "compile_all", "find_python"]

_COMPILE: Final = """\
import pathlib, py_compile, sys
root = pathlib.Path(sys.argv[1])
for source in sorted(root.rglob("*.py")):
    place = "/var/task/" + source.relative_to(root).as_posix()
    py_compile.compile(
        source, dfile=place, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
"""
_VERSION: Final = "import sys; print('%d.%d' % sys.version_info[:2])"


class NoPythonError(RuntimeError):
    """No Python of the wanted version could be had, or it could not compile."""


def compile_all(folder: Path, python: Path) -> None:
    """Put its compiled form beside every source in ``folder``, the same bytes at every build.

    Raises:
        NoPythonError: a source does not compile.
    """
    done = subprocess.run(  # noqa: S603  all from this module
        [str(python), "-I", "-X", "utf8", "-c", _COMPILE, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
    if done.returncode != 0:
        raise NoPythonError(f"{folder.name} does not compile with {python}:\n{done.stderr.strip()}")


def find_python(version: str, uv: Path, environ: Mapping[str, str]) -> Path:
    """A Python ``version`` (such as ``3.13``): this one, one that uv or pyenv knows, or one that uv fetches.

    Raises:
        NoPythonError: there is none.
    """
    found = next((python for python in _candidates(version, uv, environ) if _is(version, python)), None)
    if found is None:
        raise NoPythonError(
            f"no Python {version} was found to compile the bundles with, and uv could not fetch one: install it, "
            'or build without compiled files by -c bytecode=off (or "bytecode": "off" in cdk.json). '
            "Functions then start at about half the speed."
        )
    return found


def _candidates(version: str, uv: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}", path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    home = environ.get("HOME", "")
    pyenv = Path(environ.get("PYENV_ROOT") or Path(home, ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}*/bin/python"))
    yield from _of_uv(version, uv, environ)
    _run([uv, "python", "install", "--quiet", version], environ)
    yield from _of_uv(version, uv, environ)


def _of_uv(version: str, uv: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    told = _run([uv, "python", "find", "--no-python-downloads", version], environ)
    if told:
        yield Path(told)


def _run(command: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    """What the command printed; one that fails prints nothing of use."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ))  # noqa: S603  uv
    return done.stdout.strip() if done.returncode == 0 else ""


def _is(version: str, python: Path) -> bool:
    """Whether ``python`` runs and is of ``version``; a shim may be neither."""
    try:
        done = subprocess.run(  # noqa: S603  a Python that was found
            [str(python), "-I", "-c", _VERSION], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return False
    return done.stdout.strip() == version
