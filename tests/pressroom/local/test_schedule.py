from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.local.errors import HandlerError
from pressroom.local.schedule import Schedule
from pressroom.local.upkeep import UpkeepSettings
from shared.errors import SettingsError
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.clock import ManualClock


def test_function_runs_again_and_again_when_its_runs_fail(clock: ManualClock) -> None:
    events: list[dict[str, Any]] = []

    def invoke(event: dict[str, Any]) -> None:
        events.append(event)
        raise HandlerError("sweeper", "ValueError", "no")

    with closing(Schedule(invoke, every_seconds=0.01, clock=clock)) as schedule:
        schedule.start()
        eventually(lambda: len(events) >= 3)

    assert (events[0]["detail-type"], events[0]["time"]) == ("Scheduled Event", "2026-11-22T12:00:00.000Z")
    assert "schedule" not in {thread.name for thread in threading.enumerate()}


def test_nothing_runs_when_it_ends_before_its_first_time() -> None:
    events: list[dict[str, Any]] = []
    schedule = Schedule(events.append, every_seconds=60)
    schedule.start()

    schedule.close()

    assert events == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_time_between_runs_is_refused_when_it_is_none(seconds: float) -> None:
    with pytest.raises(SettingsError, match="PRESSROOM_SWEEP_SECONDS"):
        UpkeepSettings(sweep_seconds=seconds)
