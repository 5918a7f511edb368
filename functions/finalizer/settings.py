"""What the finalizer must be told, and which changes of the table it is told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["STREAM_FILTERS", "FinalizerSettings"]

STREAM_FILTERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "dynamodb": {
            "NewImage": {
                "sk": {"S": [{"prefix": "JOB#"}]},
                "open": {"N": ["0"]},
                "status": {"S": ["queued", "processing", "paused", "cancelling"]},
            }
        }
    },
)
"""Only ledgers with nothing open that have not ended: once a generation, not once a write."""


@dataclass(frozen=True, kw_only=True)
class FinalizerSettings:
    """The table it closes jobs in and the topic it notifies."""

    table_name: str
    topic_arn: str
