from __future__ import annotations

import json

import pytest

from infra.platform import Platform
from infra.stage import ConfigurationError, Stage
from tests.support.repository import ROOT


def test_platform_is_one_setting_when_read() -> None:
    platform = Platform.from_context("arm64-3.13")

    assert (platform.architecture, platform.python, platform.wheels) == ("arm64", "3.13", "aarch64-manylinux2014")


def test_bytecode_is_a_setting_of_the_platform_when_read() -> None:
    assert Platform.from_context("arm64-3.13").compiled
    assert not Platform.from_context("arm64-3.13", bytecode="off").compiled
    with pytest.raises(ConfigurationError, match=r"bytecode in cdk\.json is 'maybe'"):
        Platform.from_context("arm64-3.13", bytecode="maybe")


def test_platform_of_a_host_is_read_when_it_is_another() -> None:
    assert Platform.from_context("x86_64-3.11").wheels == "x86_64-manylinux2014"


@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_platform_keeps_snapshots_when_lambda_has_them_for_its_python(python: str) -> None:
    stages = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]["stages"]
    stage = Stage.from_context("dev", stages | {"dev": stages["dev"] | {"snap_start": True}})

    Platform.from_context(f"arm64-{python}").check(stage)
    with pytest.raises(ConfigurationError, match=r"snap_start needs Python 3\.12 or later, and platform says 3\.11"):
        Platform.from_context("arm64-3.11").check(stage)


@pytest.mark.parametrize("value", ["", "arm64", "arm-3.13", "arm64-3", "arm64-3.13-extra", 3, None])
def test_platform_is_refused_when_lambda_has_no_such(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"not one like arm64-3\.13"):
        Platform.from_context(value)
