from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import SystemClock, from_iso, milliseconds, to_iso

MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants naive bounds


def test_system_clock_tells_aware_utc_in_whole_milliseconds_when_asked() -> None:
    now = SystemClock().now()

    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


def test_system_clock_moves_on_when_it_slept() -> None:
    clock = SystemClock()
    before = clock.now()

    clock.sleep(0.005)

    assert clock.now() - before >= timedelta(milliseconds=4)


@given(MOMENTS)
def test_time_read_back_equals_the_time_written_when_cut_to_milliseconds(moment: datetime) -> None:
    assert from_iso(to_iso(moment)) == milliseconds(moment)


@given(MOMENTS, MOMENTS)
def test_texts_sort_as_times_do_when_compared(one: datetime, other: datetime) -> None:
    assert (to_iso(one) < to_iso(other)) == (milliseconds(one) < milliseconds(other))


def test_text_is_utc_with_three_decimals_when_the_time_is_of_another_zone() -> None:
    local = datetime(2026, 11, 22, 14, 0, 0, 7_999, tzinfo=timezone(timedelta(hours=2)))

    assert to_iso(local) == "2026-11-22T12:00:00.007Z"


def test_from_iso_refuses_when_the_text_is_no_time() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        from_iso("yesterday")
