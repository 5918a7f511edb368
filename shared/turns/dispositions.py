"""What becomes of the message that asked for the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Acknowledge", "Disposition", "Keep", "keep_until"]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The message has done its work, or is void. ``reason`` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Keep:
    """The lane still needs a message: this one comes back after ``seconds``."""

    seconds: float
    reason: str


Disposition = Acknowledge | Keep


def keep_until(moment: datetime, now: datetime, reason: str) -> Keep:
    """Keep the message until ``moment``."""
    return Keep(max(0.0, (moment - now).total_seconds()), reason)
