from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_cdk import App, Stack

from infra.encryption import decryption, key_of
from infra.stage import Stage
from infra.topic import JobTopic
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_key_is_the_one_that_is_there_when_the_stage_names_it(tmp_path: Path) -> None:
    stages = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]["stages"]
    stage = replace(Stage.from_context("prod", stages), encryption_key=KEY)
    app = App(outdir=str(tmp_path / "out"), analytics_reporting=False)
    stack = Stack(app, "alone")
    JobTopic(stack, "JobTopic", stage)
    key = key_of(stack, stage)
    assert key is not None
    actions = ["sqs:GetQueueAttributes", "sns:Publish", "secretsmanager:GetSecretValue"]
    allowed = [each.to_json() for each in decryption(stack, key, actions)]

    resources = app.synth().get_stack_by_name("alone").template["Resources"]

    assert resources["JobTopic"]["Properties"]["KmsMasterKeyId"] == KEY
    assert not [each for each in resources.values() if each["Type"].startswith("AWS::KMS::")]
    # Attributes of a queue lie under no key.
    assert [(each["Resource"], each["Action"]) for each in allowed] == [
        (KEY, "kms:Decrypt"),
        (KEY, ["kms:Decrypt", "kms:GenerateDataKey"]),
    ]
