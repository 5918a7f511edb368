from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from infra.bundles import BundlingError, bundle, find_uv
from infra.platform import Platform
from infra.sources import modules_of
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HOST_LIKE = Platform("x86_64", "3.12", compiled=False)


@pytest.fixture
def uv(stand_in_uv: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV", str(stand_in_uv))
    return stand_in_uv


@pytest.mark.usefixtures("uv")
def test_bundle_holds_packages_and_sources_when_built(tmp_path: Path) -> None:
    bundle("finalizer", HOST_LIKE, tmp_path)

    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    sources = {path for path in files if path.parts[0] != "package"}
    assert sources == set(modules_of("finalizer", ROOT))


@pytest.mark.usefixtures("uv")
def test_bundle_asks_for_locked_wheels_of_its_platform_when_built(tmp_path: Path) -> None:
    bundle("finalizer", HOST_LIKE, tmp_path)

    told = " ".join(json.loads((tmp_path / "package" / "arguments.json").read_text(encoding="utf-8")))
    assert "--python-platform x86_64-manylinux2014 --python-version 3.12" in told
    assert "--only-binary :all: --require-hashes" in told
    assert told.endswith("requirements/finalizer.txt")


@pytest.mark.usefixtures("uv")
def test_bundle_tells_what_uv_said_when_the_packages_cannot_be_installed(tmp_path: Path) -> None:
    with pytest.raises(BundlingError, match="packages of finalizer could not be installed:\nno such package"):
        bundle("finalizer", HOST_LIKE, tmp_path / "refused")


def test_uv_is_the_named_one_when_the_environment_names_it(stand_in_uv: Path) -> None:
    assert find_uv({"UV": str(stand_in_uv), "PATH": "/nowhere"}) == stand_in_uv


def test_uv_is_the_one_beside_python_when_there_is_one(
    stand_in_uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert find_uv({"PATH": str(stand_in_uv.parent)}) == tmp_path / "uv"


def test_uv_is_the_one_on_the_path_when_there_is_no_nearer(
    stand_in_uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("infra.bundles.ROOT", tmp_path)

    assert find_uv({"PATH": str(stand_in_uv.parent)}) == stand_in_uv


def test_bundling_is_refused_in_one_line_when_there_is_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("infra.bundles.ROOT", tmp_path)

    with pytest.raises(BundlingError, match="make setup"):
        find_uv({"PATH": "/nowhere"})
