from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.lanes import deal, first_generation_lanes, index_of, lane_of, position_of
from shared.jobs.ledger import MAX_LANES

totals = st.integers(min_value=1, max_value=2_000)
widths = st.integers(min_value=1, max_value=MAX_LANES)


@given(totals, widths)
def test_lanes_partition_the_positions_in_order_when_a_job_is_new(total: int, most: int) -> None:
    lanes = first_generation_lanes(total, most)

    width = len(lanes)
    walked = [[position_of(number, width, index) for index in range(lane.end)] for number, lane in enumerate(lanes)]

    assert sorted(position for lane in walked for position in lane) == list(range(1, total + 1))
    assert all(lane == sorted(lane) for lane in walked)
    assert width == min(total, most)
    assert max(lane.end for lane in lanes) - min(lane.end for lane in lanes) <= 1


@given(totals, widths)
def test_lane_and_index_are_the_inverse_of_position(position: int, width: int) -> None:
    assert position_of(lane_of(position, width), width, index_of(position, width)) == position


@given(st.sets(totals), widths)
def test_deal_partitions_the_chosen_positions_in_order_when_a_job_is_retried(chosen: set[int], width: int) -> None:
    dealt = deal(list(chosen), width)

    assert len(dealt) == width
    assert sorted(position for lane in dealt for position in lane) == sorted(chosen)
    assert all(list(lane) == sorted(lane) for lane in dealt)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_fresh_lanes_hold_nothing_when_a_job_is_new() -> None:
    lanes = first_generation_lanes(5, 2)

    assert [(lane.next, lane.end, lane.lease, lane.attempts) for lane in lanes] == [(0, 3, None, ()), (0, 2, None, ())]
