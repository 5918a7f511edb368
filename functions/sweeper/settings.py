"""What the sweeper must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import SettingsError

__all__ = ["SECONDS_FOR_ERASING", "SECONDS_FOR_THE_LAST", "TIMEOUT_SECONDS", "SweeperSettings"]

TIMEOUT_SECONDS: Final = 90
"""Of the function. A run that has too much to do begins no further look when the next run begins."""
SECONDS_FOR_THE_LAST: Final = 25.0
"""A run asks AWS for nothing new when it has less time than that: the longest call is one that gets no answer."""
SECONDS_FOR_ERASING: Final = 10.0
"""Kept for the eraser, however much there is to be looked at: what is deleted is gone in the end on busy days too."""


@dataclass(frozen=True, kw_only=True)
class SweeperSettings:
    """The table it looks through, the queue it fills, the topic it notifies, and how many jobs it looks at a run.

    What is left over when a run has looked at so many, or is at the end of its time, is where the next run begins.
    ``retention_days`` after its end a job is deleted; 0 means never.

    Raises:
        SettingsError: the retention is negative.
    """

    table_name: str
    queue_url: str
    topic_arn: str
    jobs_a_run: int = 5_000
    retention_days: int = 0

    def __post_init__(self) -> None:
        if self.retention_days < 0:
            raise SettingsError(f"PRESSROOM_RETENTION_DAYS is {self.retention_days}, not 0 or more")
