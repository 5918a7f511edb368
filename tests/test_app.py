from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def _run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """``app.py`` where there is no Node, so that it ends before it starts one."""
    return subprocess.run(  # noqa: S603  our own script
        [sys.executable, str(ROOT / "app.py"), *arguments],
        env={"PATH": "/nowhere", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_app_says_so_in_one_line_when_there_is_no_node(tmp_path: Path) -> None:
    ran = _run("-o", str(tmp_path / "out"))

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "CDK runs on Node.js, and there is no node on the PATH: install Node.js 22 or newer."
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        ("stage=staging", "stage 'staging' is not one of dev, prod in cdk.json"),
        ("platform=mips-3.13", "platform in cdk.json is 'mips-3.13', not one like arm64-3.13 or x86_64-3.13"),
    ],
)
def test_app_says_so_in_one_line_when_the_context_chooses_what_there_is_not(choice: str, line: str) -> None:
    ran = _run("-c", choice)

    assert (ran.returncode, ran.stderr.splitlines()) == (1, [line])


def test_app_says_so_in_one_line_when_a_stage_wants_snapshots_of_an_old_python() -> None:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    context["stages"]["dev"]["snap_start"] = True

    ran = _run("-c", "platform=arm64-3.11", CDK_CONTEXT_JSON=json.dumps(context))

    line = "stage 'dev' in cdk.json: snap_start needs Python 3.12 or later, and platform says 3.11"
    assert (ran.returncode, ran.stderr.splitlines()) == (1, [line])


def test_app_takes_the_context_of_the_cdk_command_when_it_hands_one_on() -> None:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]

    ran = _run(CDK_CONTEXT_JSON=json.dumps(context | {"stage": "elsewhere"}))

    assert ran.stderr.splitlines() == ["stage 'elsewhere' is not one of dev, prod in cdk.json"]
