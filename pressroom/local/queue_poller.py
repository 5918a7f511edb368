"""The queue's driver: receives messages and hands each to the processor, as Lambda's event source mapping does."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from pressroom.local.errors import InvocationError
from pressroom.local.worker import REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

__all__ = ["QueuePoller"]

_log: Final = logging.getLogger(__name__)

_LONG_POLL_SECONDS: Final = 1
"""Short, because a poll whose runtime was killed may still take a message to its grave until it ends."""
_VISIBILITY_SECONDS: Final = 60
"""Covers a death before the claim; after it the processor sets the message's visibility by the lease. The queue's own
is longer than the function's time-out, and somebody who killed the runtime would have to sit that out."""
_TROUBLE_SECONDS: Final = 1.0


class QueuePoller:
    """One receiver waits; every message occupies a slot until it is handled, and its slot fetches the next one.

    Messages are received one a call: a batch of a FIFO queue holds several of one group, which would run at once.
    """

    def __init__(
        self,
        client: SQSClient,
        *,
        queue_url: str,
        queue_arn: str,
        invoke: Callable[[dict[str, Any]], Any],
        concurrency: int,
    ) -> None:
        """Takes ``invoke``, which raises InvocationError when the event was not handled."""
        self._client = client
        self._queue_url = queue_url
        self._queue_arn = queue_arn
        self._invoke = invoke
        self._slots = threading.Semaphore(concurrency)
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="queue")
        self._stopping = threading.Event()
        self._unanswered: deque[str] = deque()
        self._troubled = False  # told once, not every second
        self._thread = threading.Thread(target=self._receive_for_ever, name="queue-receiver", daemon=True)

    def start(self) -> None:
        """Begins to receive."""
        self._thread.start()

    def stop(self) -> None:
        """Receives no more; what the poll under way still brings is given back."""
        self._stopping.set()

    def close(self) -> None:
        """Waits for that poll and the messages in hand; end their workers first, or this takes as long as they do."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._executor.shutdown()

    def _receive_for_ever(self) -> None:
        while not self._stopping.is_set():
            if not self._slots.acquire(timeout=_LONG_POLL_SECONDS):
                continue
            message = self._receive(wait_seconds=_LONG_POLL_SECONDS)
            if message is None:
                self._slots.release()
            else:
                self._executor.submit(self._work_from, message)

    def _work_from(self, first: MessageTypeDef) -> None:
        """Handles a message, then whatever is there next, until nothing is."""
        message: MessageTypeDef | None = first
        try:
            while message is not None:
                if self._stopping.is_set():
                    self._give_back(message)
                    return
                self._handle(message)
                message = None if self._stopping.is_set() else self._receive(wait_seconds=0)
        finally:
            self._slots.release()

    def _receive(self, *, wait_seconds: int) -> MessageTypeDef | None:
        attempt = self._attempt()
        try:
            answer = self._client.receive_message(
                ReceiveRequestAttemptId=attempt,
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=_VISIBILITY_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            self._unanswered.append(attempt)
            if not (self._troubled or self._stopping.is_set()):
                _log.warning("the queue does not answer, trying again: %s", error)
            self._troubled = True
            self._stopping.wait(_TROUBLE_SECONDS)
            return None
        self._troubled = False
        return next(iter(answer.get("Messages", ())), None)

    def _attempt(self) -> str:
        """The id of a receive: a fresh one, or that of one that was not answered.

        A receive whose answer is lost has hidden a message all the same. Its repeat, by the client or by the next call
        here, is the same attempt to SQS and gets that message, instead of nothing until its visibility ends.
        """
        try:
            return self._unanswered.pop()
        except IndexError:
            return uuid.uuid4().hex

    def _handle(self, message: MessageTypeDef) -> None:
        try:
            answer = self._invoke({"Records": [_record(message, self._queue_arn)]})
        except InvocationError:
            return  # the pool has told it; the message comes back by itself
        if _is_kept(answer, message["MessageId"]):
            return
        try:
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError) as error:
            _log.warning("a message could not be deleted and comes back: %s", error)

    def _give_back(self, message: MessageTypeDef) -> None:
        try:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        except (BotoCoreError, ClientError):
            _log.debug("a message could not be given back; it comes back later")


def _is_kept(answer: object, message_id: str) -> bool:
    """Whether the handler asks to keep the message; an entry without an id means all, as for Lambda."""
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    return any(failure.get("itemIdentifier") in {message_id, None, ""} for failure in failures or ())


def _record(message: MessageTypeDef, queue_arn: str) -> dict[str, Any]:
    """A message as a record of Lambda's SQS event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stringValue": value.get("StringValue"),
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
