"""A rate limit as the real API has it: a bucket that fills steadily, and headers that tell how it stands."""

from __future__ import annotations

import math
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.clock import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.clock import Clock

__all__ = ["RateLimit"]

_MINUTE: Final = 60
_ROUNDING: Final = 1e-9


class RateLimit:
    """Allows ``rate`` requests a second. Safe to share between threads.

    Args:
        rate: how fast the bucket fills.
        burst: how much it holds, at least 1; by default what flows in during a second.
        clock: for the time in the headers.
        tells: whether the ``anthropic-ratelimit-*`` headers are sent; ``retry-after`` always is.
        monotonic: what the bucket is filled by.
    """

    def __init__(
        self,
        rate: float,
        clock: Clock,
        *,
        burst: float | None = None,
        tells: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, rate if burst is None else burst)
        self._clock = clock
        self._tells = tells
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._left = self._burst
        self._filled_at = monotonic()

    def admit(self) -> tuple[bool, Mapping[str, str]]:
        """Whether one more request is allowed, and the headers of its answer either way."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
            self._filled_at = now
            allowed = self._left >= 1 - _ROUNDING
            if allowed:
                self._left -= 1
            left = max(0.0, self._left)
        headers = self._told(left) if self._tells else {}
        if not allowed:
            headers["retry-after"] = str(max(1, math.ceil((1 - left) / self._rate)))
        return allowed, headers

    def _told(self, left: float) -> dict[str, str]:
        return {
            "anthropic-ratelimit-requests-limit": str(round(self._rate * _MINUTE)),
            "anthropic-ratelimit-requests-remaining": str(int(left)),
            "anthropic-ratelimit-requests-reset": to_iso(
                self._clock.now() + timedelta(seconds=(self._burst - left) / self._rate)
            ),
        }
