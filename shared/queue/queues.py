"""The queues, defined once: infra, the local runtime and the tests all make them from here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

__all__ = [
    "CALL_ENDS_BEFORE_LEASE_SECONDS",
    "DEAD_LETTERS",
    "FUNCTION_TIMEOUT_SECONDS",
    "LEASE_MARGIN_SECONDS",
    "MAX_ITEM_TIMEOUT_SECONDS",
    "MIN_ITEM_TIMEOUT_SECONDS",
    "NOTICE_DEATH_SECONDS",
    "WORK_QUEUE",
    "Queue",
]

MIN_ITEM_TIMEOUT_SECONDS: Final = 5
MAX_ITEM_TIMEOUT_SECONDS: Final = 600
LEASE_MARGIN_SECONDS: Final = 15
"""A lease ends this long after the item's time limit."""
CALL_ENDS_BEFORE_LEASE_SECONDS: Final = 10
"""The call to Claude ends so long before the lease: time to settle."""
NOTICE_DEATH_SECONDS: Final = 10
"""A held item's message comes back so long after its lease: whoever held it is dead by then."""
FUNCTION_TIMEOUT_SECONDS: Final = MAX_ITEM_TIMEOUT_SECONDS + LEASE_MARGIN_SECONDS + 25
"""The processor's time-out: the longest lease, and time to start and to settle."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A FIFO queue. Deduplication ids are explicit; times in seconds."""

    visibility_seconds: int
    retention_seconds: int = 14 * 24 * 3600
    max_receive_count: int | None = None
    """After so many receives a message goes to the dead letters; None keeps it for ever."""

    def attributes(self, dead_letter_arn: str | None = None) -> dict[str, str]:
        """The attributes of ``CreateQueue``."""
        attributes = {
            "FifoQueue": "true",
            "ContentBasedDeduplication": "false",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "VisibilityTimeout": str(self.visibility_seconds),
            "MessageRetentionPeriod": str(self.retention_seconds),
        }
        if self.max_receive_count is not None and dead_letter_arn is not None:
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": self.max_receive_count}
            )
        return attributes


WORK_QUEUE: Final = Queue(visibility_seconds=FUNCTION_TIMEOUT_SECONDS + 30, max_receive_count=10)
"""One message an item, a group a lane. Its visibility covers a death before the claim only (rule 17)."""
DEAD_LETTERS: Final = Queue(visibility_seconds=360)
