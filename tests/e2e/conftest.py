"""Fixtures of the flows that run over a faulty AWS."""

from __future__ import annotations

from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.support.aws_faults import Fault
from tests.support.faulty_aws import FaultyAws, running_faulty_aws
from tests.support.plant import AwsClients, Plant
from tests.support.resources import fresh_queue, fresh_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

    from tests.support.emulator import Emulator

IMPATIENT_SECONDS = 1.0
"""Instead of the clients' own seconds, where the fault is that no answer comes."""
PATIENT_SECONDS = 30.0
"""Likewise where it is another, or none: calls are counted, and one that a busy machine holds up is not made twice."""


@pytest.fixture(scope="session")
def faulty_aws(emulator: Emulator) -> Iterator[FaultyAws]:
    with running_faulty_aws(emulator.endpoint_url) as running:
        yield running


@pytest.fixture(scope="session")
def clients(faulty_aws: FaultyAws) -> Iterator[AwsClients]:
    made = AwsClients.of(faulty_aws.url, read_seconds=PATIENT_SECONDS)
    yield made
    made.close()


@pytest.fixture(scope="session")
def impatient(faulty_aws: FaultyAws) -> Iterator[AwsClients]:
    made = AwsClients.of(faulty_aws.url, read_seconds=IMPATIENT_SECONDS)
    yield made
    made.close()


@pytest.fixture(scope="session")
def direct(emulator: Emulator) -> Iterator[tuple[DynamoDBClient, SQSClient, SNSClient]]:
    """Clients of the emulator itself."""
    made = emulator.client("dynamodb"), emulator.client("sqs"), emulator.client("sns")
    yield made
    for client in made:
        client.close()


@pytest.fixture
def plant_for(
    faulty_aws: FaultyAws,
    clients: AwsClients,
    impatient: AwsClients,
    direct: tuple[DynamoDBClient, SQSClient, SNSClient],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Fault | None], Plant]]:
    """Makes a plant of the test's own, with clients that do not wait long where no answer comes."""
    dynamodb, sqs, sns = direct
    # The waits of the client's own between its tries are not what is tested.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    topic = sns.create_topic(Name="pressroom-faults")["TopicArn"]
    with ExitStack() as stack:

        def make(fault: Fault | None) -> Plant:
            chosen_clients = impatient if fault is Fault.TIMEOUT_AFTER else clients
            table, queue = stack.enter_context(fresh_table(dynamodb)), stack.enter_context(fresh_queue(sqs))
            return Plant(faulty_aws, chosen_clients, table, queue, topic)

        yield make
        faulty_aws.reset()
