from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import anthropic
import pytest

from infra.lazy_packages import UnknownPackageError, make_lazy

SDK = Path(anthropic.__file__).parent


def _write(root: Path, **sources: str) -> Path:
    for name, text in sources.items():
        path = root.joinpath("press", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    (root / "press" / "init.py").rename(root / "press" / "__init__.py")
    return root / "press"


def _run(root: Path, script: str) -> list[str]:
    done = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-S", "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_modules_are_loaded_when_their_names_are_asked_for(tmp_path: Path) -> None:
    package = _write(
        tmp_path,
        init="from . import ink\nfrom .paper import Sheet as Sheet\nfrom .paper import *\n__all__ = ['ink', 'Sheet']\n",
        ink="BLACK = 'black'\n",
        paper="import json\n\nclass Sheet: ...\n\nSIZE: str = 'A4'\n_thin = 1\n",
    )

    assert make_lazy(package) == 1
    script = (
        "import sys, press; print('press.paper' in sys.modules, 'press.ink' in sys.modules);"
        "from press import Sheet, SIZE; print(Sheet.__name__, SIZE, press.ink.BLACK, hasattr(press, '_thin'));"
        "print(Sheet is sys.modules['press.paper'].Sheet)"
    )
    assert _run(tmp_path, script) == ["False", "False", "Sheet", "A4", "black", "False", "True"]


@pytest.mark.parametrize(
    ("init", "why"),
    [
        ("from .paper import Sheet\nSheet.count = 1\n", r"Sheet\.count = 1"),
        ("from .ink import paper\n", "names a module"),
    ],
)
def test_package_is_refused_when_it_does_more_than_hand_names_on(tmp_path: Path, init: str, why: str) -> None:
    package = _write(tmp_path, init=init, ink="def paper(): ...\n", paper="class Sheet: ...\n")

    with pytest.raises(UnknownPackageError, match=why):
        make_lazy(package)

    assert (package / "__init__.py").read_text(encoding="utf-8") == init


def test_every_name_of_the_locked_sdk_is_the_same_when_it_is_lazy() -> None:
    # The lazy copy is only ever in a bundle; whoever locks another version learns here whether it still fits.
    from infra.lazy_packages import _lazy  # noqa: PLC0415  the text, without writing into the environment

    scope: dict[str, object] = {"__name__": "anthropic", "__package__": "anthropic"}
    exec(compile(_lazy(SDK / "__init__.py"), "lazy", "exec"), scope)  # noqa: S102  our own text
    asked = scope["__getattr__"]

    assert callable(asked)
    for name in anthropic.__all__:
        assert scope.get(name) is getattr(anthropic, name) or asked(name) is getattr(anthropic, name), name
