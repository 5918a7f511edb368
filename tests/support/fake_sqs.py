"""A FIFO queue in this process whose visibility runs by a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.queue.queues import WORK_QUEUE

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.clock import ManualClock

__all__ = ["FakeSqs", "QueuedMessage"]

_DEDUPLICATED = timedelta(minutes=5)


@dataclass
class QueuedMessage:
    """A message; ``receipt`` is of its last delivery."""

    message_id: str
    body: str
    group: str
    visible_at: datetime
    receipt: str = ""
    receive_count: int = 0


@dataclass
class FakeSqs:
    """What Pressroom asks of SQS, for one FIFO queue: groups in order, repeats swallowed for five minutes."""

    clock: ManualClock
    messages: list[QueuedMessage] = field(default_factory=list)
    dead: list[QueuedMessage] = field(default_factory=list)
    _seen: dict[str, datetime] = field(default_factory=dict)
    _number: int = 0

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803  the names are SQS's
        MessageBody: str,  # noqa: N803
        MessageGroupId: str,  # noqa: N803
        MessageDeduplicationId: str,  # noqa: N803
    ) -> dict[str, str]:
        assert QueueUrl
        now = self.clock.now()
        seen = self._seen.get(MessageDeduplicationId)
        if seen is None or seen + _DEDUPLICATED <= now:
            self._seen[MessageDeduplicationId] = now
            self._number += 1
            self.messages.append(QueuedMessage(f"m{self._number}", MessageBody, MessageGroupId, now))
        return {"MessageId": "m"}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self.send_message(QueueUrl=QueueUrl, **{name: value for name, value in entry.items() if name != "Id"})
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        assert QueueUrl
        for message in self.messages:
            if message.receipt == ReceiptHandle:
                message.visible_at = self.clock.now() + timedelta(seconds=VisibilityTimeout)

    def receive(self) -> QueuedMessage | None:
        """The first message of a group of which none is being handled."""
        self._bury()
        now, blocked = self.clock.now(), set[str]()
        for message in self.messages:
            if message.group in blocked:
                continue
            if message.visible_at <= now:
                self._number += 1
                message.receipt, message.receive_count = f"r{self._number}", message.receive_count + 1
                message.visible_at = now + timedelta(seconds=WORK_QUEUE.visibility_seconds)
                return message
            blocked.add(message.group)
        return None

    def delete(self, message: QueuedMessage) -> None:
        """Acknowledged."""
        self.messages.remove(message)

    def _bury(self) -> None:
        most = WORK_QUEUE.max_receive_count
        for message in list(self.messages):
            if most is not None and message.receive_count >= most and message.visible_at <= self.clock.now():
                self.messages.remove(message)
                self.dead.append(message)
