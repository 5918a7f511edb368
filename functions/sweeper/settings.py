"""What the sweeper must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SweeperSettings"]


@dataclass(frozen=True, kw_only=True)
class SweeperSettings:
    """The table it looks through, the queue it fills, the topic it notifies, and how many jobs it looks at a run.

    What is left over when a run has looked at so many, or is at the end of its time, is where the next run begins.
    """

    table_name: str
    queue_url: str
    topic_arn: str
    jobs_a_run: int = 5_000
