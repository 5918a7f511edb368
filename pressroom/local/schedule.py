"""A clock for functions that run every so often, as EventBridge's schedules do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pressroom.local.errors import InvocationError
from pressroom.local.worker import REGION
from shared.clock import SystemClock, to_iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock

__all__ = ["Schedule"]


class Schedule:
    """One thread that invokes a function every ``every_seconds``; a run that takes longer delays the next."""

    def __init__(
        self, invoke: Callable[[dict[str, Any]], Any], *, every_seconds: float, clock: Clock | None = None
    ) -> None:
        """Takes ``invoke``, which raises InvocationError when the run failed; the next one comes all the same."""
        self._invoke = invoke
        self._every_seconds = every_seconds
        self._clock = clock or SystemClock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_for_ever, name="schedule", daemon=True)

    def start(self) -> None:
        """Begins; the first run comes after ``every_seconds``."""
        self._thread.start()

    def stop(self) -> None:
        """Begins no more runs."""
        self._stopping.set()

    def close(self) -> None:
        """Waits for the run in hand; end its worker first, or this takes as long as it does."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    def _run_for_ever(self) -> None:
        while not self._stopping.wait(self._every_seconds):
            try:
                self._invoke(_event(self._clock))
            except InvocationError:
                continue  # the pool has told it


def _event(clock: Clock) -> dict[str, Any]:
    """What EventBridge sends."""
    return {
        "version": "0",
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": to_iso(clock.now()),
        "region": REGION,
        "resources": [],
        "detail": {},
    }
