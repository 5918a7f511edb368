"""Lambda's Invoke on loopback, asked by a real Lambda client."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from pressroom.local.children import inherited
from pressroom.local.invoke_endpoint import InvokeEndpoint
from pressroom.local.pool import Pool
from pressroom.local.zygote_process import Function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_lambda.client import LambdaClient


@contextmanager
def lambda_client(tmp_path: Path) -> Iterator[LambdaClient]:
    function = Function("worker", "tests.support.handlers:act", timeout_seconds=5, maximum=2)
    environ = inherited(os.environ, tmp_path)
    log = tmp_path / "worker.log"
    with (
        closing(Pool(function, environ=environ, folder=tmp_path, log=log)) as pool,
        closing(InvokeEndpoint({"worker": pool})) as endpoint,
    ):
        pool.start({})
        endpoint.start()
        config = Config(retries={"total_max_attempts": 1})
        with closing(boto3.client("lambda", endpoint_url=endpoint.url, config=config)) as client:
            yield client
        pool.close(grace_seconds=2)


def test_event_is_accepted_at_once_and_runs_when_it_is_asynchronous(tmp_path: Path) -> None:
    with lambda_client(tmp_path) as client:
        started = time.monotonic()
        for text in ("first", "second"):
            payload = json.dumps({"do": "write", "text": f"{text} came\n"})
            answer = client.invoke(FunctionName="worker", InvocationType="Event", Payload=payload)
            assert answer["StatusCode"] == 202
        slow = client.invoke(FunctionName="worker", InvocationType="Event", Payload='{"do": "sleep", "seconds": 3}')
        assert slow["StatusCode"] == 202
        assert time.monotonic() - started < 3

    assert {"first came", "second came"} <= set((tmp_path / "worker.log").read_text().splitlines())


def test_result_comes_back_when_the_caller_waits(tmp_path: Path) -> None:
    with lambda_client(tmp_path) as client:
        arn = "arn:aws:lambda:us-east-1:000000000000:function:worker"
        answer = client.invoke(FunctionName=arn, Payload='{"do": "nothing"}')

        assert "pid" in json.load(answer["Payload"])


def test_function_error_comes_back_when_the_handler_raises(tmp_path: Path) -> None:
    with lambda_client(tmp_path) as client:
        answer = client.invoke(FunctionName="worker", Payload='{"do": "raise", "message": "no"}')

        assert answer["FunctionError"] == "Unhandled"
        assert json.load(answer["Payload"])["errorType"] == "ValueError"


def test_function_is_not_found_when_there_is_none_of_that_name(tmp_path: Path) -> None:
    with lambda_client(tmp_path) as client, pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody", InvocationType="Event", Payload="{}")
