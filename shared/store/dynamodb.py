"""The low-level client, and the only place that decides which of its errors are worth another try."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from shared import aws, patience
from shared.clock import Clock, SystemClock
from shared.errors import StoreUnavailableError, TransitionRefusedError
from shared.jobs.ids import new_token
from shared.store.attributes import Row, attributes, from_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb.client import DynamoDBClient

    from shared.store.expressions import Change, Check, Delete, Insert
    from shared.store.keys import Key

__all__ = ["MAX_KEYS", "DynamoTable", "RefusedError", "TokenReusedError"]

MAX_KEYS: Final = 100
"""Rows that one :meth:`DynamoTable.get_many` takes."""

_PASSING: Final = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
"""Errors that changed nothing, or that the same bytes may safely meet again."""
_PASSING_REASONS: Final = frozenset({"None", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
_CUT: Final = (BotoConnectionError, HTTPClientError)
_SERVER_FAULT: Final = 500
_TRIES: Final = 12
_LONGEST_WAIT_SECONDS: Final = 1.0
_BATCH: Final = 25
"""Rows that one BatchWriteItem takes."""


class RefusedError(TransitionRefusedError):
    """A condition did not hold.

    Attributes:
        rows: the rows as they stood, one a member of the transaction, where that was told.
        failed: the members whose own condition did not hold; a single write is the only member.
    """

    def __init__(self, what: str, rows: Sequence[Row | None], failed: Collection[int] = (0,)) -> None:
        super().__init__(what, "the row's condition did not hold")
        self.rows = tuple(rows)
        self.failed = frozenset(failed)

    @property
    def row(self) -> Row | None:
        """The first row that was told: of a single write, the row itself."""
        return next((row for row in self.rows if row is not None), None)


class TokenReusedError(TransitionRefusedError):
    """The transaction's token was used for other bytes: an earlier try of it went through."""


@dataclass(frozen=True)
class DynamoTable:
    """The table: reads, conditional writes and transactions of plain rows.

    Every method raises :class:`~shared.errors.StoreUnavailableError` when DynamoDB throttles, conflicts or cannot be
    reached for longer than a few seconds, at the latest after :data:`shared.patience.STORE_SECONDS` (a page of
    :meth:`query` counts by itself); a write that raises it may or may not have happened.

    A write whose answer was lost is repeated with the same bytes, so it may be refused by its own effect. A
    transaction's token tells that to DynamoDB; an update's caller looks at the row that refused.
    """

    client: DynamoDBClient
    name: str
    clock: Clock = field(default_factory=SystemClock)
    jitter: Callable[[], float] = random.random

    @classmethod
    def from_env(cls, name: str, *, hasty: bool = False) -> Self:
        """The table ``name`` in the environment's account and region; a ``hasty`` one gives up within two seconds."""
        return cls(client=aws.client("dynamodb", patience.GLANCE if hasty else patience.STORE), name=name)

    def get(self, key: Key, *, consistent: bool = False) -> Row | None:
        """One row."""
        answer = self._call(
            lambda: self.client.get_item(TableName=self.name, Key=attributes(key), ConsistentRead=consistent)
        )
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def glance(self, key: Key, wanted: Sequence[str] = ()) -> Row | None:
        """One row, or ``wanted`` of it (``lanes.0.lease`` for one of a map): in one try, eventually consistent.

        For whoever would rather know nothing than wait: whatever goes wrong, it raises StoreUnavailableError at once.
        """
        request: dict[str, Any] = {"TableName": self.name, "Key": attributes(key)}
        if wanted:
            paths = [attribute.split(".") for attribute in wanted]
            request["ExpressionAttributeNames"] = {f"#{name}": name for path in paths for name in path}
            request["ProjectionExpression"] = ", ".join(".".join(f"#{name}" for name in path) for path in paths)
        try:
            answer = self.client.get_item(**request)
        except (ClientError, *_CUT) as error:
            raise StoreUnavailableError(f"no answer at a glance: {error}") from error
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[Key], *, consistent: bool = False) -> list[Row | None]:
        """Up to 100 rows in the order of ``keys``, in one call as long as DynamoDB answers whole."""
        wanted = [attributes(key) for key in keys]
        found: dict[tuple[str, str], Row] = {}
        tries = self._tries()
        while True:
            request: Any = {self.name: {"Keys": wanted, "ConsistentRead": consistent}}
            answer = self._call(partial(self.client.batch_get_item, RequestItems=request), tries)
            for item in answer["Responses"].get(self.name, ()):
                row = from_attributes(item)
                found[row["pk"], row["sk"]] = row
            rest = answer.get("UnprocessedKeys", {}).get(self.name)
            if not rest:
                return [found.get((key["pk"], key["sk"])) for key in keys]
            wanted = rest["Keys"]
            tries.next("DynamoDB left rows unread")

    def update(self, what: str, change: Change) -> Row:
        """Write ``change``; the row as it then stands.

        Raises:
            RefusedError: the condition did not hold.
        """
        request = change.request(self.name)
        try:
            answer = self._call(
                lambda: self.client.update_item(
                    **request, ReturnValues="ALL_NEW", ReturnValuesOnConditionCheckFailure="ALL_OLD"
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            old: Any = error.response.get("Item")
            raise RefusedError(what, [from_attributes(old) if old else None]) from error
        return from_attributes(answer["Attributes"])

    def transact(
        self, what: str, members: Sequence[Change | Check | Delete | Insert], *, token: str | None = None
    ) -> None:
        """Write all ``members`` or none, with the same bytes at every try.

        Args:
            what: the transition, for the error.
            members: at most 100, each of another row.
            token: ``ClientRequestToken``: for ten minutes a repeat of the same bytes succeeds without effect. By
                default a fresh one, so that only this call's own tries are repeats of each other.

        Raises:
            RefusedError: a condition did not hold.
            TokenReusedError: an earlier try with this token went through with other bytes.
        """
        request: dict[str, Any] = {
            "TransactItems": [member.member(self.name) for member in members],
            "ClientRequestToken": token or new_token(),
        }
        try:
            self._call(partial(self.client.transact_write_items, **request))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "IdempotentParameterMismatchException":
                raise TokenReusedError(what, "an earlier try with this token went through") from error
            if code != "TransactionCanceledException":
                raise
            reasons: Any = error.response.get("CancellationReasons", ())
            failed = [at for at, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]
            if not failed:
                raise  # such as an illegal expression: no condition of ours refused
            rows = [from_attributes(reason["Item"]) if reason.get("Item") else None for reason in reasons]
            raise RefusedError(what, rows, failed) from error

    def put_many(self, rows: Sequence[Row]) -> None:
        """Write whole rows of different keys over whatever stands there, 25 a call; not together, in no order."""
        for start in range(0, len(rows), _BATCH):
            self._write_batch([{"PutRequest": {"Item": attributes(row)}} for row in rows[start : start + _BATCH]])

    def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete rows, whatever stands there, 25 a call in the order of ``keys``; not together."""
        for start in range(0, len(keys), _BATCH):
            self._write_batch([{"DeleteRequest": {"Key": attributes(key)}} for key in keys[start : start + _BATCH]])

    def _write_batch(self, requests: list[Any]) -> None:
        tries = self._tries()
        while True:
            answer = self._call(partial(self.client.batch_write_item, RequestItems={self.name: requests}), tries)
            requests = answer.get("UnprocessedItems", {}).get(self.name, [])
            if not requests:
                return
            tries.next("DynamoDB left rows unwritten")

    def query(
        self,
        partition: str,
        *,
        prefix: str = "",
        start: Key | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        consistent: bool = False,
        index: str | None = None,
        projection: Sequence[str] = (),
        where: tuple[str, str] | None = None,
        up_to: tuple[str, str] | None = None,
    ) -> Iterator[Row]:
        """The rows of a partition in key order, read page by page as they are asked for.

        Args:
            partition: the partition key.
            prefix: of the sort key.
            start: begin behind the row with these keys (those of the index too).
            limit: at most so many rows are evaluated a page (filtered ones included).
            newest_first: descending.
            consistent: strongly consistent; not for an index.
            index: the name of an index whose partition key is named like it.
            projection: attributes to return, ``error.code`` for one of a map; all by default.
            where: an attribute and the value it must have.
            up_to: the name of the sort key and its greatest value; not beside a prefix.
        """
        request = self._query_request(partition, prefix, index, projection, where, up_to=up_to)
        request |= {"ScanIndexForward": not newest_first}
        if consistent:
            request["ConsistentRead"] = True
        if limit is not None:
            request["Limit"] = limit
        if start is not None:
            request["ExclusiveStartKey"] = attributes(start)
        while True:
            page = self._call(partial(self.client.query, **request))
            yield from map(from_attributes, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _query_request(
        self,
        partition: str,
        prefix: str,
        index: str | None,
        projection: Sequence[str],
        where: tuple[str, str] | None,
        *,
        up_to: tuple[str, str] | None,
    ) -> dict[str, Any]:
        names = {"#pk": index or "pk"}
        values: Row = {":pk": partition}
        request: dict[str, Any] = {"TableName": self.name, "KeyConditionExpression": "#pk = :pk"}
        if prefix:
            names["#sk"], values[":prefix"] = "sk", prefix
            request["KeyConditionExpression"] += " AND begins_with(#sk, :prefix)"
        if up_to is not None:
            names["#until"], values[":until"] = up_to
            request["KeyConditionExpression"] += " AND #until <= :until"
        if index is not None:
            request["IndexName"] = index
        if projection:
            paths = [attribute.split(".") for attribute in projection]
            names |= {f"#p_{name}": name for path in paths for name in path}
            request["ProjectionExpression"] = ", ".join(".".join(f"#p_{name}" for name in path) for path in paths)
        if where is not None:
            names["#where"], values[":where"] = where
            request["FilterExpression"] = "#where = :where"
        return request | {
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": attributes(values),
        }

    def _call(self, call: Callable[[], Mapping[str, Any]], tries: _Tries | None = None) -> Mapping[str, Any]:
        """``call``, repeated as long as its error is a passing one and ``tries`` are left."""
        tries = tries or self._tries()
        while True:
            try:
                return call()
            except _CUT as error:
                tries.next("DynamoDB cannot be reached", error)
            except ClientError as error:
                if not _passing(error):
                    raise
                tries.next("DynamoDB refused", error)

    def _tries(self) -> _Tries:
        most = patience.STORE_SECONDS - patience.longest_seconds(patience.STORE)
        return _Tries(self.clock, self.jitter, self.clock.now() + timedelta(seconds=most))


@dataclass
class _Tries:
    """The tries of one call: so many, with full jitter between them, and none begins after ``last_start``."""

    clock: Clock
    jitter: Callable[[], float]
    last_start: datetime
    _made: int = 1

    def next(self, why: str, error: Exception | None = None) -> None:
        """Wait for the next try.

        Raises:
            StoreUnavailableError: there is none.
        """
        wait = self.jitter() * min(_LONGEST_WAIT_SECONDS, 0.025 * 2**self._made)
        if self._made == _TRIES or self.clock.now() + timedelta(seconds=wait) > self.last_start:
            told = "" if error is None else f": {error}"
            raise StoreUnavailableError(f"{why}, {self._made} times{told}") from error
        self._made += 1
        self.clock.sleep(wait)


def _passing(error: ClientError) -> bool:
    code = error.response["Error"]["Code"]
    if code == "TransactionCanceledException":
        reasons: Any = error.response.get("CancellationReasons", ())
        return bool(reasons) and all(reason.get("Code", "None") in _PASSING_REASONS for reason in reasons)
    return code in _PASSING or error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT
