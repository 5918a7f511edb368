"""Waiting for what happens in another thread or process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["eventually"]


def eventually(condition: Callable[[], bool], *, within_seconds: float = 30.0) -> None:
    """Returns when ``condition`` holds; fails when it does not in time."""
    end = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
