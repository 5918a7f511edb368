"""What the journal must be told, and which changes of the table it is told of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["STREAM_FILTERS", "JournalSettings"]

STREAM_FILTERS: Final[tuple[dict[str, Any], ...]] = ({"dynamodb": {"NewImage": {"sk": {"S": [{"prefix": "JOB#"}]}}}},)
"""Every write of a ledger; nothing else has such a sort key, the timeline's own rows least of all. A deletion has no
new image: a job that is gone has no timeline."""


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """The table whose ledgers it tells of, and in which it writes."""

    table_name: str
