from __future__ import annotations

import dataclasses
import json
import re
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

    with pytest.raises(ConfigurationError, match=r"keep_date is no setting; did you mean keep_data\?"):
        Stage.from_context("dev", stages)


def test_stage_is_refused_when_a_member_is_missing() -> None:
    stages = _stages()
    del stages["prod"]["keep_data"]

    with pytest.raises(ConfigurationError, match=r"stage 'prod' in cdk\.json: keep_data is missing"):
        Stage.from_context("prod", stages)


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("keep_data", "yes", "keep_data is 'yes', not true or false"),
        ("keep_data", 1, "keep_data is 1, not true or false"),
        ("log_retention", "TEN_DAYS", "log_retention is 'TEN_DAYS', not one of ONE_DAY"),
        ("log_retention", ["ONE_DAY"], "log_retention is ['ONE_DAY'], not one of ONE_DAY"),
        ("processor_concurrency", 1, "processor_concurrency is 1, not a whole number from 2 to 1,000"),
        ("processor_concurrency", True, "processor_concurrency is True, not a whole number"),
        ("processor_concurrency", 20.0, "processor_concurrency is 20.0, not a whole number"),
        ("requests_per_second", 0, "requests_per_second is 0, not"),
        ("request_burst", 5_001, "request_burst is 5001, not"),
        ("request_burst", 1, "request_burst is 1, less than requests_per_second"),
        ("claude_key_secret", "", "claude_key_secret is '', not such as pressroom/dev/anthropic-api-key"),
        ("claude_key_secret", "a b", "claude_key_secret is 'a b', not \"\" or such as"),
        ("claude_on", "vertex", "claude_on is 'vertex', not one of anthropic, bedrock"),
        ("claude_on", "bedrock", "claude_key_secret is set, and claude_on is bedrock, which takes no key"),
        ("claude_on", "bedrock", "bedrock_models is empty, and claude_on is bedrock: no model could be used"),
        ("bedrock_models", {"claude-opus-5": "opus"}, "each such as global.anthropic.claude-sonnet-5-5"),
        ("bedrock_models", {"claude-opus-5": "anthropic.claude-opus-5"}, "is set, and claude_on is anthropic"),
        ("bedrock_region", "Frankfurt", "bedrock_region is 'Frankfurt', not \"\" or such as eu-central-1"),
        ("bedrock_region", "eu-west-1", "bedrock_region is set, and claude_on is anthropic"),
        ("claude_base_url", "claude", "claude_base_url is 'claude', not \"\" or such as https://claude.example.com"),
        ("encryption_key", "mine", "encryption_key is 'mine', not \"\" or such as own or arn:aws:kms:…:key/…"),
        ("encryption_key", "arn:aws:kms:eu-central-1:123456789012:alias/ours", 'not "" or such as own or arn:'),
        ("memory_mb", 512, "memory_mb is 512, not an object"),
        ("memory_mb", {"apis": 512}, "memory_mb is {'apis': 512}, not an object with members of api, dead_letters"),
        ("memory_mb", {"api": 64}, "not an object whose members are each a whole number from 128 to 10,240"),
        ("reserved_concurrency", {"api": -1}, "reserved_concurrency is {'api': -1}, not an object whose members"),
        ("reserved_concurrency", {"processor": 5}, "reserved_concurrency of the processor is 5, less than"),
        ("alarm_emails", "ada@example.com", "alarm_emails is 'ada@example.com', not a list of at most 10"),
        ("notify_emails", ["ada"], "notify_emails is ['ada'], not a list, each such as ada@example.com"),
        ("cost_alarm_usd", 0, "cost_alarm_usd is 0, not a whole number from 1 to 1,000,000"),
        ("cors_origins", ["*"], "cors_origins is ['*'], not a list, each such as https://tools.example.com"),
        ("domain_name", "press", "domain_name is 'press', not \"\" or such as press.example.com"),
        ("tracing", "on", "tracing is 'on', not true or false"),
        ("snap_start", "on", "snap_start is 'on', not true or false"),
        ("limits", [], "limits is [], not an object"),
    ],
)
def test_stage_is_refused_by_its_fields_name_when_a_value_is_wrong(member: str, value: object, told: str) -> None:
    stages = _stages()
    stages["dev"][member] = value

    with pytest.raises(ConfigurationError) as caught:
        Stage.from_context("dev", stages)
    assert str(caught.value).startswith("stage 'dev' in cdk.json: ")
    assert told in str(caught.value)


def test_stage_is_refused_when_a_model_of_bedrock_has_no_price() -> None:
    stages = _stages()
    bedrock = {"claude_on": "bedrock", "claude_key_secret": "", "bedrock_models": {"claude-3": "anthropic.claude-3"}}
    stages["dev"] |= bedrock

    with pytest.raises(
        ConfigurationError, match="bedrock_models names claude-3, which has no price; known are claude-"
    ):
        Stage.from_context("dev", stages)


def test_every_wrong_field_is_named_when_there_are_several() -> None:
    stages = _stages()
    stages["dev"] |= {"keep_data": None, "request_burst": "many"}

    with pytest.raises(ConfigurationError, match=r"keep_data is None, .*; request_burst is 'many', not"):
        Stage.from_context("dev", stages)


def test_stage_is_refused_when_its_name_fits_no_resource() -> None:
    with pytest.raises(ConfigurationError, match="name is 'Dev Stage', not such as dev"):
        Stage.from_context("Dev Stage", {"Dev Stage": _stages()["dev"]})


def test_every_setting_is_described_when_the_code_has_it() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    needed = set(re.findall(r"^\| `(\w+)` \|", page[: page.index("## What a stage may say")], re.MULTILINE))

    settings = {each.name: each for each in dataclasses.fields(Stage) if each.name != "name"}
    assert described == settings.keys()
    missing = dataclasses.MISSING
    assert needed == {
        name for name, each in settings.items() if each.default is missing and each.default_factory is missing
    }


def test_domain_is_refused_when_its_certificate_is_missing() -> None:
    stages = _stages()
    stages["dev"]["domain_name"] = "press.example.com"

    with pytest.raises(ConfigurationError, match="domain_name and domain_certificate_arn need each other"):
        Stage.from_context("dev", stages)
