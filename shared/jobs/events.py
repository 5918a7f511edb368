"""What a job's timeline holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Event", "EventType"]


@unique
class EventType(StrEnum):
    """What happened."""

    JOB_CREATED = "job.created"
    JOB_STARTED = "job.started"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_CANCELLED = "job.cancelled"
    JOB_RETRIED = "job.retried"
    JOB_HANDED_OFF = "job.handed_off"
    JOB_FINALIZED = "job.finalized"
    JOB_NOTIFIED = "job.notified"
    JOB_EDITED = "job.edited"
    """No transition did that: somebody changed the row by hand, or a bug did."""
    ITEM_STARTED = "item.started"
    ITEM_SETTLED = "item.settled"
    ITEM_PUT_BACK = "item.put_back"
    ITEM_TAKEN_OVER = "item.taken_over"
    ITEM_RELEASED = "item.released"
    LANE_REDRIVEN = "lane.redriven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a job's timeline.

    Attributes:
        actor: who wrote; None for an edit, which leaves no name.
        generation: of the job then; None where the row could not be read.
        lane: of an event of an item or lane.
        index: where the item stands in the lane's list of positions.
        position: the item's; None in a later generation until the lane's list has been looked up.
        before: the status of the job or item before (``from`` where it is shown).
        after: and after (``to``).
        attempt: the number of the try that began, ended or was lost, from 1; None where there was none.
        detail: one thing more, in short: an error's code, a reason, a number of items, names of attributes.
    """

    type: EventType
    time: datetime
    actor: str | None
    generation: int | None
    lane: int | None = None
    index: int | None = None
    position: int | None = None
    before: str | None = None
    after: str | None = None
    attempt: int | None = None
    detail: str | None = None
