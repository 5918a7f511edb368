"""How long AWS is asked before we say that it does not answer: time-outs and tries of every client, in one place.

Whoever calls AWS holds something meanwhile: a lane, whose lease ends :data:`~shared.queue.queues.LEASE_MARGIN_SECONDS`
after its item's time limit, or a request, which the gateway cuts off after 30 seconds. So a call ends well before
that, whatever AWS does, and ends as a typed error that says it is safe to try again. A test holds the numbers to it.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.config import Config

__all__ = ["GLANCE", "INVOKE", "QUEUE", "SECRET", "STORE", "STORE_SECONDS", "TOPIC", "longest_seconds"]

STORE_SECONDS: Final = 15.0
"""The most that one call of the table takes, all its tries and waits included."""


def _config(*, connect_seconds: int, read_seconds: int, tries: int) -> Config:
    return Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": tries},
    )


STORE: Final = _config(connect_seconds=2, read_seconds=5, tries=1)
"""The table: :class:`shared.store.dynamodb.DynamoTable` itself repeats, with jitter, within its time. A client that
repeated below it would multiply both."""
GLANCE: Final = _config(connect_seconds=1, read_seconds=1, tries=1)
"""The table, for whoever would rather know nothing than wait."""
QUEUE: Final = _config(connect_seconds=2, read_seconds=5, tries=3)
"""SQS; nobody polls it with this."""
TOPIC: Final = _config(connect_seconds=2, read_seconds=5, tries=3)
"""SNS."""
SECRET: Final = _config(connect_seconds=2, read_seconds=3, tries=2)
"""Secrets Manager; an item's time limit covers it, so a call to Claude after it has less."""
INVOKE: Final = _config(connect_seconds=2, read_seconds=5, tries=2)
"""Lambda's Invoke of type Event, which is answered before the function runs."""


def longest_seconds(config: Config) -> float:
    """The longest that one try may take, connecting included."""
    settings: Any = config  # its attributes are made at run time
    return float(settings.connect_timeout + settings.read_timeout)
