"""The only way to ask the time.

Times are aware UTC datetimes cut to the millisecond, because that is what a row keeps: a time read back equals
the time written.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock", "from_iso", "milliseconds", "to_iso"]


class Clock(Protocol):
    """Tells the time and waits; tests bring one that they move themselves."""

    def now(self) -> datetime:
        """The time now: aware, UTC, whole milliseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now: aware, UTC, whole milliseconds."""
        return milliseconds(datetime.now(UTC))  # noqa: TID251  this module is where the ban points

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def milliseconds(moment: datetime) -> datetime:
    """``moment`` without what a row would not keep."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def to_iso(moment: datetime) -> str:
    """UTC ISO 8601 with milliseconds, ``2026-11-22T12:00:00.000Z``: sorts as text as it does in time."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def from_iso(text: str) -> datetime:
    """The inverse of :func:`to_iso`.

    Raises:
        ValueError: the text is no such time.
    """
    return datetime.fromisoformat(text).astimezone(UTC)
