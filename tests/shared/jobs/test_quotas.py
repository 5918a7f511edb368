from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.jobs.ledger import Lane
from shared.jobs.quotas import (
    Amount,
    QuotaReached,
    Usage,
    UsageUnit,
    booked_in,
    month_of,
    next_month,
    quota_reached,
    used_in,
)
from tests.support.ledgers import make_ledger

NOW = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
QUOTA = Amount(100, 1_000)


@pytest.mark.parametrize("day", range(0, 800, 9))
def test_next_month_is_the_first_moment_of_another_month(day: int) -> None:
    now = datetime(2026, 1, 31, 12, 30, tzinfo=UTC) + timedelta(days=day)

    renewed = next_month(now)

    assert month_of(renewed - timedelta(milliseconds=1)) == month_of(now) < month_of(renewed)
    assert now < renewed <= now + timedelta(days=31)


def test_job_may_begin_when_it_takes_exactly_what_is_left() -> None:
    usage = Usage("2026-11", taken=Amount(40, 400), used=Amount(30, 100))

    assert usage.reserved == Amount(10, 300)
    assert quota_reached(usage, QUOTA, Amount(60, 600), NOW) is None


@pytest.mark.parametrize(
    ("required", "reached"),
    [
        (Amount(61, 601), QuotaReached(UsageUnit.ITEMS, 61, 60, 100, DECEMBER)),
        (Amount(60, 601), QuotaReached(UsageUnit.USD, 601, 600, 1_000, DECEMBER)),
    ],
)
def test_reason_says_what_is_required_and_left_when_a_job_is_too_large(required: Amount, reached: QuotaReached) -> None:
    assert quota_reached(Usage("2026-11", taken=Amount(40, 400)), QUOTA, required, NOW) == reached


def test_nothing_is_left_when_more_was_taken_than_the_quota_now_is() -> None:
    assert Usage("2026-11", taken=Amount(101, 5_000)).remaining(QUOTA) == Amount()


def test_generation_counts_its_own_items_and_its_own_money_when_others_were_settled_before() -> None:
    ledger = make_ledger(
        Lane(2, 3),
        Lane(1, 1),
        completed=8,
        cost_microusd=950,
        booked_microusd=700,
        settled_items=6,
        settled_microusd=500,
    )

    assert booked_in(ledger) == Amount(4, 700)
    assert used_in(ledger) == Amount(2, 450)
