"""What goes into a function's archive: its packages from ``requirements/<name>.txt`` and the code that it loads.

uv fetches wheels for the platform of the Lambda, so no Docker is needed and any machine builds the same bundle.
Claude's SDK is made to load what is asked for only (:mod:`infra.lazy_packages`), and all is compiled
(:mod:`infra.bytecode`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.bytecode import NoPythonError, compile_all, find_python
from infra.lazy_packages import UnknownPackageError, make_lazy
from infra.sources import modules_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.platform import Platform

__all__ = ["ROOT", "BundlingError", "bundle", "find_uv"]

ROOT: Final = Path(__file__).resolve().parent.parent
_SDK: Final = "anthropic"


class BundlingError(RuntimeError):
    """A bundle could not be built."""


def bundle(function: str, platform: Platform, target: Path) -> None:
    """Build the bundle of ``function`` in the folder ``target``.

    Raises:
        BundlingError: there is no uv, or it could not install the packages; Claude's SDK is of a version that this
            module does not know; or there is no Python to compile with, and the platform does not go without.
    """
    uv = find_uv(os.environ)
    command = [
        *(str(uv), "pip", "install", "--quiet", "--no-installer-metadata", "--link-mode=copy"),
        *("--python", sys.executable, "--target", str(target)),
        *("--python-platform", platform.wheels, "--python-version", platform.python),
        *("--only-binary", ":all:", "--require-hashes", "-r", str(ROOT / "requirements" / f"{function}.txt")),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  all from this module
    if result.returncode != 0:
        raise BundlingError(f"the packages of {function} could not be installed:\n{result.stderr.strip()}")
    shutil.rmtree(target / "bin", ignore_errors=True)  # scripts of packages, which start with a path of this machine
    for module in modules_of(function, ROOT):
        (target / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / module, target / module)
    try:
        if (target / _SDK).is_dir():
            make_lazy(target / _SDK)
        if platform.compiled:
            compile_all(target, find_python(platform.python, uv, os.environ))
    except (NoPythonError, UnknownPackageError) as error:
        raise BundlingError(f"the bundle of {function}: {error}") from error


def find_uv(environ: Mapping[str, str]) -> Path:
    """The uv that ``UV`` names, or the one beside this Python, or of the checkout's tools, or on the path.

    Raises:
        BundlingError: there is none.
    """
    beside = (Path(sys.executable).parent / "uv", ROOT / ".tools" / "bin" / "uv")
    named, on_path = environ.get("UV"), shutil.which("uv", path=environ.get("PATH", ""))
    places = [Path(named)] if named else [*beside, *([Path(on_path)] if on_path else [])]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise BundlingError(
            f"uv builds the functions' bundles, and is not at {named or 'any of its places'}: make setup"
        )
    return found
