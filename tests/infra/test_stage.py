from __future__ import annotations

import json
from typing import Any

import pytest

from infra.stage import ConfigurationError, Stage
from tests.support.repository import ROOT


def _stages() -> dict[str, Any]:
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    stages: dict[str, Any] = context["stages"]
    return stages


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_stage_is_read_when_cdk_json_describes_it(name: str) -> None:
    stage = Stage.from_context(name, _stages())

    assert stage.name == name
    assert stage.claude_key_secret == f"pressroom/{name}/anthropic-api-key"
    assert 2 <= stage.processor_concurrency <= 1000  # what an event source mapping takes


def test_stage_is_refused_when_nobody_described_it() -> None:
    with pytest.raises(ConfigurationError, match="stage 'staging' is not one of dev, prod"):
        Stage.from_context("staging", _stages())


def test_stage_is_refused_when_a_member_is_unknown() -> None:
    stages = _stages()
    stages["dev"]["keep_date"] = True

    with pytest.raises(ConfigurationError, match="keep_date"):
        Stage.from_context("dev", stages)


def test_stage_is_refused_when_a_member_is_missing() -> None:
    stages = _stages()
    del stages["prod"]["keep_data"]

    with pytest.raises(ConfigurationError, match="keep_data"):
        Stage.from_context("prod", stages)
