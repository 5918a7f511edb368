"""What is published, and what a topic that does not answer comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import Stubber

from shared import patience
from shared.ending.topic import SnsTopic
from shared.errors import PressroomError, TopicUnavailableError
from tests.support.emulator import CREDENTIALS, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sns.client import SNSClient

ARN = f"arn:aws:sns:{REGION}:123456789012:pressroom-finished"
NOBODY = "http://127.0.0.1:1"


def client(url: str | None = None) -> SNSClient:
    keys = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    made: SNSClient = boto3.Session(*keys, None, REGION).client("sns", config=patience.TOPIC, endpoint_url=url)
    return made


@pytest.fixture
def stubbed() -> Iterator[tuple[SnsTopic, Stubber]]:
    made = client()
    with Stubber(made) as stubber:
        yield SnsTopic(made, ARN), stubber
    made.close()


def test_body_and_attributes_are_published_when_a_job_is_told_of(stubbed: tuple[SnsTopic, Stubber]) -> None:
    topic, stubber = stubbed
    attributes = {"status": {"DataType": "String", "StringValue": "completed"}}
    stubber.add_response(
        "publish", {"MessageId": "m"}, {"TopicArn": ARN, "Message": "{}", "MessageAttributes": attributes}
    )

    topic.publish("{}", {"status": "completed"})

    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("InternalError", 500), ("AuthorizationError", 403)])
@pytest.mark.acceptance(33)
def test_refusal_is_a_typed_error_when_the_topic_does_not_take_it(
    stubbed: tuple[SnsTopic, Stubber], code: str, status: int
) -> None:
    topic, stubber = stubbed
    stubber.add_client_error("publish", code, http_status_code=status)

    with pytest.raises(TopicUnavailableError, match=code) as error:
        topic.publish("{}", {})

    assert isinstance(error.value, PressroomError)


def test_nobody_there_is_a_typed_error_when_all_tries_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    made = client(NOBODY)

    with pytest.raises(TopicUnavailableError, match="Could not connect"):
        SnsTopic(made, ARN).publish("{}", {})

    made.close()
