"""The bucket, on a time that the test moves."""

from __future__ import annotations

import pytest

from pressroom.local.claude.rate_limit import RateLimit
from tests.support.clock import ManualClock


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limited(rate: float, burst: float | None = None) -> tuple[RateLimit, Seconds]:
    seconds = Seconds()
    return RateLimit(rate, ManualClock(), burst=burst, monotonic=seconds), seconds


@pytest.mark.parametrize(("rate", "burst", "at_once"), [(10, None, 10), (10, 3, 3), (0.5, None, 1), (2, 0.1, 1)])
def test_so_many_come_at_once_and_then_one_at_a_time(rate: float, burst: float | None, at_once: int) -> None:
    limit, seconds = limited(rate, burst)

    assert [limit.admit()[0] for _ in range(at_once + 1)] == [True] * at_once + [False]
    seconds.now += 1 / rate
    assert [limit.admit()[0] for _ in range(2)] == [True, False]


def test_a_pause_fills_the_bucket_and_no_more() -> None:
    limit, seconds = limited(5)
    seconds.now += 3_600

    assert sum(limit.admit()[0] for _ in range(20)) == 5


@pytest.mark.parametrize(("rate", "retry_after"), [(10.0, "1"), (0.25, "4"), (0.3, "4")])
def test_a_refusal_says_when_the_next_one_is_allowed(rate: float, retry_after: str) -> None:
    limit, seconds = limited(rate, burst=1)
    limit.admit()
    allowed, headers = limit.admit()

    assert not allowed
    assert headers["retry-after"] == retry_after
    seconds.now += int(retry_after)
    assert limit.admit()[0]


def test_headers_say_when_all_is_there_again() -> None:
    limit, _ = limited(2)
    _, headers = limit.admit()

    assert headers["anthropic-ratelimit-requests-reset"] == "2026-11-22T12:00:00.500Z"


def test_only_the_wait_is_told_when_nothing_else_shall_be() -> None:
    limit = RateLimit(1, ManualClock(), tells=False, monotonic=Seconds())

    assert [limit.admit() for _ in range(2)] == [(True, {}), (False, {"retry-after": "1"})]
