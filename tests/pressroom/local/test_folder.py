"""The runtime's folder."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from pressroom.local.folder import runtime_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_is_gone_when_the_runtime_ended(area: Path) -> None:
    with runtime_folder() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "log").write_text("text")
        assert folder.parent == area

    assert list(area.iterdir()) == []


def test_folder_of_a_dead_runtime_is_removed_when_the_next_one_starts(area: Path) -> None:
    dead = area / "pressroom-local-dead"
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "log").write_text("text")

    with runtime_folder() as folder:
        assert list(area.iterdir()) == [folder]


def test_folder_of_a_living_runtime_and_of_others_stay_when_the_next_one_starts(area: Path) -> None:
    (area / "pressroom-local-notes").mkdir()
    with runtime_folder() as first, runtime_folder() as second:
        assert first.exists()
        assert second.exists()

    assert [path.name for path in area.iterdir()] == ["pressroom-local-notes"]
