"""A stage with every choice that the others leave out: one synthesis, looked at from all sides in one test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from infra.stage import FUNCTIONS
from tests.infra.templates import Assembly, named, statements
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OPTIONS: dict[str, Any] = {
    "claude_on": "bedrock",
    "claude_key_secret": "",
    "claude_base_url": "https://claude.example.com",
    "bedrock_models": {
        "claude-haiku-4-5": "anthropic.claude-haiku-4-5-20251001-v1:0",
        "claude-sonnet-5-5": "eu.anthropic.claude-sonnet-5-5",
    },
    "bedrock_region": "eu-west-1",
    "memory_mb": {"processor": 1_024},
    "reserved_concurrency": {"processor": 40},
    "tracing": True,
    "notify_emails": ["ada@example.com"],
    "alarm_emails": ["grace@example.com", "ada@example.com"],
    "cost_alarm_usd": 3,
    "cors_origins": ["https://tools.example.com"],
    "domain_name": "press.example.com",
    "domain_certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
}


def synthesized(folder: Path) -> Assembly:
    """The stage ``full``, without bundles; the rules of cdk-nag hold for it too, or nothing is made."""
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    context["stages"]["full"] = context["stages"]["dev"] | OPTIONS
    environ = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    command = [sys.executable, str(ROOT / "app.py"), "-c", "stage=full", "-c", "bundle=off", "-o", str(folder)]
    made = subprocess.run(  # noqa: S603  our own script
        command,
        env=environ | {"CDK_CONTEXT_JSON": json.dumps(context)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return Assembly(folder, "full")


def test_stage_has_what_it_asks_for_when_it_asks_for_everything(tmp_path: Path, subtests: pytest.Subtests) -> None:
    full = synthesized(tmp_path)
    processor = full.function("processor")

    with subtests.test("memory, concurrency and tracing"):
        assert (processor["MemorySize"], processor["ReservedConcurrentExecutions"]) == (1_024, 40)
        modes = [each["Properties"]["TracingConfig"] for each in full.all("AWS::Lambda::Function").values()]
        assert modes == [{"Mode": "Active"}] * 6
        [traces] = [each for each in statements(full, "processor") if each.resource == "*"]
        assert traces.actions == {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    with subtests.test("Claude by way of a gateway"):
        assert full.environment("processor")["PRESSROOM_ANTHROPIC_BASE_URL"] == "https://claude.example.com"
    with subtests.test("Claude on Bedrock, by these models and without a key"):
        _bedrock_is_called(full)
    with subtests.test("people who are told"):
        told = [each["Properties"] for each in full.all("AWS::SNS::Subscription").values()]
        assert sorted((each["TopicArn"]["Ref"], each["Endpoint"]) for each in told) == [
            ("AlarmTopic", "ada@example.com"),
            ("AlarmTopic", "grace@example.com"),
            ("JobTopic", "ada@example.com"),
        ]
        assert {each["Protocol"] for each in told} == {"email"}
        assert full.one("AWS::CloudWatch::Alarm", AlarmName="pressroom-full-cost")["Threshold"] == 3_000_000
    with subtests.test("browsers"):
        cors = full.one("AWS::ApiGatewayV2::Api")["CorsConfiguration"]
        assert cors["AllowOrigins"] == ["https://tools.example.com"]
        assert {"authorization", "idempotency-key"} <= set(cors["AllowHeaders"])
    with subtests.test("a domain of its own"):
        domain = full.one("AWS::ApiGatewayV2::DomainName")
        [configuration] = domain["DomainNameConfigurations"]
        assert (domain["DomainName"], configuration["SecurityPolicy"]) == ("press.example.com", "TLS_1_2")
        assert full.one("AWS::ApiGatewayV2::ApiMapping")["Stage"] == "$default"
        assert "DomainTarget" in full.template["Outputs"]


def _bedrock_is_called(full: Assembly) -> None:
    environ = full.environment("processor")
    assert json.loads(environ["PRESSROOM_BEDROCK_MODELS_JSON"]) == OPTIONS["bedrock_models"]
    assert full.environment("api")["PRESSROOM_BEDROCK_MODELS_JSON"] == environ["PRESSROOM_BEDROCK_MODELS_JSON"]
    assert (environ["PRESSROOM_BEDROCK_REGION"], environ["PRESSROOM_CLAUDE_KEY_SECRET"]) == ("eu-west-1", "")
    profile = "arn:AWS::Partition:bedrock:eu-west-1:AWS::AccountId:inference-profile/eu.anthropic.claude-sonnet-5-5"
    granted = {
        (function, each.resource): (each.actions, _resolved(each.conditions))
        for function in FUNCTIONS
        for each in statements(full, function)
        if any(action.startswith(("bedrock:", "secretsmanager:")) for action in each.actions)
    }
    actions = frozenset({"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"})
    models = "foundation-model/anthropic.claude"
    assert granted == {
        ("processor", f"arn:AWS::Partition:bedrock:eu-west-1::{models}-haiku-4-5-20251001-v1:0"): (actions, {}),
        ("processor", profile): (actions, {}),
        # Wherever the profile sends the call, and for nobody but the profile.
        ("processor", f"arn:AWS::Partition:bedrock:*::{models}-sonnet-5-5"): (
            actions,
            {"StringEquals": {"bedrock:InferenceProfileArn": profile}},
        ),
    }


def _resolved(conditions: dict[str, Any]) -> dict[str, Any]:
    """The conditions, with a reference as its logical id."""
    return {operator: {key: named(value) for key, value in keys.items()} for operator, keys in conditions.items()}


def test_stage_has_nothing_of_it_when_it_asks_for_nothing(dev: Assembly) -> None:
    assert "CorsConfiguration" not in dev.one("AWS::ApiGatewayV2::Api")
    assert not dev.all("AWS::SNS::Subscription")
    assert not dev.all("AWS::ApiGatewayV2::DomainName")
    assert "DomainTarget" not in dev.template["Outputs"]
    assert dev.environment("processor")["PRESSROOM_BEDROCK_MODELS_JSON"] == ""
    assert '"bedrock:' not in dev.text
