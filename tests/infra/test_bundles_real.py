"""Real bundles, built for this machine by uv from the locks: their weight, their start, and what memory they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import handled, imports, memory
from infra.bundles import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.emulator import Emulator


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imports.lay_out_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def stage(emulator: Emulator) -> Iterator[handled.Stage]:
    with handled.open_stage(emulator) as opened:
        yield opened


@pytest.mark.parametrize("function", imports.FUNCTIONS)
def test_bundle_is_small_and_starts_fast_in_little_memory_when_built_from_its_lock(
    function: str, runtime: Path, stage: handled.Stage, tmp_path: Path
) -> None:
    folder = imports.build(function, tmp_path)

    assert imports.megabytes(folder) <= imports.MAX_MEGABYTES[function]
    compiled = {path.parent.parent / path.name.partition(".")[0] for path in folder.rglob("*.pyc")}
    assert {source.with_suffix("") for source in folder.rglob("*.py")} == compiled
    assert imports.ratio(function, folder, runtime) <= imports.CEILINGS[function]
    assert memory.measure(stage, function, folder, runtime).peak_megabytes <= memory.CEILINGS[function]


def test_bundle_is_the_same_bytes_when_built_again(tmp_path: Path) -> None:
    built = []
    for name in ("first", "second"):
        bundle("api", imports.host(), tmp_path / name)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        built.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})

    assert built[0].keys() == built[1].keys()
    assert [str(path) for path in built[0] if built[0][path] != built[1][path]] == []
    assert any(path.suffix == ".pyc" for path in built[0])
