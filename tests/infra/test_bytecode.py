from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.bundles import BundlingError, bundle
from infra.bytecode import NoPythonError, compile_all, find_python
from infra.platform import Platform

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
UNCHECKED = b"\x01\x00\x00\x00"
"""The flags of a compiled file that is never compared with its source (PEP 552)."""


def test_compiled_files_tell_nothing_of_the_machine_when_written(tmp_path: Path) -> None:
    (tmp_path / "press").mkdir()
    (tmp_path / "press" / "ink.py").write_text("def black():\n    return {'a', 'b'}\n", encoding="utf-8")

    compile_all(tmp_path, Path(sys.executable))

    (compiled,) = tmp_path.rglob("*.pyc")
    content = compiled.read_bytes()
    assert content[4:8] == UNCHECKED
    assert b"/var/task/press/ink.py" in content
    assert str(tmp_path).encode() not in content


def test_source_is_refused_when_it_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "ink.py").write_text("def\n", encoding="utf-8")

    with pytest.raises(NoPythonError, match="SyntaxError"):
        compile_all(tmp_path, Path(sys.executable))


def test_python_is_this_one_when_the_version_is_the_same() -> None:
    assert find_python(HERE, Path("/no/uv"), {}) == Path(sys.executable)


@pytest.mark.parametrize("answer", [f'exec {sys.executable} "$@"', "exit 127"])
def test_python_is_passed_over_when_it_is_a_shim_or_of_another_version(
    tmp_path: Path, stand_in_uv: Path, answer: str
) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    shim.chmod(0o755)

    with pytest.raises(NoPythonError, match=r"no Python 3\.99 .*bytecode=off"):
        find_python("3.99", stand_in_uv, {"PATH": str(tmp_path)})


def test_bundle_is_refused_when_no_python_can_compile_it_and_built_when_told_to_go_without(
    tmp_path: Path, stand_in_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", str(stand_in_uv))

    with pytest.raises(BundlingError, match=r"the bundle of journal: no Python 3\.99"):
        bundle("journal", Platform("arm64", "3.99"), tmp_path / "compiled")
    bundle("journal", Platform("arm64", "3.99", compiled=False), tmp_path / "plain")

    assert list((tmp_path / "plain").rglob("*.pyc")) == []
    assert (tmp_path / "plain" / "functions" / "journal" / "handler.py").is_file()
