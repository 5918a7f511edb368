"""Numbers and jobs in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from pressroom.client import Job

__all__ = ["duration", "ends_in", "items", "money", "outcome", "spent"]

_DOLLAR: Final = 1.0
_HOUR: Final = 3600


def money(usd: float) -> str:
    """US dollars: cents above a dollar, and below it as fine as a single item's cost."""
    return f"${usd:,.2f}" if usd >= _DOLLAR or usd == 0 else f"${usd:.4f}"


def duration(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    whole = max(0, round(seconds))
    if whole < _HOUR:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // _HOUR}:{whole % _HOUR // 60:02d}:{whole % 60:02d}"


def items(count: int) -> str:
    """``1 item``, ``1,234 items``."""
    return f"{count:,} item" if count == 1 else f"{count:,} items"


def ends_in(job: Job, now: datetime) -> str:
    """The time left by the server's estimate; empty where there is none."""
    if job.is_final or job.is_paused or job.estimated_completion_at is None:
        return ""
    return duration((job.estimated_completion_at - now).total_seconds())


def outcome(job: Job) -> str:
    """What became of the items: ``48 completed, 2 failed``."""
    counts = job.counts
    parts = [f"{counts.completed:,} completed"]
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    parts += [f"{counts.cancelled:,} cancelled"] if counts.cancelled else []
    unfinished = counts.queued + counts.processing
    parts += [f"{unfinished:,} not finished"] if unfinished else []
    return ", ".join(parts)


def spent(job: Job) -> str:
    """Tokens and cost: ``1,200 tokens in, 3,400 out, $0.0123``."""
    usage = job.usage
    return f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, {money(usage.cost_usd)}"
