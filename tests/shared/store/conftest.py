"""The store on both emulators: moto is strict about what an expression may say, the other is atomic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from shared.jobs.ids import new_token
from shared.store.attributes import attributes, from_attributes
from shared.store.dynamodb import DynamoTable
from shared.store.keys import job_partition
from shared.store.ledger_rows import ledger_row
from shared.store.ledgers import LedgerStore
from shared.store.table import create_table_request
from tests.support.clock import ManualClock
from tests.support.emulator import REGION
from tests.support.resources import fresh_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_dynamodb.client import DynamoDBClient

    from shared.jobs.ledger import Ledger
    from shared.store.attributes import Row
    from shared.store.expressions import Change, Check, Delete, Insert
    from shared.store.keys import Key
    from tests.support.emulator import Emulator


@dataclass(frozen=True)
class FreshTokens(DynamoTable):
    """A table that knows no transaction's token from an earlier test: an account remembers them for ten minutes."""

    salt: list[str] = field(default_factory=list)

    def transact(
        self, what: str, members: Sequence[Change | Check | Delete | Insert], *, token: str | None = None
    ) -> None:
        salted = None if token is None or not self.salt else f"{token[:19]}{self.salt[0]}"
        super().transact(what, members, token=salted or token)


@dataclass(frozen=True)
class Shelf:
    """A table that the tests of a module share, and direct access to its rows."""

    table: FreshTokens

    @property
    def ledgers(self) -> LedgerStore:
        return LedgerStore(self.table)

    def put(self, row: Row) -> None:
        self.table.client.put_item(TableName=self.table.name, Item=attributes(row))

    def row(self, key: Key) -> Row | None:
        found: Any = self.table.client.get_item(TableName=self.table.name, Key=attributes(key), ConsistentRead=True)
        return from_attributes(found["Item"]) if "Item" in found else None

    def place(self, ledger: Ledger) -> Row:
        """The row of ``ledger``, in place of what stood there."""
        row = ledger_row(ledger)
        self.put(row)
        return row

    def clear(self, job_id: str) -> None:
        """Removes whatever an earlier test left in a job's own partition."""
        for row in list(self.table.query(job_partition(job_id), projection=("pk", "sk"))):
            self.table.client.delete_item(TableName=self.table.name, Key=attributes(row))


@pytest.fixture(scope="session")
def moto_client(aws: None) -> DynamoDBClient:  # noqa: ARG001  the environment comes first
    """A client that moto answers whenever it is on, whatever endpoint the environment names."""
    endpoint = f"https://dynamodb.{REGION}.amazonaws.com"
    client: DynamoDBClient = boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint)
    return client


@pytest.fixture(scope="session")
def emulator_client(emulator: Emulator) -> Iterator[DynamoDBClient]:
    """A client of the emulator."""
    client = emulator.client("dynamodb")
    yield client
    client.close()


@pytest.fixture(scope="module", params=["moto", pytest.param("emulator", marks=pytest.mark.emulator)])
def backend(request: pytest.FixtureRequest) -> Iterator[FreshTokens]:
    """A table on each of the emulators in turn. Random order makes many of them, so the clients are the session's."""
    client: DynamoDBClient = request.getfixturevalue(f"{request.param}_client")
    if request.param == "emulator":
        with fresh_table(client) as handle:
            yield _table(client, handle.name)
        return
    with mock_aws():
        # Without its stream: moto copies the table with every record that was ever streamed at each transaction.
        definition = create_table_request("pressroom")
        del definition["StreamSpecification"]
        client.create_table(**definition)
        yield _table(client, "pressroom")


def _table(client: DynamoDBClient, name: str) -> FreshTokens:
    return FreshTokens(client, name, clock=ManualClock(), jitter=lambda: 0.0)


@pytest.fixture
def shelf(backend: FreshTokens) -> Shelf:
    """The module's table, with transaction tokens of this test's own."""
    backend.salt[:] = [new_token()]
    return Shelf(backend)
