"""A stage with every choice that the others leave out: one synthesis, looked at from all sides in one test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from functions.api.openapi import document
from infra.stage import FUNCTIONS
from tests.infra.templates import Assembly, allowed, named, statements
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
        "claude-opus-4-7": "global.anthropic.claude-opus-4-7",
        "claude-sonnet-5-5": "eu.anthropic.claude-sonnet-5-5",
    },
    "bedrock_region": "eu-west-1",
    "encryption_key": "own",
    "memory_mb": {"processor": 1_024},
    "reserved_concurrency": {"processor": 40},
    "snap_start": True,
    "tracing": True,
    "notify_emails": ["ada@example.com"],
    "alarm_emails": ["grace@example.com", "ada@example.com"],
    "cost_alarm_usd": 3,
    "cors_origins": ["https://tools.example.com"],
    "domain_name": "press.example.com",
    "domain_certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
}

DATA_KEYS: dict[str, set[str]] = {
    "write": {"kms:Decrypt", "kms:GenerateDataKey"},
    "rows": {f"kms:{each}" for each in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")}
    | {"kms:ReEncryptFrom", "kms:ReEncryptTo"},
}
KEY_USES: dict[str, dict[str, str]] = {
    "api": {"dynamodb": "rows", "sqs": "write"},
    "dead_letters": {"dynamodb": "rows", "sqs": "write"},
    "finalizer": {"dynamodb": "rows", "sns": "write", "sqs": "write"},
    "journal": {"dynamodb": "rows", "sqs": "write"},
    "processor": {"dynamodb": "rows", "sqs": "write"},  # on Bedrock it reads no secret
    "sweeper": {"dynamodb": "rows", "sns": "write", "sqs": "write"},
}
"""What each function does with a stage's key, by the service through which it does."""

CALLERS = {
    "AWS::ApiGatewayV2::Integration",
    "AWS::Events::Rule",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
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
        bedrock_is_called(full)
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
        sent, read = _headers_of_the_api()
        assert set(cors["AllowHeaders"]) == sent
        assert set(cors["ExposeHeaders"]) == read
        preflight = full.one("AWS::ApiGatewayV2::Route", RouteKey="OPTIONS /{proxy+}")
        assert preflight["AuthorizationType"] == "NONE"
    with subtests.test("snapshots of what somebody waits for"):
        called_by_alias(full)
    with subtests.test("a key of its own"):
        lies_under_its_key(full)
    with subtests.test("a domain of its own"):
        domain = full.one("AWS::ApiGatewayV2::DomainName")
        [configuration] = domain["DomainNameConfigurations"]
        assert (domain["DomainName"], configuration["SecurityPolicy"]) == ("press.example.com", "TLS_1_2")
        assert full.one("AWS::ApiGatewayV2::ApiMapping")["Stage"] == "$default"
        assert "DomainTarget" in full.template["Outputs"]


def bedrock_is_called(full: Assembly) -> None:
    environ = full.environment("processor")
    assert json.loads(environ["PRESSROOM_BEDROCK_MODELS_JSON"]) == OPTIONS["bedrock_models"]
    assert full.environment("api")["PRESSROOM_BEDROCK_MODELS_JSON"] == environ["PRESSROOM_BEDROCK_MODELS_JSON"]
    assert (environ["PRESSROOM_BEDROCK_REGION"], environ["PRESSROOM_CLAUDE_KEY_SECRET"]) == ("eu-west-1", "")
    profiles = "arn:AWS::Partition:bedrock:eu-west-1:AWS::AccountId:inference-profile"
    near, anywhere = f"{profiles}/eu.anthropic.claude-sonnet-5-5", f"{profiles}/global.anthropic.claude-opus-4-7"
    granted = {
        (function, each.resource): (each.actions, resolved(each.conditions))
        for function in FUNCTIONS
        for each in statements(full, function)
        if any(action.startswith(("bedrock:", "secretsmanager:")) for action in each.actions)
    }
    actions = frozenset({"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"})
    models = "foundation-model/anthropic.claude"
    assert granted == {
        ("processor", f"arn:AWS::Partition:bedrock:eu-west-1::{models}-haiku-4-5-20251001-v1:0"): (actions, {}),
        ("processor", near): (actions, {}),
        ("processor", anywhere): (actions, {}),
        # Wherever the profile sends the call, and for nobody but the profile.
        ("processor", f"arn:AWS::Partition:bedrock:*::{models}-sonnet-5-5"): (actions, for_calls_by(near)),
        ("processor", f"arn:AWS::Partition:bedrock:*::{models}-opus-4-7"): (actions, for_calls_by(anywhere)),
        ("processor", f"arn:AWS::Partition:bedrock:::{models}-opus-4-7"): (actions, for_calls_by(anywhere)),
    }


def for_calls_by(profile: str) -> dict[str, Any]:
    """The condition that a model is called by this profile."""
    return {"StringEquals": {"bedrock:InferenceProfileArn": profile}}


def resolved(conditions: dict[str, Any]) -> dict[str, Any]:
    """The conditions, with a reference as its logical id."""
    return {operator: {key: named(value) for key, value in keys.items()} for operator, keys in conditions.items()}


def called_by_alias(full: Assembly) -> None:
    """The functions that somebody waits for have snapshots, and nothing calls them but by their aliases."""
    functions = {each["Properties"]["FunctionName"]: name for name, each in full.all("AWS::Lambda::Function").items()}
    aliases = {each["Properties"]["FunctionName"]["Ref"]: name for name, each in full.all("AWS::Lambda::Alias").items()}
    waited_for = {functions[f"pressroom-full-{name}"] for name in ("api", "processor")}
    snapped = {name for name, each in full.all("AWS::Lambda::Function").items() if "SnapStart" in each["Properties"]}
    versions = full.all("AWS::Lambda::Version")
    assert snapped == aliases.keys() == {each["Properties"]["FunctionName"]["Ref"] for each in versions.values()}
    assert snapped == waited_for
    for function, alias in aliases.items():
        [version, attribute] = full.all("AWS::Lambda::Alias")[alias]["Properties"]["FunctionVersion"]["Fn::GetAtt"]
        assert (versions[version]["Properties"]["FunctionName"], attribute) == ({"Ref": function}, "Version")
    # What calls them knows their aliases only; the alias' own qualifier stands beside the function's name.
    callers = {
        name: set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', json.dumps(each["Properties"])))
        for name, each in full.template["Resources"].items()
        if each["Type"] in CALLERS
    }
    assert not [name for name, named in callers.items() if named & waited_for]
    called = {
        alias: {full.template["Resources"][name]["Type"] for name in callers if alias in callers[name]}
        for alias in aliases.values()
    }
    api, processor_alias = (aliases[functions[f"pressroom-full-{name}"]] for name in ("api", "processor"))
    assert called == {
        api: {"AWS::ApiGatewayV2::Integration", "AWS::Lambda::Permission"},
        processor_alias: {"AWS::IAM::Policy", "AWS::Lambda::EventSourceMapping"},
    }
    assert allowed(full, "api")[processor_alias] == {"lambda:InvokeFunction"}
    assert full.environment("api")["PRESSROOM_PROCESSOR_FUNCTION"] == processor_alias
    invoke = full.invocations_of("processor")
    assert processor_alias in json.dumps(invoke["Qualifier"])
    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)


def lies_under_its_key(full: Assembly) -> None:
    """All that keeps data, and every role is permitted what it needs."""
    key = full.all("AWS::KMS::Key")["EncryptionKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    arn = {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
    assert under(full) == [{"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn}] + [arn] * 12
    served = {each["Sid"]: each for each in key["KeyPolicy"]["Statement"] if "Sid" in each}
    assert served.keys() == {"Alarms", "Logs"}
    [groups] = served["Logs"]["Condition"]["ArnLike"].values()
    bounds = [each["Fn::Join"][1][-1].removeprefix(":log-group:") for each in groups]
    names = [each["Properties"]["LogGroupName"] for each in full.all("AWS::Logs::LogGroup").values()]
    assert [name for name in names if not any(fnmatchcase(name, bound) for bound in bounds)] == []
    assert served["Alarms"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    for name, used in KEY_USES.items():
        uses = {
            each.conditions["StringEquals"]["kms:ViaService"]["Fn::Join"][1][0]: each.actions
            for each in statements(full, name)
            if each.resource == "EncryptionKey.Arn"
        }
        assert uses == {f"{service}.": DATA_KEYS[kind] for service, kind in used.items()}, name


def under(assembly: Assembly) -> list[Any]:
    """The keys of all that keeps data: one table, then queues, topics and log groups."""
    kinds = {
        "AWS::DynamoDB::Table": "SSESpecification",
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
    }
    return [each["Properties"].get(key) for kind, key in kinds.items() for each in assembly.all(kind).values()]


def test_stage_has_nothing_of_it_when_it_asks_for_nothing(dev: Assembly) -> None:
    assert not dev.all("AWS::KMS::Key")
    assert not dev.all("AWS::Lambda::Alias")
    assert "SnapStart" not in dev.text
    assert under(dev) == [None] * 13
    assert "kms:" not in dev.text
    assert "CorsConfiguration" not in dev.one("AWS::ApiGatewayV2::Api")
    assert not dev.all("AWS::SNS::Subscription")
    assert not dev.all("AWS::ApiGatewayV2::DomainName")
    assert "DomainTarget" not in dev.template["Outputs"]
    assert dev.environment("processor")["PRESSROOM_BEDROCK_MODELS_JSON"] == ""
    assert '"bedrock:' not in dev.text


def _headers_of_the_api() -> tuple[set[str], set[str]]:
    """What callers send and what they are told, in lower case: the contract's, and those of every route."""
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    asked = {part["name"] for operation in operations for part in operation["parameters"] if part["in"] == "header"}
    told = {
        name
        for operation in operations
        for reply in operation["responses"].values()
        for name in reply.get("headers", {})
    }
    # No operation has a token, a body's type or a method that it does not take among its own.
    return {name.lower() for name in (*asked, "Authorization", "Content-Type")}, {
        name.lower() for name in told | {"Allow"}
    }
