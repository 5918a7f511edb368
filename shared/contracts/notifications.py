"""The message that tells that a job has ended. Standard library only: the finalizer's start pays for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.clock import to_iso

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger

__all__ = ["notification", "notification_attributes"]

_MICROUSD: Final = 1_000_000


def notification(ledger: Ledger, *, created_by: str) -> dict[str, Any]:
    """The body for a final ``ledger``: one a generation, with the same ``id`` on every repeat."""
    counts = ledger.counts
    return {
        "type": f"job.{ledger.status}",
        "id": f"{ledger.job_id}:{ledger.generation}",
        "occurred_at": to_iso(ledger.completed_at) if ledger.completed_at else None,
        "project_id": ledger.project_id,
        "job_id": ledger.job_id,
        "generation": ledger.generation,
        "name": ledger.name,
        "created_by": created_by,
        "counts": {
            "total": counts.total,
            "queued": counts.queued,
            "processing": counts.processing,
            "completed": counts.completed,
            "failed": counts.failed,
            "cancelled": counts.cancelled,
        },
        "usage": {
            "input_tokens": ledger.input_tokens,
            "output_tokens": ledger.output_tokens,
            "cost_usd": ledger.cost_microusd / _MICROUSD,
        },
        "error_summary": [
            {
                "code": tally.code.value,
                "class": tally.error_class.value,
                "retryable": tally.retryable,
                "count": tally.count,
                "first_position": tally.first_position,
            }
            for tally in ledger.error_summary
        ],
    }


def notification_attributes(ledger: Ledger) -> dict[str, str]:
    """What filter policies of subscriptions may ask for."""
    return {
        "type": f"job.{ledger.status}",
        "project_id": ledger.project_id,
        "status": ledger.status.value,
    }
