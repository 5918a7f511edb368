"""Real bundles, built for this machine by uv from the locks: their weight, their start, and what memory they need."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks import handled, imports, memory
from infra.bundles import ROOT, bundle
from infra.platform import Platform

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
    assert imports.ratio(function, folder, runtime, runs=5) <= imports.CEILINGS[function]
    assert memory.measure(stage, function, folder, runtime).peak_megabytes <= memory.CEILINGS[function]


def test_sdk_is_loaded_when_the_processor_starts(runtime: Path, tmp_path: Path) -> None:
    folder = imports.build("processor", tmp_path)
    asked = (
        "import sys, functions.processor.handler\n"
        "started = set(sys.modules)\n"
        "from shared.generation.client import ClaudeClient\n"
        "from shared.generation.pricing import parse_price_table\n"
        "ClaudeClient(api_key='none', base_url='http://127.0.0.1:9', prices=parse_price_table(''))\n"
        "print(sum(name.startswith('anthropic') for name in started))\n"
        "print(*sorted(name for name in set(sys.modules) - started))"
    )
    told = subprocess.run(  # noqa: S603  our own interpreter and our own text
        [sys.executable, "-S", "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{folder}:{runtime}", "AWS_DEFAULT_REGION": "us-east-1"},
    ).stdout.splitlines()

    assert int(told[0]) > 50
    assert told[1:] == [""]


def test_processor_starts_when_the_environment_would_fail_a_call(runtime: Path, tmp_path: Path) -> None:
    folder = imports.build("processor", tmp_path)
    subprocess.run(
        [sys.executable, "-S", "-c", "import functions.processor.handler"],
        check=True,
        env={
            "PYTHONPATH": f"{folder}:{runtime}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "ALL_PROXY": "bogus://x",
            "SSL_CERT_FILE": "/nonexistent.pem",
        },
    )


@pytest.mark.parametrize("function", imports.FUNCTIONS)
def test_bundle_runs_where_it_is_sent_when_it_was_built_elsewhere(function: str, tmp_path: Path) -> None:
    shipped = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]["platform"]
    assert shipped == "arm64-3.13"

    bundle(function, replace(Platform.from_context(shipped), compiled=False), tmp_path)

    wheels = [path.read_text("utf-8").splitlines() for path in tmp_path.glob("*.dist-info/WHEEL")]
    tags = {line.removeprefix("Tag: ") for lines in wheels for line in lines if line.startswith("Tag: ")}
    assert tags
    assert all(tag.endswith("-none-any") or re.fullmatch(r"cp313-.*_aarch64", tag) for tag in tags), tags
    native = [path.name for path in tmp_path.rglob("*.so")]
    assert [name for name in native if not name.endswith(".cpython-313-aarch64-linux-gnu.so")] == []
    assert bool(native) is (function in {"api", "processor"})


@pytest.mark.parametrize("function", ["api", "processor"])
def test_bundle_is_the_same_bytes_when_built_again(function: str, tmp_path: Path) -> None:
    built = []
    for name in ("first", "second"):
        bundle(function, imports.host(), tmp_path / name)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        built.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})

    assert built[0].keys() == built[1].keys()
    assert [str(path) for path in built[0] if built[0][path] != built[1][path]] == []
    assert any(path.suffix == ".pyc" for path in built[0])
