"""The brake's rules, one by one, and what they do to many lanes in simulated time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ErrorCode, RateLimits, item_error
from shared.jobs.brake import (
    HORIZON_SECONDS,
    RELEASE_SECONDS,
    Brake,
    Free,
    Refusal,
    Start,
    Wait,
    after_refusal,
    later_block,
    look,
    refusal_of,
    seconds_until,
    take,
)
from tests.support.brake_simulation import Simulation
from tests.support.clock import START

TOO_FAST = Refusal(overloaded=False, wait_seconds=2.0)
OVERLOADED = Refusal(overloaded=True)
US = 1_000_000


def us(moment: datetime) -> int:
    return round(moment.timestamp() * US)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def brake(**changes: Any) -> Brake:
    """Ten starts a second, two seconds after a cut from 12."""
    known = Brake(version=3, blocked_until=after(-2), rate_milli=10_000, refused_milli=12_000, next_us=us(START))
    return known.evolve(**changes)


def half() -> float:
    return 0.5


def test_nobody_waits_when_claude_has_refused_nothing() -> None:
    assert look(None, START, half) == Free()


def test_nobody_asks_when_claude_said_how_long_to_wait() -> None:
    blocked = after_refusal(None, TOO_FAST, START)
    assert look(blocked, after(0.5), half) == Wait(2.0)
    assert isinstance(look(blocked, after(2), half), Start)


def test_brake_is_off_when_nothing_was_refused_for_long() -> None:
    assert isinstance(look(brake(), after(RELEASE_SECONDS - 2), half), Start)
    assert look(brake(), after(RELEASE_SECONDS - 1.9), half) == Free()


def test_starts_are_a_step_apart_when_many_are_taken() -> None:
    row, moments = brake(rate_milli=10_000, refused_milli=10_000), []
    for _ in range(4):
        start = look(row, START, half)
        assert isinstance(start, Start)
        taken = take(row, start)
        assert taken is not None
        moments.append(seconds_until(taken, start, START))
        row = taken
    assert moments == [0.0, 0.1, 0.2, 0.3]
    assert row.started == 4


def test_time_that_nobody_used_is_not_made_up_for_when_calls_come_back() -> None:
    late = after(50)
    start = look(brake(), late, half)
    assert isinstance(start, Start)
    taken = take(brake(), start)
    assert taken is not None
    assert taken.next_us == us(late) + start.step_us


def test_message_waits_when_the_timetable_is_full() -> None:
    full = brake(next_us=us(after(HORIZON_SECONDS + 4)))
    assert look(full, START, half) == Wait(4.0 + HORIZON_SECONDS / 2)
    assert isinstance(look(brake(next_us=us(after(HORIZON_SECONDS))), START, half), Start)


def test_start_is_lost_when_the_brake_was_renewed_or_filled_meanwhile() -> None:
    start = look(brake(), START, half)
    assert isinstance(start, Start)
    assert take(brake(version=4), start) is None
    assert take(brake(next_us=start.horizon_us + 1), start) is None


def test_starts_are_only_counted_when_claude_was_overloaded_once() -> None:
    counting = after_refusal(None, OVERLOADED, START)
    assert counting.rate(after(100)) is None
    start = look(counting, after(1), half)
    assert isinstance(start, Start)
    taken = take(counting, start)
    assert taken is not None
    assert (seconds_until(taken, start, after(1)), taken.started) == (0.0, 1)


def test_rate_comes_back_slowly_and_goes_past_where_it_was_refused() -> None:
    cut = after_refusal(brake(started=0), Refusal(overloaded=False, wait_seconds=0.0, limit_milli=10_000), START)
    rates = [cut.rate(after(seconds)) or 0.0 for seconds in range(0, 200, 5)]
    assert rates == sorted(rates)
    assert 8 < rates[0] < 9.3
    assert rates[6] == pytest.approx(10, abs=0.01)
    assert 10.5 < rates[12] < 12
    assert rates[-1] > 50


def test_rate_doubles_when_nobody_knows_what_claude_allows() -> None:
    first = after_refusal(None, TOO_FAST, START)
    assert (first.rate_milli, first.refused_milli) == (1_000, None)
    assert first.rate(after(1)) == 1.0
    assert first.rate(after(2 + 4)) == 2.0
    assert first.rate(after(2 + 12)) == 8.0
    found = after_refusal(first.evolve(started=100), TOO_FAST, after(2 + 12))
    assert found.refused_milli == 6_800
    assert found.rate_milli == round(6_800 * 0.92)


def test_first_cut_is_right_when_claude_says_what_it_allows() -> None:
    told = after_refusal(None, Refusal(overloaded=False, wait_seconds=1.0, limit_milli=5_000), START)
    assert (told.version, told.refused_milli, told.rate_milli, told.blocked_until) == (1, 5_000, 4_600, after(1))


def test_measured_rate_counts_when_fewer_began_than_were_allowed() -> None:
    slow = brake(blocked_until=after(-10), started=50, next_us=us(START))
    assert after_refusal(slow, TOO_FAST, START).refused_milli == 5_000
    idle = brake(blocked_until=after(-10), started=9, next_us=us(START))
    assert (after_refusal(idle, TOO_FAST, START).refused_milli or 0) > 10_000


def test_count_gives_the_rate_when_claude_is_overloaded_again() -> None:
    counting = after_refusal(None, OVERLOADED, START).evolve(started=200, next_us=us(after(10)))
    again = after_refusal(counting, OVERLOADED, after(10))
    assert (again.refused_milli, again.rate_milli) == (20_000, 19_000)


def test_being_overloaded_brakes_more_gently_than_being_too_fast() -> None:
    row = brake(started=100)
    gentle, hard = after_refusal(row, OVERLOADED, START), after_refusal(row, Refusal(overloaded=False), START)
    assert (gentle.rate_milli or 0) > (hard.rate_milli or 0)
    assert gentle.blocked_until == START
    assert hard.blocked_until == after(1)


def test_cut_is_deeper_when_the_one_before_was_hardly_tried() -> None:
    row = brake(refused_milli=10_000, blocked_until=after(-30))
    tried, untried = row.evolve(started=400, next_us=us(after(3))), row.evolve(started=9)
    assert after_refusal(tried, TOO_FAST, START).rate_milli == 9_200
    assert after_refusal(untried, TOO_FAST, START).rate_milli == round(10_000 * 0.92 * 0.9)


def test_old_rate_is_remembered_when_the_brake_was_off() -> None:
    old = brake(blocked_until=after(-RELEASE_SECONDS - 1), started=10_000)
    assert after_refusal(old, TOO_FAST, START).refused_milli == 12_000


def test_rate_never_stops_when_claude_refuses_everything() -> None:
    row = None
    for _ in range(200):
        row = after_refusal(row, TOO_FAST, START)
    assert row is not None
    assert row.rate_milli == 20


def test_longer_wait_counts_when_another_was_heeded_first() -> None:
    row = brake(blocked_until=after(2))
    assert later_block(row, Refusal(overloaded=False, wait_seconds=30.0), START) == after(30)
    assert later_block(row, Refusal(overloaded=False, wait_seconds=3.0), START) is None


@pytest.mark.parametrize("code", [code for code in ErrorCode if code not in {"rate_limited", "overloaded"}])
def test_nobody_brakes_when_an_error_is_the_items_own(code: ErrorCode) -> None:
    assert refusal_of(item_error(code, "no", retry_after_seconds=5), START) is None


@pytest.mark.acceptance(16)
@pytest.mark.parametrize(
    ("retry_after", "limits", "expected"),
    [
        (7.0, None, Refusal(overloaded=False, wait_seconds=7.0)),
        (1e6, None, Refusal(overloaded=False, wait_seconds=900.0)),
        (None, None, Refusal(overloaded=False)),
        (None, RateLimits(50), Refusal(overloaded=False, limit_milli=833)),
        (None, RateLimits(None, after(20)), Refusal(overloaded=False, wait_seconds=20.0)),
        (None, RateLimits(None, after(-20)), Refusal(overloaded=False, wait_seconds=0.0)),
        (None, RateLimits(None, after(4_000)), Refusal(overloaded=False, wait_seconds=60.0)),
        (3.0, RateLimits(600, after(20)), Refusal(overloaded=False, wait_seconds=3.0, limit_milli=10_000)),
    ],
)
def test_refusal_carries_what_claude_said(
    retry_after: float | None, limits: RateLimits | None, expected: Refusal
) -> None:
    error = item_error(ErrorCode.RATE_LIMITED, "slow", retry_after_seconds=retry_after, rate_limits=limits)
    assert refusal_of(error, START) == expected


def test_refusal_is_told_apart_when_claude_is_overloaded() -> None:
    assert refusal_of(item_error(ErrorCode.OVERLOADED, "busy"), START) == Refusal(overloaded=True)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 100), st.floats(0, 400), st.integers(0, 500)), max_size=12),
    st.floats(0, 1, exclude_max=True),
)
def test_whatever_happens_a_wait_ends_and_a_rate_is_a_rate(
    history: list[tuple[bool, float, float, int]], uniform: float
) -> None:
    row, now = None, START
    for overloaded, wait, pause, started in history:
        row = after_refusal(row, Refusal(overloaded, wait), now).evolve(started=started)
        now += timedelta(seconds=pause)
        rate = row.rate(now)
        assert rate is None or rate >= 0.02
        decision = look(row, now, lambda: uniform)
        if isinstance(decision, Wait):
            assert 0 <= decision.seconds <= 1_000
        if isinstance(decision, Start):
            assert take(row, decision) is not None


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    ("rate", "lanes", "call_seconds"),
    [
        (0.83, 4, 2.0),
        (0.83, 32, 20.0),
        (2, 4, 1.0),
        (2, 32, 8.0),
        (10, 4, 0.2),
        (10, 32, 1.0),
        (10, 32, 2.0),
        (30, 32, 0.4),
    ],
)
def test_lanes_use_what_claude_allows_and_are_hardly_refused(
    rate: float, lanes: int, call_seconds: float, tells: bool
) -> None:
    assert lanes / (call_seconds * 1.5) > rate, "the lanes could ask for more"
    simulation = Simulation(rate, call_seconds, tells=tells)
    simulation.run(240, lanes=lanes)

    assert simulation.used(60, 240) >= 0.9
    assert simulation.refused(60, 240) < 0.05
    assert simulation.writes < 1.3 * len(simulation.calls)


def test_lanes_run_into_the_wall_when_there_is_no_brake() -> None:
    simulation = Simulation(10, 1.0, braked=False)
    simulation.run(120, lanes=32)

    assert simulation.refused(60, 120) > 0.2


def test_rate_holds_when_many_more_lanes_begin() -> None:
    simulation = Simulation(10, 0.2)
    simulation.run(180, lanes=4, later=(120, 60))

    assert simulation.refused(118, 180) < 0.05
    assert simulation.used(120, 180) >= 0.9


def test_brake_settles_when_claude_gives_a_minutes_burst() -> None:
    simulation = Simulation(10, 1.0, burst=600, tells=True)
    simulation.run(300, lanes=32)

    assert simulation.used(120, 300) >= 0.9
    assert simulation.refused(60, 300) < 0.05


def test_lanes_slow_down_together_when_claude_is_overloaded() -> None:
    simulation = Simulation(10, 1.0, overloaded=True)
    simulation.run(240, lanes=32)

    assert simulation.used(60, 240) >= 0.9
    assert simulation.refused(60, 240) < 0.1


def test_nothing_is_written_when_claude_allows_more_than_lanes_ask() -> None:
    simulation = Simulation(100, 1.0)
    simulation.run(60, lanes=32)

    assert (simulation.writes, simulation.waits, simulation.brake) == (0, 0, None)
