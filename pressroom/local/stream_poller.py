"""The table stream's driver: filters changes and hands them on in order, as Lambda's event source mapping does.

Every start reads from the oldest record that is left: handlers are idempotent, and what a killed runtime had not
handed on is not lost. A batch that fails is tried again for ever, with back-off; only its own shard waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pressroom.local.errors import InvocationError
from pressroom.local.event_filters import EventFilters
from pressroom.local.worker import REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_dynamodbstreams.client import DynamoDBStreamsClient

__all__ = ["StreamPoller"]

_log: Final = logging.getLogger(__name__)

_BUSY_SECONDS: Final = 0.05
_IDLE_SECONDS: Final = 0.4
_IDLE_AFTER: Final = 20
"""So many empty reads make it idle."""
_SHARDS_SECONDS: Final = 10.0
_TROUBLE_SECONDS: Final = 1.0
_FIRST_BACK_OFF_SECONDS: Final = 0.2
_LONGEST_BACK_OFF_SECONDS: Final = 10.0
_PAGE: Final = 200


@dataclass(slots=True)
class _Shard:
    """How far a shard is read, and what of it waits to be handed on."""

    shard_id: str
    iterator: str | None = None
    last_read: str | None = None
    is_closed: bool = False
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    failures: int = 0
    not_before: float = 0.0


class StreamPoller:
    """One thread reads all shards of a stream."""

    def __init__(
        self,
        client: DynamoDBStreamsClient,
        *,
        stream_arn: str,
        filters: Sequence[Mapping[str, Any]],
        invoke: Callable[[dict[str, Any]], Any],
        batch_size: int = 10,
    ) -> None:
        """Takes a client that leaves records as JSON, and ``invoke``, which raises InvocationError on failure."""
        self._client = client
        self._stream_arn = stream_arn
        self._filters = EventFilters(filters)
        self._invoke = invoke
        self._batch_size = batch_size
        self._shards: dict[str, _Shard] = {}
        self._shards_at = -_SHARDS_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll_for_ever, name="stream-poller", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Begins no more batches."""
        self._stopping.set()

    def close(self) -> None:
        """Waits for the batch in hand; end its worker first, or this takes as long as it does."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _poll_for_ever(self) -> None:
        empty, troubled = 0, False
        while not self._stopping.is_set():
            try:
                empty = 0 if self._poll() else empty + 1
                troubled = False
                pause = _BUSY_SECONDS if empty < _IDLE_AFTER else _IDLE_SECONDS
            except (BotoCoreError, ClientError) as error:
                if not (troubled or self._stopping.is_set()):  # told once, not every second
                    _log.warning("the table's stream does not answer, trying again: %s", error)
                troubled = True
                self._shards_at = -_SHARDS_SECONDS
                pause = _TROUBLE_SECONDS
            self._stopping.wait(pause)

    def _poll(self) -> bool:
        """One round over all shards; says whether there was anything."""
        if time.monotonic() - self._shards_at >= _SHARDS_SECONDS:
            self._find_shards()
        found = False
        for shard in list(self._shards.values()):
            if not shard.waiting and not shard.is_closed:
                found |= self._read(shard)
            self._hand_on(shard)
        return found

    def _find_shards(self) -> None:
        """Adds the shards that are new, parents first."""
        start: dict[str, str] = {}
        while True:
            description = self._client.describe_stream(StreamArn=self._stream_arn, **start)["StreamDescription"]  # type: ignore[arg-type]
            for shard in description.get("Shards", ()):
                self._shards.setdefault(shard["ShardId"], _Shard(shard["ShardId"]))
            last = description.get("LastEvaluatedShardId")
            if not last:
                break
            start = {"ExclusiveStartShardId": last}
        self._shards_at = time.monotonic()

    def _read(self, shard: _Shard) -> bool:
        """Reads one page of a shard; says whether it held anything."""
        if shard.iterator is None:
            shard.iterator = self._iterator(shard)
        try:
            page = self._client.get_records(ShardIterator=shard.iterator, Limit=_PAGE)
        except (
            self._client.exceptions.ExpiredIteratorException,
            self._client.exceptions.TrimmedDataAccessException,
        ):
            shard.iterator = None  # asleep for too long; the next round asks for another
            return False
        records = page.get("Records", [])
        shard.iterator = page.get("NextShardIterator")
        shard.is_closed = shard.iterator is None
        for record in records:
            shard.last_read = record["dynamodb"]["SequenceNumber"]
            event = _as_lambda(record, self._stream_arn)
            if self._filters.match(event):
                shard.waiting.append(event)
        return bool(records)

    def _iterator(self, shard: _Shard) -> str:
        if shard.last_read is not None:
            try:
                return self._client.get_shard_iterator(
                    StreamArn=self._stream_arn,
                    ShardId=shard.shard_id,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                    SequenceNumber=shard.last_read,
                )["ShardIterator"]
            except self._client.exceptions.TrimmedDataAccessException:
                pass  # older than what is kept: what is left begins later
        return self._client.get_shard_iterator(
            StreamArn=self._stream_arn, ShardId=shard.shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def _hand_on(self, shard: _Shard) -> None:
        """Hands on what waits, in order, until something fails."""
        while shard.waiting and not self._stopping.is_set() and time.monotonic() >= shard.not_before:
            batch = [shard.waiting[index] for index in range(min(self._batch_size, len(shard.waiting)))]
            done = self._deliver(batch)
            for _ in range(done):
                shard.waiting.popleft()
            if done == len(batch):
                shard.failures = 0
                continue
            shard.failures = 1 if done else shard.failures + 1
            back_off = _FIRST_BACK_OFF_SECONDS * 2.0 ** min(shard.failures - 1, 10)
            shard.not_before = time.monotonic() + min(back_off, _LONGEST_BACK_OFF_SECONDS)

    def _deliver(self, batch: list[dict[str, Any]]) -> int:
        """How many records of the batch, from its beginning, are done with."""
        try:
            answer = self._invoke({"Records": batch})
        except InvocationError:
            return 0  # the pool has told it
        failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
        if not failures:
            return len(batch)
        failed = {failure.get("itemIdentifier") for failure in failures}
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        # As for Lambda: everything from the lowest failed one on again; an id of none of them means all.
        return next((index for index, number in enumerate(numbers) if number in failed), 0)


def _as_lambda(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record, plain JSON as the stream gave it, as Lambda's event carries it."""
    event = {**record, "eventSource": "aws:dynamodb", "eventSourceARN": stream_arn, "awsRegion": REGION}
    identity = event.pop("userIdentity", None)
    if identity:  # of a deletion by time to live
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event
