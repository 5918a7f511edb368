"""Fixtures of every test. Nothing here reaches beyond loopback, a real AWS account or a paid call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import boto3
import pytest
from hypothesis import HealthCheck, settings
from moto import mock_aws

from tests.support.clock import ManualClock
from tests.support.emulator import CREDENTIALS, REGION, Emulator, running_emulator
from tests.support.resources import QueueHandle, TableHandle, fresh_queue, fresh_table

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.support.acceptance", "tests.support.synthesis"]

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there, so a call that no fixture provided for fails at once."""

# Cores are shared with emulators: a slow example says nothing about the code, so there is no deadline.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the emulator, so that ``-m "not emulator"`` is the quick half; lets what is long begin first."""
    for item in items:
        if "emulator" in getattr(item, "fixturenames", ()):
            item.add_marker("emulator")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def aws() -> Iterator[None]:
    """An environment that reaches no real account and no Claude that costs money."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "ANTHROPIC_", "PRESSROOM_", "POWERTOOLS_")):
                patch.delenv(name)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_ENDPOINT_URL", NOWHERE)
        patch.setenv("AWS_MAX_ATTEMPTS", "2")  # a call that reaches nobody says so at once
        patch.setenv("AWS_RETRY_MODE", "standard")
        patch.setenv("PRESSROOM_FORBID_PAID_CALLS", "1")  # by name: importing its owner loads the whole SDK
        patch.setenv("NO_PROXY", "127.0.0.1,localhost,::1")
        yield


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at noon UTC of 2026-11-22 until the test moves it."""
    return ManualClock()


@pytest.fixture(scope="session")
def emulator(aws: None) -> Iterator[Emulator]:  # noqa: ARG001  the environment comes first
    """The AWS emulator, one a session (or xdist worker)."""
    with running_emulator() as running:
        yield running


@pytest.fixture
def emulator_environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Clients that the code under test makes for itself reach the emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
    return emulator


@pytest.fixture
def table(emulator_environment: Emulator) -> Iterator[TableHandle]:
    """An empty table on the emulator: for threads, and for what moto does not get right."""
    client = emulator_environment.client("dynamodb")
    try:
        with fresh_table(client) as handle:
            yield handle
    finally:
        client.close()


@pytest.fixture
def work_queue(emulator_environment: Emulator) -> Iterator[QueueHandle]:
    """An empty FIFO work queue with dead letters on the emulator."""
    client = emulator_environment.client("sqs")
    try:
        with fresh_queue(client) as handle:
            yield handle
    finally:
        client.close()


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process, single-threaded and strict about expressions."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")  # else streams ask a host moto does not know
    with mock_aws():
        yield


@pytest.fixture
def moto_table(moto: None) -> Iterator[TableHandle]:  # noqa: ARG001  inside the mock
    """An empty table in moto: not atomic across threads."""
    with fresh_table(boto3.client("dynamodb", region_name=REGION)) as handle:
        yield handle


@pytest.fixture
def moto_work_queue(moto: None) -> Iterator[QueueHandle]:  # noqa: ARG001  inside the mock
    """An empty FIFO work queue with dead letters in moto."""
    with fresh_queue(boto3.client("sqs", region_name=REGION)) as handle:
        yield handle
