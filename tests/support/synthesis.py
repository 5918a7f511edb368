"""Fixtures of the templates, synthesized once a session as ``make synth`` does, by all workers together."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.infra.templates import Assembly
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAND_IN = ROOT / "tests" / "infra" / "stand_in_uv.py"


@pytest.fixture(scope="session")
def stand_in_uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uv that needs no network: it puts its own arguments where the packages would be."""
    script = tmp_path_factory.mktemp("uv") / "uv"
    script.write_text(f"#!{sys.executable}\n{STAND_IN.read_text(encoding='utf-8')}", encoding="utf-8")
    script.chmod(0o755)
    return script


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory, stand_in_uv: Path) -> Callable[[str], Assembly]:
    """What ``app.py`` makes of a stage. The environment holds nothing of AWS: a look-up would fail."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "assemblies"
    place.mkdir(exist_ok=True)
    environ = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ} | {"UV": str(stand_in_uv)}

    def synthesize(stage: str) -> Assembly:
        folder = place / stage
        with (place / f"{stage}.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker waits and finds it made
            if not (folder / "manifest.json").exists():
                command = [
                    sys.executable,
                    str(ROOT / "app.py"),
                    "-c",
                    "bytecode=off",
                    "-c",
                    f"stage={stage}",
                    "-o",
                    str(folder),
                ]
                made = subprocess.run(  # noqa: S603  our own script
                    command, env=environ, capture_output=True, text=True, check=False, cwd=place
                )
                assert made.returncode == 0, made.stderr
                (folder / "stderr").write_text(made.stderr, encoding="utf-8")
        return Assembly(folder, stage)

    return synthesize


@pytest.fixture(scope="session")
def dev(synthesized: Callable[[str], Assembly]) -> Assembly:
    return synthesized("dev")


@pytest.fixture(scope="session")
def prod(synthesized: Callable[[str], Assembly]) -> Assembly:
    return synthesized("prod")
