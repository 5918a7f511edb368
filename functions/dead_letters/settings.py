"""What the dead letters' function must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeadLettersSettings"]


@dataclass(frozen=True, kw_only=True)
class DeadLettersSettings:
    """The table, the work queue that it sends to, and the queue of dead letters that it is driven by."""

    table_name: str
    queue_url: str
    dead_letters_url: str
