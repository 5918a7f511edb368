from __future__ import annotations

import pytest

from shared.jobs.rates import ActiveReached, Caps, Load, RateReached, rate_reached
from tests.support.ledgers import NOW, at

CAPS = Caps(jobs_per_hour=3, active_jobs=2)
HOUR = 3600


def test_job_may_begin_when_there_is_room() -> None:
    assert rate_reached(Load(), CAPS, NOW, creates=True) is None
    assert rate_reached(Load(1, (at(-1), at(-2))), CAPS, NOW, creates=True) is None


@pytest.mark.parametrize(
    ("starts", "free_at"),
    [
        ((at(-1), at(-20), at(-3)), at(HOUR - 20)),
        ((at(-HOUR), at(-HOUR + 1), at(-3), at(-2)), at(1)),
        # As many as an earlier, higher limit let through: three must have gone before another may come.
        ((at(-50), at(-40), at(-30), at(-20), at(-10)), at(HOUR - 30)),
    ],
)
def test_creation_waits_for_the_hour_when_it_is_full(starts: tuple[object, ...], free_at: object) -> None:
    load = Load(0, starts)  # type: ignore[arg-type]

    assert rate_reached(load, CAPS, NOW, creates=True) == RateReached(3, free_at)  # type: ignore[arg-type]
    assert rate_reached(load, CAPS, NOW, creates=False) is None


def test_start_no_longer_counts_when_an_hour_is_over() -> None:
    load = Load(0, (at(-HOUR), at(-HOUR + 1), at(-1)))

    assert load.counting(NOW) == (at(-HOUR + 1), at(-1))
    assert rate_reached(load, CAPS, NOW, creates=True) is None


@pytest.mark.parametrize("creates", [True, False])
def test_job_waits_for_another_to_end_when_too_many_are_unfinished(creates: bool) -> None:
    assert rate_reached(Load(2), CAPS, NOW, creates=creates) == ActiveReached(2)
