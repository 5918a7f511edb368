"""Whether a text is still wanted: a look every few seconds, and only the ledger's own word counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from functions.processor.watching import WATCH_SECONDS, Watch
from shared.errors import StoreUnavailableError
from shared.jobs.statuses import CancelReason, JobStatus, PauseReason
from shared.store.lane_views import LaneView
from shared.turns.claiming import Held

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop


@dataclass
class Views:
    """Answers what it was told to, and counts."""

    answer: LaneView | Exception | None
    looks: list[tuple[str, str, int]] = field(default_factory=list)

    def of(self, project_id: str, job_id: str, lane: int) -> LaneView | None:
        self.looks.append((project_id, job_id, lane))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def held(workshop: Workshop, job: Ledger) -> Held:
    acquired = workshop.processor().settler.claimer.acquire(workshop.message(job))
    assert isinstance(acquired, Held)
    return acquired


def watch(workshop: Workshop, mine: Held, views: object = None) -> Watch:
    processor = workshop.processor()
    return Watch(views or processor.views, mine, workshop.clock, processor.logger)  # type: ignore[arg-type]


def test_nobody_looks_when_a_call_is_short(workshop: Workshop, clock: ManualClock) -> None:
    views = Views(None)
    watching = watch(workshop, held(workshop, workshop.job(1)), views)
    for _ in range(39):
        assert not watching()
        clock.advance(0.1)
    assert views.looks == []


def test_ledger_is_looked_at_every_four_seconds_when_a_call_is_long(workshop: Workshop, clock: ManualClock) -> None:
    mine = held(workshop, workshop.job(1))
    views = Views(LaneView(JobStatus.PROCESSING, mine.ledger.version, mine.lease.token))
    watching = watch(workshop, mine, views)
    for _ in range(400):
        assert not watching()
        clock.advance(0.1)
    assert WATCH_SECONDS == 4.0  # and it is asked every half second: a cancel is noticed within 5
    assert views.looks == [(mine.ledger.project_id, mine.ledger.job_id, 0)] * 9


@pytest.mark.acceptance(26)
def test_text_is_unwanted_when_the_job_is_being_cancelled(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    watching = watch(workshop, held(workshop, job))
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    assert not watching()
    clock.advance(WATCH_SECONDS)
    assert watching()


def test_text_is_wanted_when_the_job_is_only_paused(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    watching = watch(workshop, held(workshop, job))
    workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    clock.advance(WATCH_SECONDS)
    assert not watching()


def test_text_is_unwanted_when_another_took_the_lane_over(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    watching = watch(workshop, held(workshop, job))
    clock.advance(136)
    held(workshop, job)
    assert watching()


def test_text_is_unwanted_when_the_job_has_ended(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    mine = held(workshop, job)
    clock.advance(WATCH_SECONDS)
    ended = LaneView(JobStatus.CANCELLED, mine.ledger.version + 3, mine.lease.token)
    assert watch_at_once(workshop, mine, clock, Views(ended))


@pytest.mark.parametrize("older", [JobStatus.CANCELLING, JobStatus.PROCESSING])
def test_view_tells_nothing_when_it_is_older_than_the_claim(
    workshop: Workshop, clock: ManualClock, older: JobStatus
) -> None:
    mine = held(workshop, workshop.job(1))
    stale = LaneView(older, mine.ledger.version - 1, None)
    assert not watch_at_once(workshop, mine, clock, Views(stale))
    assert watch_at_once(workshop, mine, clock, Views(LaneView(older, mine.ledger.version, None)))


@pytest.mark.parametrize("answer", [None, StoreUnavailableError("throttled")])
def test_text_is_wanted_when_a_look_tells_nothing(
    workshop: Workshop, clock: ManualClock, answer: Exception | None
) -> None:
    views = Views(answer)
    watching = watch(workshop, held(workshop, workshop.job(1)), views)
    for _ in range(10):
        clock.advance(WATCH_SECONDS / 2)
        assert not watching()
    assert len(views.looks) == 5


def watch_at_once(workshop: Workshop, mine: Held, clock: ManualClock, views: Views) -> bool:
    watching = watch(workshop, mine, views)
    clock.advance(WATCH_SECONDS)
    return watching()
