from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.infra.templates import Assembly

FUNCTIONS = ["api", "dead_letters", "finalizer", "journal", "processor", "sweeper"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bundle_is_of_its_function_when_the_stack_is_synthesized(dev: Assembly, name: str) -> None:
    folder = dev.bundle(name)
    told = " ".join(json.loads((folder / "package" / "arguments.json").read_text(encoding="utf-8")))

    assert [path.name for path in (folder / "functions").iterdir() if path.is_dir()] == [name]
    assert told.endswith(f"requirements/{name}.txt")
    assert "--python-platform aarch64-manylinux2014 --python-version 3.13" in told
    assert not (folder / "bin").exists()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_is_found_in_its_bundle_when_nothing_else_of_ours_is_there(dev: Assembly, name: str) -> None:
    # -S leaves the editable installation out, so that the checkout cannot lend what the bundle lacks.
    script = f"import functions.{name}.handler as module; print(module.__file__, callable(module.handler))"
    path = os.pathsep.join([str(dev.bundle(name)), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    ran = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-B", "-S", "-c", script],
        env={"PYTHONPATH": path, "AWS_DEFAULT_REGION": "eu-central-1"},
        cwd=dev.bundle(name),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.split() == [str(dev.bundle(name) / "functions" / name / "handler.py"), "True"], ran.stderr
