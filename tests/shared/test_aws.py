from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from shared import aws, patience
from tests.support.repository import ROOT

if TYPE_CHECKING:
    import pytest


def test_client_has_the_time_outs_and_tries_that_were_asked_for_when_made() -> None:
    config: Any = aws.client("sqs", patience.QUEUE).meta.config

    assert (config.connect_timeout, config.read_timeout) == (2, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_client_reaches_the_environments_endpoint_when_it_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    first = aws.client("sqs", patience.QUEUE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:10")
    second = aws.client("sqs", patience.QUEUE)

    assert (first.meta.endpoint_url, second.meta.endpoint_url) == ("http://127.0.0.1:9", "http://127.0.0.1:10")


def test_clients_are_made_when_threads_ask_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(lambda _: aws.client("sns", patience.TOPIC), range(8), timeout=60))

    assert {client.meta.service_model.service_name for client in clients} == {"sns"}


def test_boto3_is_not_loaded_when_every_client_is_made() -> None:
    script = (
        "import sys\n"
        "from shared import aws, patience\n"
        "for name in ('dynamodb', 'lambda', 'sns', 'sqs'):\n"
        "    aws.client(name, patience.QUEUE)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603  our own interpreter and text
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True, timeout=60
    )

    loaded = set(done.stdout.split())
    assert "botocore.session" in loaded
    assert not loaded & {"boto3", "s3transfer"}
