"""Every limit, once. The api enforces them, ``GET /v1/limits`` shows them, configuration replaces them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.jobs.ledger import MAX_LANES

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes in bytes, rates per user and project, a month's quota per project that has none of its own.

    ``retention_days`` after its end a job is deleted; 0 means never.
    """

    min_items_per_job: int = 1
    max_items_per_job: int = 1_000
    bytes_per_item: int = 16 * 1024
    bytes_per_request: int = 4 * 1024 * 1024
    concurrency_max: int = MAX_LANES
    jobs_per_hour: int = 60
    active_jobs: int = 20
    items_per_month: int = 100_000
    usd_per_month: int = 2_000
    bulk_cancel_max: int = 100
    templates_per_project: int = 200
    retention_days: int = 0
