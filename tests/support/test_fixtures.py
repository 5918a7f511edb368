"""The fixtures themselves: what every other test stands on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from shared.generation.client import FORBID_PAID_CALLS, paid_calls_forbidden
from tests.support.clock import START, ManualClock

if TYPE_CHECKING:
    from tests.support.resources import QueueHandle, TableHandle


def test_table_counts_every_write_when_many_threads_add(table: TableHandle) -> None:
    key = {"pk": {"S": "P"}, "sk": {"S": "S"}}

    def add(_: int) -> None:
        table.client.update_item(
            TableName=table.name,
            Key=key,
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))

    assert table.client.get_item(TableName=table.name, Key=key)["Item"]["n"] == {"N": "40"}


def test_code_under_test_reaches_the_emulator_when_it_makes_its_own_client(table: TableHandle) -> None:
    client = boto3.client("dynamodb")

    assert table.name in client.list_tables()["TableNames"]
    client.close()


def test_moto_table_is_found_when_the_code_makes_its_own_client(moto_table: TableHandle) -> None:
    assert boto3.client("dynamodb").list_tables()["TableNames"] == [moto_table.name]


@pytest.mark.parametrize("queues", ["work_queue", "moto_work_queue"])
def test_work_queue_returns_the_message_when_one_was_sent(request: pytest.FixtureRequest, queues: str) -> None:
    queue: QueueHandle = request.getfixturevalue(queues)
    queue.client.send_message(QueueUrl=queue.url, MessageBody="{}", MessageGroupId="g", MessageDeduplicationId="d")

    received = queue.client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=1)

    assert [message["Body"] for message in received["Messages"]] == ["{}"]


def test_a_client_reaches_nobody_when_no_fixture_was_asked_for() -> None:
    client = boto3.client("dynamodb")

    with pytest.raises(EndpointConnectionError):
        client.list_tables()
    client.close()


def test_environment_has_no_real_account_when_a_test_runs() -> None:
    names = {name for name in os.environ if name.startswith(("AWS_", "ANTHROPIC_", "PRESSROOM_"))}

    assert os.environ["AWS_ACCESS_KEY_ID"] == "test"
    assert not names & {"AWS_PROFILE", "AWS_SESSION_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"}


def test_paid_calls_are_forbidden_when_a_test_runs() -> None:
    assert FORBID_PAID_CALLS in os.environ
    assert paid_calls_forbidden()


def test_emulator_and_its_folder_go_when_the_test_run_is_killed() -> None:
    parent = textwrap.dedent(
        """
        import os, signal
        from tests.support.emulator import running_emulator
        with running_emulator() as emulator:
            print(emulator.endpoint_url, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    root = Path(__file__).parents[2]
    area = tempfile.mkdtemp(prefix="pressroom-kill-")
    try:
        ended = subprocess.run(  # noqa: S603  our own interpreter and text
            [sys.executable, "-c", parent],
            cwd=root,
            env=os.environ | {"TMPDIR": area},
            capture_output=True,
            check=False,
            timeout=60,
        )
        end = time.monotonic() + 10
        while any(Path(area).iterdir()) and time.monotonic() < end:
            time.sleep(0.05)

        assert ended.stdout.startswith(b"http://127.0.0.1:")
        assert not list(Path(area).iterdir())
    finally:
        shutil.rmtree(area)


def test_manual_clock_stands_still_when_nobody_moves_it() -> None:
    clock = ManualClock()

    assert clock.now() == clock.now() == START


def test_manual_clock_moves_when_somebody_sleeps() -> None:
    clock = ManualClock()

    clock.sleep(1.5)

    assert (clock.now() - START).total_seconds() == 1.5
    assert clock.slept == [1.5]
