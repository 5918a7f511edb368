"""A clock that only a test moves."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.clock import milliseconds

__all__ = ["START", "ManualClock"]

START: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class ManualClock:
    """A :class:`shared.clock.Clock` that stands still until it is moved. Safe to share between threads.

    Attributes:
        slept: what was slept, in order, in seconds. Sleeping moves the time and takes none.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = milliseconds(start)
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return milliseconds(self._now)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> datetime:
        """Moves the time on; returns the new time. A negative value moves it back, as a bad machine does."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return milliseconds(self._now)

    def set(self, moment: datetime) -> None:
        with self._lock:
            self._now = milliseconds(moment)
