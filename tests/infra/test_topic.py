from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_every_topic_refuses_plain_http_when_synthesized(dev: Assembly) -> None:
    policies = [each["Properties"] for each in dev.all("AWS::SNS::TopicPolicy").values()]
    refusing = {
        policy["Topics"][0]["Ref"]
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    assert refusing == dev.all("AWS::SNS::Topic").keys() == {"AlarmTopic", "JobTopic"}


def test_alarms_may_publish_to_the_topic_of_their_actions_when_synthesized(dev: Assembly) -> None:
    alarms = [each["Properties"] for each in dev.all("AWS::CloudWatch::Alarm").values()]
    (topic,) = {action["Ref"] for alarm in alarms for action in (*alarm["AlarmActions"], *alarm["OKActions"])}
    (allowing,) = [
        statement
        for policy in dev.all("AWS::SNS::TopicPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]

    assert (allowing["Principal"], allowing["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allowing["Resource"] == {"Ref": topic}
    assert allowing["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    named = str(allowing["Condition"]["ArnLike"]["aws:SourceArn"])
    assert ":alarm:pressroom-dev-*" in named
    assert all(alarm["AlarmName"].startswith("pressroom-dev-") for alarm in alarms)


def test_topic_is_named_by_its_stage_when_synthesized(dev: Assembly, prod: Assembly) -> None:
    names = [assembly.all("AWS::SNS::Topic")["JobTopic"]["Properties"]["TopicName"] for assembly in (dev, prod)]

    assert names == ["pressroom-dev-jobs", "pressroom-prod-jobs"]
