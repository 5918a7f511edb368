from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import PROJECT, new_id
from shared.jobs.quotas import Amount, Usage
from shared.store import usages
from shared.store.dynamodb import RefusedError
from shared.store.projects import Project, ProjectStore
from shared.store.usages import OwnQuota, UsageStore
from tests.support.ledgers import NOW

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf

MONTH = "2026-11"
QUOTA = Amount(10, 1_000)


@pytest.fixture
def project_id() -> str:
    return new_id(PROJECT, NOW)


def book(shelf: Shelf, project_id: str, required: Amount, quota: Amount = QUOTA, period: str = MONTH) -> Usage:
    shelf.table.transact("create", [usages.book(project_id, period, required, quota)])
    return UsageStore(shelf.table).read(project_id, period)


def settle(shelf: Shelf, project_id: str, booked: Amount, used: Amount) -> Usage:
    shelf.table.transact("finalize", [usages.settle(project_id, MONTH, booked=booked, used=used)])
    return UsageStore(shelf.table).read(project_id, MONTH)


def test_bookings_add_up_until_less_is_left_than_required(shelf: Shelf, project_id: str) -> None:
    assert book(shelf, project_id, Amount(4, 400)) == Usage(MONTH, Amount(4, 400))
    for required in (Amount(7, 1), Amount(1, 601)):
        with pytest.raises(RefusedError):
            book(shelf, project_id, required)

    assert book(shelf, project_id, Amount(6, 600)) == Usage(MONTH, Amount(10, 1_000))
    with pytest.raises(RefusedError):
        book(shelf, project_id, Amount(1, 0))
    assert book(shelf, project_id, Amount(1, 0), period="2026-12") == Usage("2026-12", Amount(1, 0))


@pytest.mark.parametrize("required", [Amount(11, 1), Amount(1, 1_001)])
def test_first_booking_of_a_month_is_refused_when_it_is_larger_than_the_quota(
    shelf: Shelf, project_id: str, required: Amount
) -> None:
    with pytest.raises(RefusedError):
        book(shelf, project_id, required)

    assert UsageStore(shelf.table).read(project_id, MONTH) == Usage(MONTH)


def test_what_is_used_stays_and_the_rest_comes_back_when_a_booking_is_settled(shelf: Shelf, project_id: str) -> None:
    book(shelf, project_id, Amount(4, 400))
    book(shelf, project_id, Amount(5, 500))

    assert settle(shelf, project_id, Amount(4, 400), Amount(3, 120)) == Usage(MONTH, Amount(8, 620), Amount(3, 120))
    # Retries within an item may cost more than was estimated: what is spent is counted.
    assert settle(shelf, project_id, Amount(5, 500), Amount(0, 750)) == Usage(MONTH, Amount(3, 870), Amount(3, 870))


def test_job_ends_all_the_same_when_the_row_is_gone(shelf: Shelf, project_id: str) -> None:
    assert settle(shelf, project_id, Amount(4, 400), Amount(3, 120)) == Usage(MONTH, Amount(3, 120), Amount(3, 120))


def test_quota_is_the_projects_own_as_far_as_it_has_one(shelf: Shelf, project_id: str) -> None:
    store = UsageStore(shelf.table)
    with pytest.raises(RefusedError):
        store.set_quota(project_id, OwnQuota(items=5))
    assert store.quota(project_id, QUOTA) == QUOTA
    assert store.own_quota(project_id) is None
    ProjectStore(shelf.table).create(Project(project_id, "Blog", NOW), owner="alice")

    store.set_quota(project_id, OwnQuota(items=5))
    assert store.quota(project_id, QUOTA) == Amount(5, 1_000)
    assert store.own_quota(project_id) == OwnQuota(items=5)
    store.set_quota(project_id, OwnQuota(microusd=0))
    assert store.quota(project_id, QUOTA) == Amount(10, 0)
