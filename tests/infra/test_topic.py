from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_topic_refuses_plain_http_when_synthesized(dev: Assembly) -> None:
    (policy,) = [each["Properties"] for each in dev.all("AWS::SNS::TopicPolicy").values()]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert policy["Topics"] == [{"Ref": "JobTopic"}]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_topic_is_named_by_its_stage_when_synthesized(dev: Assembly, prod: Assembly) -> None:
    names = [assembly.one("AWS::SNS::Topic")["TopicName"] for assembly in (dev, prod)]

    assert names == ["pressroom-dev-jobs", "pressroom-prod-jobs"]
