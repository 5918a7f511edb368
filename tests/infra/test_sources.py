from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from infra.sources import modules_of
from tests.support.repository import ROOT


def _write(root: Path, sources: dict[str, str]) -> None:
    for name, text in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def _names(root: Path) -> set[str]:
    return {str(path) for path in modules_of("press", root) if path.name != "__init__.py"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    packages = ("functions", "functions/press", "shared", "shared/jobs", "shared/store")
    _write(tmp_path, {f"{package}/__init__.py": "" for package in packages})
    _write(tmp_path, {"shared/store/rows.py": "", "shared/store/keys.py": "", "shared/clock.py": ""})
    return tmp_path


def test_closure_follows_imports_when_they_go_deep(root: Path) -> None:
    _write(
        root,
        {
            "functions/press/handler.py": "import json\nimport boto3\nfrom functions.press.work import run\n",
            "functions/press/work.py": "import shared.clock\n\ndef run() -> None:\n    from shared.store import rows\n",
            "shared/jobs/unused.py": "",
        },
    )

    assert _names(root) == {
        "functions/press/handler.py",
        "functions/press/work.py",
        "shared/clock.py",
        "shared/store/rows.py",
    }


def test_closure_holds_the_packages_when_it_holds_their_modules(root: Path) -> None:
    _write(root, {"functions/press/handler.py": "from shared.store.rows import Row\n"})

    packages = {str(path.parent) for path in modules_of("press", root) if path.name == "__init__.py"}

    assert packages == {"functions", "functions/press", "shared", "shared/store"}


def test_closure_leaves_out_what_is_imported_for_types_when_followed(root: Path) -> None:
    _write(
        root,
        {
            "functions/press/handler.py": """\
                from typing import TYPE_CHECKING

                if TYPE_CHECKING:
                    from shared.store.keys import Key
                else:
                    import shared.clock
                """
        },
    )

    assert _names(root) == {"functions/press/handler.py", "shared/clock.py"}


def test_closure_is_refused_when_a_module_of_ours_is_missing(root: Path) -> None:
    _write(root, {"functions/press/handler.py": "from shared.nowhere import anything\n"})

    with pytest.raises(ModuleNotFoundError, match=r"shared\.nowhere"):
        modules_of("press", root)


@pytest.mark.parametrize(
    ("function", "reaches"),
    [
        ("api", False),
        ("dead_letters", False),
        ("finalizer", False),
        ("journal", False),
        ("processor", True),
        ("sweeper", False),
    ],
)
def test_claude_is_in_the_bundle_when_the_function_generates(function: str, reaches: bool) -> None:
    assert (Path("shared/generation/client.py") in modules_of(function, ROOT)) is reaches
