"""What a role lacks, told from what its template grants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pressroom.admin.grants import missing_grants

RESOURCES = {
    "ApiRole": ("AWS::IAM::Role", "pressroom-dev-ApiRole-1"),
    "Table": ("AWS::DynamoDB::Table", "pressroom-dev"),
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


WANTED = template(
    allow(["dynamodb:GetItem", "dynamodb:Query"], {"Fn::GetAtt": ["Table", "Arn"]}),
    allow("dynamodb:Query", {"Fn::Join": ["", [{"Fn::GetAtt": ["Table", "Arn"]}, "/index/active"]]}),
)
WHOLE = (allow("dynamodb:GetItem", "table"), allow("dynamodb:Query", "table", "table/index/active"))


@pytest.mark.parametrize(
    ("has", "missing"),
    [
        (WHOLE, []),
        ((*WHOLE, allow("sqs:SendMessage", "queue")), []),
        ((allow(["dynamodb:GetItem", "dynamodb:Query"], "table"),), ["dynamodb:Query"]),
        ((allow("dynamodb:Query", "table", "table/index/active"),), ["dynamodb:GetItem"]),
        ((), ["dynamodb:GetItem", "dynamodb:Query"]),
    ],
)
def test_missing_actions_are_named_when_a_policy_was_edited(
    has: tuple[dict[str, Any], ...], missing: list[str]
) -> None:
    def policy_of(role: str, name: str) -> dict[str, Any]:
        assert (role, name) == ("pressroom-dev-ApiRole-1", "Policy")
        return {"Statement": list(has)}

    expected = [("pressroom-dev-ApiRole-1", missing)] if missing else []
    assert list(missing_grants(WANTED, RESOURCES, policy_of)) == expected
    assert list(missing_grants(json.dumps(WANTED), RESOURCES, policy_of)) == expected
