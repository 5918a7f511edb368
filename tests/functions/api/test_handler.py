"""The handler itself, with the environment that Lambda gives it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.api import handler as entry
from shared import aws
from tests.support.front_desk import body_of
from tests.support.http_events import ApiClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.resources import QueueHandle, TableHandle

ROOT = Path(__file__).parents[3]


def cold_start() -> None:
    entry.services.cache_clear()
    entry.edge.cache_clear()


@pytest.fixture
def api(moto_table: TableHandle, moto_work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiClient]:
    monkeypatch.setenv("PRESSROOM_TABLE_NAME", moto_table.name)
    monkeypatch.setenv("PRESSROOM_QUEUE_URL", moto_work_queue.url)
    monkeypatch.setenv("PRESSROOM_PROCESSOR_FUNCTION", "processor")
    cold_start()
    yield ApiClient(entry.handler)
    cold_start()


@pytest.mark.acceptance(22)
@pytest.mark.parametrize("cold", [True, False])
def test_a_job_is_created_and_read_when_every_request_meets_a_cold_start(
    api: ApiClient, cold: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(method: str, path: str, body: object = None) -> dict[str, object]:
        if cold:
            cold_start()
        answer = api.call(method, path, body, headers={"Idempotency-Key": "k"})
        assert answer.status < 300, answer.text
        found: dict[str, object] = answer.json
        return found

    project = call("POST", "/v1/projects", {"name": "Blog"})["id"]
    jobs = f"/v1/projects/{project}/jobs"
    first = call("POST", jobs, body_of(3))
    again = call("POST", jobs, body_of(3))

    assert first == again
    assert call("GET", f"{jobs}/{first['id']}")["counts"] == first["counts"]
    assert [item["position"] for item in call("GET", f"{jobs}/{first['id']}/items")["items"]] == [1, 2, 3]  # type: ignore[attr-defined]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [line["JobsCreated"] for line in metrics if "JobsCreated" in line] == [1]


def test_the_processor_is_asked_of_lambda_when_process_next_is_called(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class FakeLambda:
        def invoke(self, **request: object) -> dict[str, object]:
            asked.append(request["FunctionName"])
            return {"StatusCode": 202, "Payload": io.BytesIO()}

    real: Any = aws.client
    monkeypatch.setattr(aws, "client", lambda name, config: FakeLambda() if name == "lambda" else real(name, config))
    project = api.post("/v1/projects", {"name": "Blog"}).json["id"]
    job = api.post(f"/v1/projects/{project}/jobs", body_of(1)).headers["location"]

    answer = api.post(f"{job}/process-next", {"wait_seconds": 0})

    assert answer.status == 202
    assert asked == ["processor"]


def test_a_missing_setting_is_a_500_that_names_nothing(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESSROOM_TABLE_NAME")
    cold_start()

    answer = api.get("/v1/health")

    assert answer.status == 500
    assert "PRESSROOM" not in answer.text


def test_a_cold_start_loads_neither_claudes_sdk_nor_what_few_requests_need() -> None:
    script = "import sys, functions.api.handler, gc; print(*sys.modules); assert gc.isenabled()"

    done = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True, timeout=60
    )

    loaded = set(done.stdout.split())
    assert "functions.api.edge" in loaded
    assert not loaded & {
        "anthropic",
        "aws_cdk",
        "functions.api.openapi",
        "functions.processor",
        "httpx2",
        "moto",
        "shared.generation.client",
        "shared.generation.kinds",
    }
