"""The local runtime repairs itself: the same handlers that the schedule and the dead letters drive in AWS."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from pressroom.local.runtime import LocalRuntime
from shared.clock import SystemClock, to_iso
from shared.contracts.messages import LaneMessage
from shared.jobs.ids import ulid_of
from tests.support.emulator import REGION
from tests.support.local_api import LocalApi
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb.client import DynamoDBClient


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    with LocalRuntime(environ=environ | {"PRESSROOM_SWEEP_SECONDS": "0.3"}) as runtime:
        yield runtime


@pytest.fixture
def api(runtime: LocalRuntime) -> LocalApi:
    return LocalApi(runtime.base_url).as_user("alice")


@pytest.fixture
def dynamodb(runtime: LocalRuntime) -> Iterator[DynamoDBClient]:
    client = boto3.client("dynamodb", region_name=REGION, endpoint_url=runtime.aws_endpoint_url)
    yield client
    client.close()


def silent_job(api: LocalApi, items: int) -> str:
    """The path of a job that nobody drives; nothing of it stands in the queue."""
    return api.job(api.project(), [{"topic": f"Tea {n}"} for n in range(items)], drive="client", concurrency=2)


def rewrite(runtime: LocalRuntime, client: DynamoDBClient, job: str, **sets: Any) -> None:
    """Edit a ledger by hand: time passes by moving the job into the past."""
    project_id, job_id = job.split("/")[-3], job.rsplit("/", maxsplit=1)[-1]
    names = {f"#{name}": name for name in sets}
    client.update_item(
        TableName=runtime.resources.table_name,
        Key={"pk": {"S": f"PROJECT#{ulid_of(project_id)}"}, "sk": {"S": f"JOB#{ulid_of(job_id)}"}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in sets),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={
            f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in sets.items()
        },
    )


@pytest.mark.acceptance(32)
def test_job_reaches_its_end_when_all_its_messages_were_lost(
    runtime: LocalRuntime, api: LocalApi, dynamodb: DynamoDBClient
) -> None:
    job = silent_job(api, 6)
    long_ago = to_iso(SystemClock().now() - timedelta(minutes=10))

    rewrite(
        runtime,
        dynamodb,
        job,
        drive="queue",
        cursor=6,
        created_at=long_ago,
        last_activity_at=long_ago,
        check_at=long_ago,
    )

    view = api.wait_for_end(job, within_seconds=30)
    assert (view["status"], view["counts"]["completed"]) == ("completed", 6)


@pytest.mark.acceptance(23)
def test_job_reaches_its_end_when_its_client_never_came_back(
    runtime: LocalRuntime, api: LocalApi, dynamodb: DynamoDBClient
) -> None:
    job = silent_job(api, 3)
    assert api.ask("POST", f"{job}/process-next", {"wait_seconds": 10}).body["outcome"] == "processed"
    long_ago = to_iso(SystemClock().now() - timedelta(minutes=10))

    rewrite(runtime, dynamodb, job, created_at=long_ago, last_activity_at=long_ago, check_at=long_ago)
    # The item that was settled a moment ago is a sign of life too: it ages like the rest.
    key = {"pk": {"S": f"JOB#{ulid_of(job.split('/')[-1])}"}, "sk": {"S": "ITEM#00001"}}
    for position in ("ITEM#00001", "ITEM#00002"):
        key["sk"] = {"S": position}
        row = dynamodb.get_item(TableName=runtime.resources.table_name, Key=key, ConsistentRead=True)["Item"]
        if "completed_at" in row:
            dynamodb.put_item(TableName=runtime.resources.table_name, Item=row | {"completed_at": {"S": long_ago}})

    assert api.wait_for_end(job, within_seconds=30)["counts"]["completed"] == 3


@pytest.mark.acceptance(20)
def test_job_ends_counted_when_its_deadline_passes(
    runtime: LocalRuntime, api: LocalApi, dynamodb: DynamoDBClient
) -> None:
    job = silent_job(api, 4)
    assert api.ask("POST", f"{job}/process-next", {"wait_seconds": 10}).body["outcome"] == "processed"
    past = to_iso(SystemClock().now())

    rewrite(runtime, dynamodb, job, deadline_at=past, check_at=past)

    view = api.wait_for_end(job, within_seconds=30)
    assert (view["status"], view["cancel_reason"]) == ("cancelled", "deadline")
    assert (view["counts"]["completed"], view["counts"]["cancelled"]) == (1, 3)


@pytest.mark.acceptance(30)
def test_dead_letter_brings_its_lane_on_when_the_queue_gave_it_up(
    runtime: LocalRuntime, api: LocalApi, dynamodb: DynamoDBClient
) -> None:
    job = silent_job(api, 1)
    rewrite(runtime, dynamodb, job, drive="queue", cursor=1)
    project_id, job_id = job.split("/")[-3], job.split("/")[-1]
    letter = LaneMessage(project=project_id, job=job_id, lane=0, epoch=0, timeout_seconds=120)
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=runtime.aws_endpoint_url)
    sqs.send_message(
        QueueUrl=runtime.resources.dead_letters_url,
        MessageBody=letter.to_json(),
        MessageGroupId=f"{job_id}:0",
        MessageDeduplicationId=json.dumps(job_id),
    )

    assert api.wait_for_end(job, within_seconds=30)["status"] == "completed"

    def left() -> int:
        answer = sqs.get_queue_attributes(
            QueueUrl=runtime.resources.dead_letters_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(int(value) for value in answer["Attributes"].values())

    eventually(lambda: left() == 0)
    sqs.close()
