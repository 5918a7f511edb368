"""The words a job's and an item's state are told in."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

__all__ = [
    "FINAL",
    "RUNNING",
    "CancelReason",
    "Drive",
    "ItemStatus",
    "JobStatus",
    "OnDuplicate",
    "OnError",
    "PauseReason",
    "ShownStatus",
]


@unique
class JobStatus(StrEnum):
    """A job's status as the ledger stores it."""

    INTAKE = "intake"
    """Still being written; visible to nobody."""
    QUEUED = "queued"
    PROCESSING = "processing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@unique
class ShownStatus(StrEnum):
    """A job's status as a reader sees it: ``pausing`` while a paused job still has work in flight."""

    QUEUED = "queued"
    PROCESSING = "processing"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    PARTIALLY_FAILED = "partially_failed"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUNNING: Final = frozenset({JobStatus.QUEUED, JobStatus.PROCESSING})
"""Statuses in which items may be claimed (RUN in the protocol)."""

FINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.PARTIALLY_FAILED, JobStatus.FAILED, JobStatus.CANCELLED})
"""Statuses that only ``notified`` and ``retry`` may still touch."""


@unique
class ItemStatus(StrEnum):
    """What an item is, by the rule of reading (:func:`shared.jobs.items.effective_status`)."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@unique
class PauseReason(StrEnum):
    """Why a job is paused; the first is a person, the others are causes that a person must mend."""

    USER = "user"
    BILLING = "billing"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    BUDGET_EXHAUSTED = "budget_exhausted"
    ON_ERROR = "on_error"


@unique
class CancelReason(StrEnum):
    """Why a job was cancelled."""

    USER = "user"
    ON_ERROR = "on_error"
    DEADLINE = "deadline"


@unique
class Drive(StrEnum):
    """Who advances the job's lanes."""

    QUEUE = "queue"
    CLIENT = "client"


@unique
class OnError(StrEnum):
    """What a failed item means for the others."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@unique
class OnDuplicate(StrEnum):
    """What happens to an item whose merged input stands in the job already."""

    SKIP = "skip"
    REJECT = "reject"
    ALLOW = "allow"
