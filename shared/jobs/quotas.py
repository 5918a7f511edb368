"""A project's quota: so many items and so much money a month.

A generation of a job reserves, when it begins, all its items and what they can cost; when it ends, what it has used
stays and the rest is given back. So *taken* is what is used and what is reserved, and what is left is the quota without
that. Months are those of UTC; a generation is settled in the month in which it was reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from datetime import datetime

    from shared.jobs.ledger import Ledger

__all__ = [
    "Amount",
    "QuotaReached",
    "Usage",
    "UsageUnit",
    "booked_in",
    "month_of",
    "next_month",
    "quota_reached",
    "used_in",
]


@unique
class UsageUnit(StrEnum):
    """What a quota is counted in."""

    ITEMS = "items"
    USD = "usd"


@dataclass(frozen=True, slots=True)
class Amount:
    """Items and micro-dollars."""

    items: int = 0
    microusd: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.items + other.items, self.microusd + other.microusd)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.items - other.items, self.microusd - other.microusd)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project has taken of its quota in a month, and how much of that is used."""

    period: str
    taken: Amount = Amount()
    used: Amount = Amount()

    @property
    def reserved(self) -> Amount:
        """What unfinished generations may still use."""
        return self.taken - self.used

    def remaining(self, quota: Amount) -> Amount:
        """What is left of ``quota``: nothing where it was lowered since, or jobs have cost more than estimated."""
        left = quota - self.taken
        return Amount(max(0, left.items), max(0, left.microusd))


@dataclass(frozen=True, slots=True)
class QuotaReached:
    """Less is left than a job requires: items, or micro-dollars."""

    unit: UsageUnit
    required: int
    remaining: int
    limit: int
    renews_at: datetime


def month_of(now: datetime) -> str:
    """The month as usage is kept by, ``2026-11``."""
    return f"{now:%Y-%m}"


def next_month(now: datetime) -> datetime:
    """When the next month begins."""
    in_next = now.replace(day=28) + timedelta(days=4)
    return in_next.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def quota_reached(usage: Usage, quota: Amount, required: Amount, now: datetime) -> QuotaReached | None:
    """What keeps a job that requires so much from beginning; items first."""
    left, renews_at = usage.remaining(quota), next_month(now)
    if required.items > left.items:
        return QuotaReached(UsageUnit.ITEMS, required.items, left.items, quota.items, renews_at)
    if required.microusd > left.microusd:
        return QuotaReached(UsageUnit.USD, required.microusd, left.microusd, quota.microusd, renews_at)
    return None


def booked_in(ledger: Ledger) -> Amount:
    """What the present generation has reserved: its items, whatever became of them, and what they could cost."""
    return Amount(sum(lane.end for lane in ledger.lanes), ledger.booked_microusd)


def used_in(ledger: Ledger) -> Amount:
    """What the present generation has used so far: completed items, and the money that is spent, failures included."""
    spent = Amount(ledger.completed, ledger.cost_microusd)
    return spent - Amount(ledger.settled_items, ledger.settled_microusd)
