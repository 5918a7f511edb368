"""What AWS charges in us-east-1, and how well each price is known here.

None is guessed. AWS's pages fill their tables in by a script, so that a stored copy of a page often shows the words and
not the numbers: ``confirmed`` says what the number was read from. Free tiers, tiers for more, savings plans and data
transfer are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRICES", "READ", "REGION", "Confirmed", "Price"]

REGION: Final = "us-east-1"
READ: Final = "2026-11-27"
"""When the pages were read."""
_MILLION: Final = 1_000_000


class Confirmed(Enum):
    """What a price was read from."""

    PAGE = "AWS's page"
    COPY = "a dated copy of AWS's page"
    OTHERS = "NOT CONFIRMED: others' pages only"


@dataclass(frozen=True)
class Price:
    """``usd`` for ``units`` of ``unit``."""

    usd: float
    units: int
    unit: str
    page: str
    """The page of AWS where it stands."""
    confirmed: Confirmed
    seen: str
    """What was read on :data:`READ`, with its own date."""

    @property
    def each(self) -> float:
        """Dollars for one unit."""
        return self.usd / self.units


_LAMBDA: Final = "AWS Lambda pricing"
_DYNAMODB: Final = "Amazon DynamoDB pricing for on-demand capacity"
_SQS: Final = "Amazon SQS pricing"
_STEPS: Final = "AWS Step Functions pricing"
_COPIED: Final = "transcribed word for word on 2026-09-20"

PRICES: Final[Mapping[str, Price]] = MappingProxyType(
    {
        "lambda requests": Price(0.20, _MILLION, "request", _LAMBDA, Confirmed.COPY, _COPIED),
        "lambda time": Price(13.3334, _MILLION, "GB-second, arm64", _LAMBDA, Confirmed.OTHERS, "cloudchipr.com, 2024"),
        "durable operations": Price(8.00, _MILLION, "operation", _LAMBDA, Confirmed.COPY, _COPIED),
        "durable data written": Price(
            0.25, 1, "GB", _LAMBDA, Confirmed.OTHERS, "a comparison that cites the page, undated"
        ),
        "durable data kept": Price(
            0.15, 1, "GB-month", _LAMBDA, Confirmed.OTHERS, "a comparison that cites the page, undated"
        ),
        "table writes": Price(0.625, _MILLION, "write unit", _DYNAMODB, Confirmed.OTHERS, "airbyte.com, 2025-07-21"),
        "table reads": Price(0.125, _MILLION, "read unit", _DYNAMODB, Confirmed.OTHERS, "airbyte.com, 2025-07-21"),
        "table storage": Price(0.25, 1, "GB-month", _DYNAMODB, Confirmed.OTHERS, "gist.github.com, 2020-12-27"),
        "table backups": Price(
            0.20, 1, "GB-month of point-in-time recovery", _DYNAMODB, Confirmed.OTHERS, "gist.github.com, 2020-03-11"
        ),
        "queue, fifo": Price(
            0.50, _MILLION, "request of up to 64 KB", _SQS, Confirmed.OTHERS, "factualminds.com, 2026-06-13"
        ),
        "queue, standard": Price(
            0.40, _MILLION, "request of up to 64 KB", _SQS, Confirmed.OTHERS, "factualminds.com, 2026-06-13"
        ),
        "api requests": Price(
            1.00, _MILLION, "request of an HTTP API", "Amazon API Gateway pricing", Confirmed.COPY, _COPIED
        ),
        "notifications": Price(
            0.50, _MILLION, "publish", "Amazon SNS pricing", Confirmed.OTHERS, "factualminds.com, 2026-06-13"
        ),
        "logs": Price(
            0.50, 1, "GB written", "Amazon CloudWatch pricing", Confirmed.OTHERS, "duckbillgroup.com, May 2025"
        ),
        "step transitions": Price(
            0.025, 1_000, "state transition", _STEPS, Confirmed.PAGE, "a stored copy with its table, undated"
        ),
        "express requests": Price(1.00, _MILLION, "request", _STEPS, Confirmed.OTHERS, "wring.co, 2026-03-14"),
        "express time": Price(16.67, _MILLION, "GB-second", _STEPS, Confirmed.OTHERS, "wring.co, 2026-03-14"),
    }
)
