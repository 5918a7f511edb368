from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.repository import ROOT

if TYPE_CHECKING:
    from tests.infra.templates import Assembly

STATEFUL = {
    "Table": "AWS::DynamoDB::Table",
    "WorkQueue": "AWS::SQS::Queue",
    "DeadLettersQueue": "AWS::SQS::Queue",
    "StreamFailures": "AWS::SQS::Queue",
    "JobTopic": "AWS::SNS::Topic",
    "AlarmTopic": "AWS::SNS::Topic",
    "Users": "AWS::Cognito::UserPool",
    "CommandLineClient": "AWS::Cognito::UserPoolClient",
}


@pytest.fixture(params=["dev", "prod"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    made: Assembly = request.getfixturevalue(request.param)
    return made


def test_stateful_resources_keep_their_ids_when_the_code_moves(assembly: Assembly) -> None:
    resources = assembly.template["Resources"]
    stateful = {name: each["Type"] for name, each in resources.items() if each["Type"] in set(STATEFUL.values())}

    assert stateful == STATEFUL


def test_synthesis_asks_nobody_when_it_runs(assembly: Assembly) -> None:
    stack = assembly.manifest["artifacts"][f"pressroom-{assembly.stage}"]

    assert "missing" not in assembly.manifest
    assert stack["environment"] == "aws://unknown-account/unknown-region"


def test_template_names_no_host_but_the_identity_provider_when_read(assembly: Assembly) -> None:
    own = "http://localhost:"  # where a browser brings the code to the command line
    named = {url for url in re.findall(r"https?://[^\"]*", assembly.text) if not url.startswith(own)}
    assert named == {"https://cognito-idp.", "https://"}  # the second continues with the sign-in pages' domain
    assert set(re.findall(r"[\w-]+\.com", assembly.text)) == {"amazoncognito.com", "amazonaws.com"}
    assert not re.search(r"pypi|registry|npm|docker|ecr\.", assembly.text, re.IGNORECASE)


def test_stack_says_nothing_when_it_synthesizes(assembly: Assembly) -> None:
    lines = (assembly.folder / "stderr").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not line.startswith("Bundling asset ")] == []


def test_stack_is_protected_when_the_stage_keeps_data(dev: Assembly, prod: Assembly) -> None:
    protected = [
        each.manifest["artifacts"][f"pressroom-{each.stage}"]["properties"]["terminationProtection"]
        for each in (dev, prod)
    ]

    assert protected == [False, True]


def test_stages_differ_in_choices_only_when_compared(dev: Assembly, prod: Assembly) -> None:
    kinds = [
        # A permission's id tells the stack's name.
        sorted((name, kind) for name, kind in _types(each).items() if kind != "AWS::Lambda::Permission")
        for each in (dev, prod)
    ]

    assert kinds[0] == kinds[1]


UNTAGGED = {
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::CloudWatch::Dashboard",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}
"""What CloudFormation gives no tags."""


def test_everything_that_can_have_tags_says_what_it_belongs_to(assembly: Assembly) -> None:
    wrong = {
        name: each["Type"]
        for name, each in assembly.template["Resources"].items()
        if each["Type"] not in UNTAGGED
        and not _tags(each["Properties"]) >= {"application": "pressroom", "stage": assembly.stage}.items()
    }

    assert wrong == {}


def _tags(properties: dict[str, Any]) -> set[tuple[str, str]]:
    """Tags, which are a list of pairs or a map, whatever the service likes."""
    tags = properties.get("Tags", properties.get("UserPoolTags", {}))
    return set(tags.items()) if isinstance(tags, dict) else {(tag["Key"], tag["Value"]) for tag in tags}


def test_what_an_operator_reads_in_the_console_is_described(assembly: Assembly) -> None:
    described = {
        "AWS::ApiGatewayV2::Api": "Description",
        "AWS::CloudWatch::Alarm": "AlarmDescription",
        "AWS::Events::Rule": "Description",
        "AWS::Lambda::Function": "Description",
    }
    resources = assembly.template["Resources"].items()
    told = {
        name: each["Properties"].get(described[each["Type"]]) for name, each in resources if each["Type"] in described
    }
    told |= {name: output.get("Description") for name, output in assembly.template["Outputs"].items()}
    told["the stack"] = assembly.template.get("Description")

    assert {described[each["Type"]] for _, each in resources if each["Type"] in described} == set(described.values())
    assert [name for name, text in told.items() if not text] == []


def _types(assembly: Assembly) -> dict[str, str]:
    return {name: each["Type"] for name, each in assembly.template["Resources"].items()}


def test_outputs_tell_a_client_where_to_go_when_deployed(assembly: Assembly) -> None:
    assert assembly.template["Outputs"].keys() >= {"ApiUrl", "UserPoolId", "CommandLineClientId", "TopicArn"}


def test_every_finding_that_is_acknowledged_has_a_reason_when_checked(assembly: Assembly) -> None:
    # Synthesis fails on a finding that nobody acknowledged, so these are all there are.
    metadata: dict[str, list[dict[str, Any]]] = json.loads(
        (assembly.folder / f"pressroom-{assembly.stage}.metadata.json").read_text(encoding="utf-8")
    )
    acknowledged = {
        rule.rpartition("::")[2]: reason
        for entries in metadata.values()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
    }

    assert acknowledged.keys() == {
        *(f"AwsSolutions-{rule}" for rule in ("APIG4", "COG2", "COG8", "L1", "SQS3")),
        *(f"Serverless-Lambda{rule}" for rule in ("AsyncFailureDestination", "DLQ", "EventSourceMappingDestination")),
        *(f"Serverless-{rule}" for rule in ("EventBusDLQ", "LambdaLatestVersion", "LambdaTracing", "SQSRedrivePolicy")),
    }
    assert all(len(reason) > 40 for reason in acknowledged.values())


def test_operators_page_names_what_is_there_when_it_sends_somebody_to_the_console(prod: Assembly) -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    resources = set(re.findall(r"`((?:/aws/lambda/)?pressroom-<stage>(?:-[\w.-]*\w)?)`", page))
    queries = set(re.findall(r"[Qq]uery `([^`]+)`", page))
    emphasized = re.findall(r"\*([^*]+)\*", re.sub(r"\*\*[^*]+\*\*", "", page))
    graphs = {words for words in emphasized if re.search(r"[,:]", words) and not words.endswith(".")}
    outputs = set(re.findall(r"\| `([A-Z]\w+)` \| `PRESSROOM_", page))
    dashboard = json.dumps(prod.one("AWS::CloudWatch::Dashboard"))

    assert min(len(resources), len(queries), len(graphs), len(outputs)) >= 3
    assert {name for name in resources if f'"{name.replace("<stage>", "prod")}"' not in prod.text} == set()
    assert {name for name in queries if f'"pressroom/prod/{name}"' not in prod.text} == set()
    assert {title for title in graphs if f'\\"title\\":\\"{title}\\"' not in dashboard} == set()
    assert outputs <= prod.template["Outputs"].keys()


def test_operators_page_says_what_to_read_when_an_alarm_tells(prod: Assembly) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([a-z0-9-]+)`", " ".join(re.findall(r"^\| (`[a-z].*?) \|", page, re.MULTILINE)))
    names = [each["Properties"]["AlarmName"] for each in prod.all("AWS::CloudWatch::Alarm").values()]

    assert {name.removeprefix("pressroom-prod-") for name in names} <= set(listed)
