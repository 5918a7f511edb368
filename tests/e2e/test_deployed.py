"""``make deploy-local``: the service as it is deployed, on an emulator that enforces IAM, through its HTTP API.

One test, because one deployment takes as long as all that is done with it.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.support.deployment import deployed
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.infra.templates import Assembly
    from tests.support.deployment import Deployment


def test_deployment_serves_jobs_when_iam_is_enforced(tmp_path: Path, dev: Assembly, subtests: pytest.Subtests) -> None:
    with deployed(tmp_path) as deployment:
        with subtests.test("the template is that of AWS"):
            assert differences(dev.template, deployment.template) == {"Architectures", "Runtime", "S3Key"}
        with subtests.test("a stranger gets nothing"):
            assert deployment.api().ask("GET", "/v1/health").status == 200
            assert deployment.api().ask("GET", "/v1/projects").status == 401
        with subtests.test("a job ends, and its end is told"):
            told = deployment.subscribed("told")
            api = deployment.user("alice")
            job = api.job(api.project(), [{"topic": "Tea"}, {"topic": "Tea [[claude: refusal]]"}], concurrency=2)
            assert api.wait_for_end(job, within_seconds=120)["status"] == "partially_failed"
            assert next_message(deployment, told)["job_id"] == job.rpartition("/")[2]


def differences(one: object, other: object, name: str = "") -> set[str]:
    """The names of the properties that differ, wherever they stand; metadata, which CDK's command line adds, apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - {"Metadata"}
        return {found for key in names for found in differences(one.get(key), other.get(key), key)}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return {found for pair in zip(one, other, strict=True) for found in differences(*pair, name)}
    return set() if one == other else {name}


def next_message(deployment: Deployment, queue_url: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def received() -> bool:
        found.extend(sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=5).get("Messages", []))
        return bool(found)

    with closing(deployment.client("sqs")) as sqs:
        eventually(received)
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=found[0]["ReceiptHandle"])
    body: dict[str, Any] = json.loads(found[0]["Body"])
    return body
