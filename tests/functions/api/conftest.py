"""The api over moto."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.front_desk import FrontDesk

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def desk(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> FrontDesk:
    """An api whose requests each meet a process that has just started."""
    return FrontDesk(moto_table, moto_work_queue, clock=clock)


@pytest.fixture
def live_desk(table: TableHandle, work_queue: QueueHandle, clock: ManualClock) -> FrontDesk:
    """The same on the emulator: for threads, and where moto is too slow."""
    return FrontDesk(table, work_queue, clock=clock)


@pytest.fixture
def any_desk(request: pytest.FixtureRequest) -> FrontDesk:
    """The one that the test's parameter names."""
    desk: FrontDesk = request.getfixturevalue(request.param)
    return desk
