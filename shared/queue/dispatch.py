"""Filling the queue: one message for each item that is left, a FIFO group a lane.

The cursor on the ledger says how far a round has come, so what a crash cut short is continued by whoever looks next.
It counts slots: slot ``s`` stands for index ``s // n`` of lane ``s % n``, so that lanes fill side by side. Messages of
a lane are interchangeable; only their number matters.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared import aws, patience
from shared.contracts.messages import LaneMessage
from shared.errors import QueueUnavailableError, TransitionRefusedError
from shared.jobs.statuses import RUNNING, Drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

    from shared.jobs.ledger import Ledger

__all__ = ["HEAD", "MAX_AHEAD", "WorkQueue", "end_of_round", "message_for", "messages_ahead", "slots_ahead"]

MAX_AHEAD: Final = 2_000
"""Messages of a job that may lie ahead of what is settled: FIFO searches only so deep for a free group."""
_BATCH: Final = 10
HEAD: Final = _BATCH
"""Messages that fit one call: with these a resume or a retry begins a round, whatever the job's size."""
_LONGEST_VISIBILITY_SECONDS: Final = 12 * 3600
_CURSOR_EVERY: Final = 500
"""Moving the cursor is a write of the hot row; a crash before it repeats messages that FIFO swallows."""


def end_of_round(ledger: Ledger) -> int:
    """The cursor of a round that is wholly dispatched."""
    return len(ledger.lanes) * max(lane.end for lane in ledger.lanes)


def slots_ahead(ledger: Ledger) -> int:
    """The cursor that may be reached now: :data:`MAX_AHEAD` ahead of what is settled."""
    settled = sum(lane.next for lane in ledger.lanes)
    return min(end_of_round(ledger), settled + MAX_AHEAD)


def messages_ahead(ledger: Ledger, lane: int) -> int:
    """How many of the items that ``lane`` has left were dispatched in this round, the one it stands at included."""
    n, state = len(ledger.lanes), ledger.lanes[lane]
    return max(0, min(state.end, (ledger.cursor - lane + n - 1) // n) - state.next)


def message_for(ledger: Ledger, lane: int, *, timeout_seconds: int, index: int | None = None) -> LaneMessage:
    """The message that advances ``lane``."""
    return LaneMessage(
        project=ledger.project_id,
        job=ledger.job_id,
        lane=lane,
        epoch=ledger.epoch,
        timeout_seconds=timeout_seconds,
        est=ledger.est_microusd if ledger.budgeted else None,
        next=index,
    )


def _slots(ledger: Ledger, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lane and index of every slot that still stands for an item."""
    n = len(ledger.lanes)
    for slot in range(start, end):
        lane, index = slot % n, slot // n
        if ledger.lanes[lane].next <= index < ledger.lanes[lane].end:
            yield lane, index


def _slots_of(ledger: Ledger, messages: int) -> int:
    """The cursor behind the next ``messages`` messages of the round."""
    slots = _slots(ledger, ledger.cursor, end_of_round(ledger))
    n, end = len(ledger.lanes), ledger.cursor
    for lane, index in islice(slots, messages):
        end = index * n + lane + 1
    return end


@dataclass(frozen=True)
class WorkQueue:
    """The FIFO queue of lane messages."""

    client: SQSClient
    url: str

    @classmethod
    def from_env(cls, url: str) -> WorkQueue:
        """The queue at ``url`` in the environment's account and region."""
        return cls(client=aws.client("sqs", patience.QUEUE), url=url)

    def dispatch(
        self,
        ledger: Ledger,
        *,
        timeout_seconds: int,
        move_cursor: Callable[[Ledger, int], Ledger],
        most: int | None = None,
    ) -> Ledger:
        """Send what the round still lacks, as far ahead as allowed; the ledger with its cursor moved.

        Args:
            ledger: the ledger.
            timeout_seconds: the job's time limit of an item.
            move_cursor: the transition ``dispatched``. When it refuses, another dispatcher, a resume or a later round
                has taken over, and this one stops.
            most: send no more than so many messages.
        """
        limit = slots_ahead(ledger)
        if most is not None:
            limit = min(limit, _slots_of(ledger, most))
        if ledger.drive is not Drive.QUEUE:
            return ledger
        while ledger.status in RUNNING and ledger.cursor < limit:
            end = limit if most is not None else min(limit, ledger.cursor + _CURSOR_EVERY)
            self._send_slots(ledger, end, timeout_seconds)
            try:
                ledger = move_cursor(ledger, end)
            except TransitionRefusedError:
                break
        return ledger

    def _send_slots(self, ledger: Ledger, end: int, timeout_seconds: int) -> None:
        batch: list[SendMessageBatchRequestEntryTypeDef] = []
        for lane, index in _slots(ledger, ledger.cursor, end):
            message = message_for(ledger, lane, timeout_seconds=timeout_seconds)
            batch.append(_entry(ledger, message, nonce=str(index), number=len(batch)))
            if len(batch) == _BATCH:
                self._send(batch)
                batch = []
        if batch:
            self._send(batch)

    def _send(self, batch: list[SendMessageBatchRequestEntryTypeDef]) -> None:
        """Send a batch; what SQS refuses is sent again, and FIFO swallows what it has already."""
        for _ in range(3):
            with _unavailable():
                failed = self.client.send_message_batch(QueueUrl=self.url, Entries=batch).get("Failed", [])
            if not failed:
                return
            refused = {failure["Id"] for failure in failed}
            batch = [entry for entry in batch if entry["Id"] in refused]
        raise QueueUnavailableError(f"SQS refused {len(batch)} messages three times: {failed}")

    def replace(self, message: LaneMessage, *, nonce: str) -> None:
        """Send another message for the lane, so that the old one can go before it counts as dead (rule 11).

        ``nonce`` is fresh: FIFO would swallow the round's own numbers.
        """
        with _unavailable():
            self.client.send_message(
                QueueUrl=self.url,
                MessageBody=message.to_json(),
                MessageGroupId=group_of(message),
                MessageDeduplicationId=f"{message.job}:{message.epoch}:{message.lane}:{nonce}",
            )

    def send_again(self, message: LaneMessage, *, count: int, ulid: str) -> None:
        """Send ``count`` further messages, at most ten, for a lane that has lost its own (rules 12 and 13).

        ``ulid`` is fresh: it makes the deduplication ids, and a group apart, because the lane's own group may be
        locked by the message of a dead worker until its visibility ends.
        """
        self._send(
            [
                {
                    "Id": str(number),
                    "MessageBody": message.to_json(),
                    "MessageGroupId": f"{group_of(message)}:{ulid}",
                    "MessageDeduplicationId": f"{message.job}:{message.epoch}:{message.lane}:{ulid}:{number}",
                }
                for number in range(min(count, _BATCH))
            ]
        )

    def keep(self, receipt: str, *, seconds: float) -> None:
        """Let a message come back after ``seconds``, at most twelve hours."""
        whole = max(0, min(_LONGEST_VISIBILITY_SECONDS, math.ceil(seconds)))
        with _unavailable():
            self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=whole)


@contextmanager
def _unavailable() -> Iterator[None]:
    """SQS's errors, after the client's own retries, as ours."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise QueueUnavailableError(str(error)) from error


def group_of(message: LaneMessage) -> str:
    """The FIFO group: a lane is strictly sequential, lanes are not."""
    return f"{message.job}:{message.lane}"


def _entry(ledger: Ledger, message: LaneMessage, *, nonce: str, number: int) -> SendMessageBatchRequestEntryTypeDef:
    return {
        "Id": str(number),
        "MessageBody": message.to_json(),
        "MessageGroupId": group_of(message),
        "MessageDeduplicationId": f"{message.job}:{message.epoch}:{ledger.round}:{message.lane}:{nonce}",
    }
