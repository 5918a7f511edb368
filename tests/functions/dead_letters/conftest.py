"""A workshop in this process: single-threaded, on a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def workshop(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> Workshop:
    return Workshop.over(moto_table, moto_work_queue, clock=clock)
