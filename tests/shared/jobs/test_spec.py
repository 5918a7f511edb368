from __future__ import annotations

import dataclasses

import pytest

from shared.jobs.ledger import MAX_ATTEMPTS, MAX_LANES
from shared.jobs.spec import JobOptions
from shared.jobs.statuses import Drive, OnDuplicate, OnError
from tests.support.ledgers import make_spec


def test_options_are_the_contracts_when_nothing_is_said() -> None:
    assert dataclasses.asdict(JobOptions()) == {
        "concurrency": 1,
        "drive": Drive.QUEUE,
        "on_error": OnError.CONTINUE,
        "on_duplicate": OnDuplicate.SKIP,
        "max_attempts": 3,
        "item_timeout_seconds": 120,
        "deadline_minutes": 1440,
        "min_interval_seconds": 0,
        "budget_microusd": None,
        "model": None,
    }


def test_defaults_lie_within_the_ledgers_bounds() -> None:
    assert JobOptions().max_attempts <= MAX_ATTEMPTS
    assert JobOptions().concurrency <= MAX_LANES


def test_spec_cannot_be_changed_when_it_stands() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_spec().model = "another"  # type: ignore[misc]
