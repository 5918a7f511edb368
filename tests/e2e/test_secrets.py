"""What may never be written down, looked for in everything that a whole run leaves behind."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.offline_claude import OfflineClaude
from pressroom.local.runtime import LocalRuntime
from tests.support.local_api import LocalApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = f"sk-ant-{secrets.token_hex(16)}"
TEXT = f"marker{secrets.token_hex(8)}"
FAULTS = [
    "",
    "[[claude: refusal]]",
    "[[claude: malformed]]",
    "[[claude: empty]]",
    "[[claude: status=529 times=1]]",
    "[[claude: status=400]]",
    "[[claude: interrupted times=1]]",
]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    """A runtime that has a key, and an offline Claude where it takes the real one to be."""
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    claude = OfflineClaude(environ, tmp_path_factory.mktemp("claude"))
    try:
        url = claude.wait_until_ready()
        with LocalRuntime(environ=environ | {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url}) as runtime:
            yield runtime
    finally:
        claude.close()


def logs(folder: Path) -> str:
    return "".join(path.read_text("utf-8", errors="replace") for path in sorted(folder.glob("*.log")))


def rows(runtime: LocalRuntime) -> list[dict[str, Any]]:
    from pressroom.local.resources import Clients  # noqa: PLC0415  the runtime loads it when it starts

    with Clients(runtime.aws_endpoint_url) as clients:
        pages = clients.dynamodb.get_paginator("scan").paginate(TableName=runtime.resources.table_name)
        return [item for page in pages for item in page["Items"]]


def text(row: object) -> str:
    """A row as text, its compressed output too."""
    return json.dumps(row, default=lambda packed: zlib.decompress(packed).decode())


@pytest.fixture
def notifications(runtime: LocalRuntime) -> Iterator[Callable[[int], list[str]]]:
    """So many notifications, as a queue behind the topic gets them."""
    from pressroom.local.resources import Clients  # noqa: PLC0415  the runtime loads it when it starts

    with Clients(runtime.aws_endpoint_url) as clients:
        url = clients.sqs.create_queue(QueueName="spy")["QueueUrl"]
        arn = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        clients.sns.subscribe(TopicArn=runtime.resources.topic_arn, Protocol="sqs", Endpoint=arn)

        def wait(count: int) -> list[str]:
            found: list[str] = []
            for _ in range(30):
                answer = clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
                found += [message["Body"] for message in answer.get("Messages", [])]
                if len(found) >= count:
                    break
            return found

        yield wait


def pressroom(runtime: LocalRuntime, token: str, *arguments: str) -> str:
    """All that the command prints."""
    ran = subprocess.run(  # noqa: S603  our own command
        [str(Path(sys.executable).with_name("pressroom")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PRESSROOM_API_URL": runtime.base_url, "PRESSROOM_TOKEN": token},
    )
    return f"{ran.stdout}{ran.stderr}"


def test_no_key_no_token_and_no_text_is_told_when_a_run_meets_every_fault(
    runtime: LocalRuntime,
    notifications: Callable[[int], list[str]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    caplog.set_level("INFO")  # gateway and pollers run in this process
    api = LocalApi(runtime.base_url).as_user("alice")
    machine = {"client": "nightly", "scopes": ["pressroom/jobs.read"]}
    reader = LocalApi(runtime.base_url, LocalApi(runtime.base_url).ask("POST", "/local/token", machine).body["token"])
    project = api.project()
    job = api.job(project, [{"topic": f"{TEXT} {fault}"} for fault in FAULTS], concurrency=4, max_attempts=2)
    ended = api.wait_for_end(job)
    told = [
        ended,
        api.ask("GET", f"{job}/events?limit=100").body,
        api.ask("GET", f"/v1/projects/{project}/jobs").body,
        api.ask(
            "POST", f"/v1/projects/{project}/jobs", {"kind": "outline", "items": [{"input": {TEXT[:4]: TEXT}}]}
        ).body,
        reader.ask("POST", f"/v1/projects/{project}/jobs", {"kind": TEXT}).body,
        LocalApi(runtime.base_url, f"{api.token}x").ask("GET", "/v1/projects").body,
    ]

    refused = api.job(project, [{"topic": f"{TEXT} [[claude: status=401]]"}])
    while (paused := api.ask("GET", refused).body)["status"] != "paused":
        time.sleep(0.1)
    assert paused["pause_reason"] == "authentication"
    told += [paused, api.ask("GET", f"{refused}/events").body, api.ask("POST", f"{refused}/cancel").body]
    told += notifications(2)
    assert "job.partially_failed" in json.dumps(told)
    options = ("--project", project)
    job_id = job.rpartition("/")[2]
    (tmp_path / "topics.txt").write_text(f"{TEXT} [[claude: malformed]]\n{TEXT}\n")
    printed = [
        pressroom(runtime, api.token or "", "show", job_id, *options),
        pressroom(runtime, api.token or "", "events", job_id, *options),
        pressroom(runtime, api.token or "", "jobs", *options),
        pressroom(runtime, api.token or "", "usage", *options),
        pressroom(runtime, f"{api.token}x", "jobs", *options),
        pressroom(runtime, api.token or "", "retry", refused.rpartition("/")[2], *options),
        pressroom(runtime, api.token or "", "submit", str(tmp_path / "topics.txt"), *options),
        pressroom(runtime, api.token or "", "watch", job_id, *options),
    ]
    assert job_id in printed[0]
    assert "pressroom login" in printed[4]
    told += printed
    # What shows an item shows its text, to those who may read it; a key or a token has no place there either.
    shown = [api.ask("GET", f"{job}/{what}").body for what in ("items", "items/1", "results", "results?format=csv")]
    shown += [pressroom(runtime, api.token or "", "results", job_id, *options)]
    assert all(TEXT in json.dumps(each) for each in shown)

    assert (ended["counts"]["completed"], ended["counts"]["failed"]) == (3, 4)
    everything = rows(runtime)
    out, err = capfd.readouterr()
    written = logs(runtime.folder) + caplog.text + out + err
    assert '"service":"processor"' in written  # a log that is empty would prove nothing
    assert any(TEXT in text(row) for row in everything)
    texts = [row for row in everything if TEXT in text(row) and not row["sk"]["S"].startswith("ITEM#")]
    assert texts == []
    assert TEXT not in written
    assert TEXT not in json.dumps(told)
    for secret in (KEY, api.token, reader.token):
        assert secret is not None
        for place in (written, json.dumps(told), json.dumps(shown), text(everything)):
            assert secret not in place
            assert secret.rpartition(".")[2] not in place  # a token's signature alone is a part of it worth having
