"""What a role lacks, told from what its template grants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pressroom.admin.grants import missing_grants

RESOURCES = {
    "ApiRole": ("AWS::IAM::Role", "pressroom-dev-ApiRole-1"),
    "Key": ("AWS::KMS::Key", "arn:aws:kms:eu-central-1:123456789012:key/2"),
    "Logs": ("AWS::Logs::LogGroup", "/aws/lambda/pressroom-dev-api"),
    "Queue": ("AWS::SQS::Queue", "https://sqs.eu-central-1.amazonaws.com/123456789012/pressroom-dev-work.fifo"),
    "Table": ("AWS::DynamoDB::Table", "pressroom-dev"),
    "Topic": ("AWS::SNS::Topic", "arn:aws:sns:eu-central-1:123456789012:jobs"),
}


def allow(actions: str | list[str], *resources: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources[0] if len(resources) == 1 else list(resources)}


def template(*statements: dict[str, Any]) -> dict[str, Any]:
    policy = {"PolicyName": "Policy", "Roles": [{"Ref": "ApiRole"}], "PolicyDocument": {"Statement": list(statements)}}
    return {
        "Resources": {
            "Policy": {"Type": "AWS::IAM::Policy", "Properties": policy},
            "Table": {"Type": "AWS::DynamoDB::Table"},
        }
    }


def only(statement: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The statement, for rows whose partition keys begin so."""
    return statement | {"Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}}}


JOBS, USERS = "JOB#*", "USER#*"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/pressroom-dev"
OTHER = f"{TABLE}-other"
WANTED = template(
    only(allow(["dynamodb:GetItem", "dynamodb:Query"], {"Fn::GetAtt": ["Table", "Arn"]}), JOBS, USERS),
    allow("dynamodb:Query", {"Fn::Join": ["", [{"Fn::GetAtt": ["Table", "Arn"]}, "/index/active"]]}),
    allow("sqs:SendMessage", {"Fn::GetAtt": ["Queue", "Arn"]}),
    allow("sns:Publish", {"Ref": "Topic"}) | {"Condition": {}},
    allow("kms:Encrypt", {"Fn::GetAtt": ["Key", "Arn"]}),
    allow("logs:PutLogEvents", {"Fn::GetAtt": ["Logs", "Arn"]}),
    allow("kms:Decrypt", {"Fn::ImportValue": "key"})
    | {"Condition": {"StringEquals": {"kms:ViaService": {"Fn::Sub": "sqs.${AWS::Region}"}}}},
)
ROWS = only(allow(["dynamodb:GetItem", "dynamodb:Query"], TABLE), USERS, JOBS)
INDEX = allow("dynamodb:Query", f"{TABLE}/index/active")
SEND = allow("sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:pressroom-dev-work.fifo")
PUBLISH = allow("sns:Publish", "arn:aws:sns:eu-central-1:123456789012:jobs")
DECRYPT = allow("kms:Decrypt", "arn:aws:kms:key/1") | {
    "Condition": {"StringEquals": {"kms:ViaService": "sqs.eu-central-1"}}
}
LOG = allow("logs:PutLogEvents", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/pressroom-dev-api:*")
ENCRYPT = allow("kms:Encrypt", "arn:aws:kms:eu-central-1:123456789012:key/2")
REST = (SEND, PUBLISH, DECRYPT, ENCRYPT, LOG)
WHOLE = (ROWS, INDEX, *REST)
BOTH = ["dynamodb:GetItem", "dynamodb:Query"]


@pytest.mark.parametrize(
    ("has", "missing"),
    [
        (WHOLE, []),
        ((*WHOLE, allow("sqs:DeleteMessage", "queue")), []),
        ((ROWS, *REST), ["dynamodb:Query"]),
        ((only(allow("dynamodb:Query", TABLE), JOBS, USERS), INDEX, *REST), ["dynamodb:GetItem"]),
        (REST, BOTH),
        # As many of each action, but not the same.
        ((only(allow(BOTH, OTHER), JOBS, USERS), INDEX, *REST), BOTH),
        ((ROWS, allow("dynamodb:Query", f"{TABLE}/index/watch"), *REST), ["dynamodb:Query"]),
        ((only(allow(BOTH, TABLE), JOBS), INDEX, *REST), BOTH),
        ((allow(BOTH, TABLE), INDEX, *REST), BOTH),
        ((ROWS | {"Effect": "Deny"}, INDEX, *REST), BOTH),
        (
            (ROWS, INDEX, allow("sqs:SendMessage", "arn:aws:sqs:eu-central-1:1:other.fifo"), *REST[1:]),
            SEND["Action"],
        ),
        ((ROWS, INDEX, SEND, allow("sns:Publish", "arn:aws:sns:eu-central-1:1:other"), *REST[2:]), PUBLISH["Action"]),
    ],
)
def test_missing_actions_are_named_when_a_policy_was_edited(
    has: tuple[dict[str, Any], ...], missing: list[str] | str
) -> None:
    def policy_of(role: str, name: str) -> dict[str, Any]:
        assert (role, name) == ("pressroom-dev-ApiRole-1", "Policy")
        return {"Statement": list(has)}

    expected = [("pressroom-dev-ApiRole-1", [missing] if isinstance(missing, str) else missing)] if missing else []
    assert list(missing_grants(WANTED, RESOURCES, policy_of)) == expected
    assert list(missing_grants(json.dumps(WANTED), RESOURCES, policy_of)) == expected
