"""What a look comes to, for every way that a job can be left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.jobs.repairs import (
    LOOK_EVERY,
    QUIET,
    RECOVERY_BOUND,
    Cancel,
    CloseLane,
    Dispatch,
    Facts,
    Finalize,
    HandOff,
    Notify,
    PauseOnError,
    RemoveIntake,
    Repair,
    SendAgain,
    next_look,
    repairs,
)
from shared.jobs.statuses import CancelReason, Drive, JobStatus, OnError
from tests.support.ledgers import NOW, at, make_attempt, make_lane, make_lease, make_ledger

if TYPE_CHECKING:
    from shared.jobs.ledger import Lane, Ledger

LEASE = timedelta(seconds=135)
FACTS = Facts(on_error=OnError.CONTINUE, lease=LEASE, cursor_limit=4)
DEAD = make_lease("dead", ends=-31)
LIVE = make_lease("live", ends=1)


def dispatched(*lanes: Lane, **changes: object) -> Ledger:
    """A job at work, all of whose messages were sent, that was looked at a minute ago."""
    return make_ledger(*lanes, **{"status": JobStatus.PROCESSING, "cursor": 4, "check_at": NOW, **changes})


def decide(ledger: Ledger, seconds: float = 0, **facts: Any) -> tuple[Repair, ...]:
    return repairs(ledger, replace(FACTS, **facts), at(seconds))


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        pytest.param(make_ledger(status=JobStatus.INTAKE, check_at=at(-1)), (RemoveIntake(),), id="abandoned intake"),
        pytest.param(make_ledger(status=JobStatus.INTAKE, check_at=at(1)), (), id="intake at work"),
        pytest.param(make_ledger(make_lane(2), status=JobStatus.COMPLETED), (Notify(),), id="not told"),
        pytest.param(
            make_ledger(make_lane(2), status=JobStatus.COMPLETED, completed_at=at(-29)), (), id="about to be told"
        ),
        pytest.param(
            make_ledger(make_lane(2), status=JobStatus.COMPLETED, notified_generation=1), (), id="told already"
        ),
        pytest.param(
            make_ledger(make_lane(2), status=JobStatus.PROCESSING, last_activity_at=at(-30)), (Finalize(),), id="open 0"
        ),
        pytest.param(
            make_ledger(make_lane(2), status=JobStatus.PROCESSING, last_activity_at=at(-29)), (), id="about to end"
        ),
        pytest.param(make_ledger(make_lane(2), status=JobStatus.PAUSED), (Finalize(),), id="paused with nothing left"),
        pytest.param(
            make_ledger(make_lane(lease=DEAD), make_lane(lease=LIVE), status=JobStatus.CANCELLING),
            (CloseLane(0),),
            id="cancelling with a dead holder",
        ),
        pytest.param(
            make_ledger(make_lane(lease=DEAD), make_lane(lease=LIVE), deadline_at=NOW),
            (Cancel(CancelReason.DEADLINE), CloseLane(0)),
            id="at the deadline",
        ),
        pytest.param(make_ledger(deadline_at=at(1), cursor=4), (), id="before the deadline"),
        pytest.param(
            make_ledger(status=JobStatus.PAUSED, deadline_at=at(-1)),
            (Cancel(CancelReason.DEADLINE),),
            id="paused at the deadline",
        ),
        pytest.param(make_ledger(make_lane(lease=DEAD), status=JobStatus.PAUSED), (), id="paused with a dead holder"),
        pytest.param(make_ledger(cursor=3), (Dispatch(),), id="dispatch cut short"),
        pytest.param(make_ledger(status=JobStatus.PAUSED, cursor=0), (), id="paused before its dispatch"),
        pytest.param(make_ledger(drive=Drive.CLIENT), (HandOff(), Dispatch()), id="its client never came"),
    ],
)
def test_look_comes_to_this_when_a_job_was_left_so(ledger: Ledger, expected: tuple[Repair, ...]) -> None:
    assert decide(ledger) == expected


@pytest.mark.parametrize(
    ("on_error", "status", "expected"),
    [
        (OnError.STOP, JobStatus.PROCESSING, (Cancel(CancelReason.ON_ERROR),)),
        (OnError.STOP, JobStatus.PAUSED, (Cancel(CancelReason.ON_ERROR),)),
        (OnError.PAUSE, JobStatus.PROCESSING, (PauseOnError(),)),
        (OnError.PAUSE, JobStatus.PAUSED, ()),
    ],
)
def test_halt_is_carried_out_when_the_worker_died_before_it_did(
    on_error: OnError, status: JobStatus, expected: tuple[Repair, ...]
) -> None:
    assert decide(make_ledger(halted=True, status=status), on_error=on_error) == expected


@pytest.mark.acceptance(32)
@pytest.mark.parametrize("phase", range(0, 60, 5))
@pytest.mark.parametrize("drive", Drive)
def test_lane_is_cared_for_within_the_bound_when_its_driver_died_at_any_second(drive: Drive, phase: int) -> None:
    # Looks are a minute apart, at any phase to the lease's end at NOW.
    ledger = dispatched(make_lane(lease=make_lease("dead", ends=0)), drive=drive, last_activity_at=at(-135))
    looks = [at(seconds) for seconds in range(phase - 60, phase + 120, 60)]
    found = [moment for moment in looks if repairs(ledger.evolve(check_at=moment), FACTS, moment)]

    assert timedelta(0) < found[0] - NOW <= RECOVERY_BOUND == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("lane", "settled", "idle_from"),
    [
        pytest.param(make_lane(), None, -600 + 135, id="since its creation"),
        pytest.param(make_lane(1), -200, -200 + 135, id="since its last item"),
        pytest.param(make_lane(not_before=at(-300)), None, -300 + 135, id="since its back-off was over"),
        pytest.param(make_lane(attempts=(make_attempt(seconds=-400),)), None, -400 + 135, id="since its last try"),
        pytest.param(make_lane(lease=make_lease("dead", ends=-20)), None, -20, id="since its lease ended"),
    ],
)
def test_idle_lane_is_sent_for_when_it_is_quiet_beyond_a_lease(
    lane: Lane, settled: float | None, idle_from: float
) -> None:
    busy = make_lane(lease=make_lease("live", ends=10_000))
    ledger = dispatched(lane, busy, last_activity_at=at(-1))
    facts = replace(FACTS, settled_at={} if settled is None else {0: at(settled)})

    def at_second(seconds: float) -> tuple[Repair, ...]:
        return repairs(ledger.evolve(check_at=at(seconds)), facts, at(seconds))

    assert at_second(idle_from + 29.999) == ()
    assert at_second(idle_from + 30) == (SendAgain(0, lane.end - lane.next),)


@pytest.mark.parametrize(
    "lane", [make_lane(2), make_lane(not_before=at(1)), make_lane(lease=LIVE)], ids=["no work", "back-off", "busy"]
)
def test_lane_is_left_alone_when_it_needs_no_message(lane: Lane) -> None:
    assert decide(dispatched(lane, make_lane(lease=LIVE))) == ()


def test_lane_gets_ten_messages_at_most_and_none_that_were_never_sent_when_it_is_idle() -> None:
    long = dispatched(make_lane(3, 400, lease=DEAD), make_lane(0, 400, lease=LIVE), cursor=800)

    assert decide(long, cursor_limit=800) == (SendAgain(0, 10),)
    # Of the lane's indexes 3 and 4 have been dispatched when the cursor stands at slot 10.
    assert decide(long.evolve(cursor=10), cursor_limit=800) == (Dispatch(), SendAgain(0, 2))
    assert decide(long.evolve(cursor=6), cursor_limit=800) == (Dispatch(),)


def test_messages_become_rarer_when_the_lane_only_waits_in_a_long_queue() -> None:
    ledger = dispatched(make_lane(lease=make_lease("dead", ends=0)))
    sent = []
    for minute in range(1, 61):
        moment = at(60 * minute)
        if repairs(ledger.evolve(check_at=moment), FACTS, moment):
            sent.append(minute)

    # 30 and 60 seconds fall into the first look; then 2, 4 and 8 minutes, and every 15.
    assert sent == [1, 2, 4, 8, 15, 30, 45, 60]


def test_every_due_time_is_met_once_when_runs_are_early_and_late() -> None:
    ledger, moment, sent = dispatched(make_lane(lease=make_lease("dead", ends=0))), at(7), 0
    for step in (46, 74, 60, 51, 69, 60):
        ledger = ledger.evolve(check_at=next_look(ledger, moment))
        moment += timedelta(seconds=step)
        sent += len(repairs(ledger, FACTS, moment))

    assert sent == 3  # for 30, 120 and 240 seconds of quiet; the look at 53 s came before 60, and the next met both


def test_message_is_sent_at_once_when_the_sweeper_itself_was_away() -> None:
    ledger = dispatched(make_lane(lease=make_lease("dead", ends=-500)), check_at=at(-400))

    assert decide(ledger) == (SendAgain(0, 2),)


@pytest.mark.acceptance(23)
def test_client_may_rest_for_a_lease_and_a_while_when_it_drives() -> None:
    rested = make_ledger(drive=Drive.CLIENT, last_activity_at=NOW)
    silent_from = LEASE + QUIET

    assert repairs(rested, FACTS, NOW + silent_from - timedelta(milliseconds=1)) == ()
    assert repairs(rested, FACTS, NOW + silent_from) == (HandOff(), Dispatch())


@pytest.mark.acceptance(23)
def test_job_stays_with_its_client_when_somebody_works() -> None:
    ledger = make_ledger(make_lane(lease=DEAD), make_lane(lease=LIVE), drive=Drive.CLIENT)

    assert decide(ledger) == ()
    assert decide(ledger, seconds=2) == (HandOff(), Dispatch())


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        pytest.param(make_ledger(), NOW + LOOK_EVERY, id="live"),
        pytest.param(make_ledger(status=JobStatus.PAUSED, deadline_at=at(5_000)), at(5_000), id="paused"),
        pytest.param(make_ledger(status=JobStatus.PAUSED, deadline_at=at(-5)), NOW + LOOK_EVERY, id="paused too long"),
        pytest.param(make_ledger(status=JobStatus.PAUSED), at(3_600), id="paused without a deadline"),
        pytest.param(
            make_ledger(make_lane(lease=LIVE), status=JobStatus.PAUSED, deadline_at=at(5_000)),
            NOW + LOOK_EVERY,
            id="pausing",
        ),
        pytest.param(
            make_ledger(make_lane(lease=DEAD), status=JobStatus.PAUSED, deadline_at=at(5_000)),
            NOW + LOOK_EVERY,
            id="paused, and a holder is late",
        ),
        pytest.param(
            make_ledger(make_lane(2), status=JobStatus.PAUSED, deadline_at=at(5_000)), NOW + LOOK_EVERY, id="ending"
        ),
        pytest.param(make_ledger(status=JobStatus.INTAKE, check_at=at(30)), at(30), id="intake"),
    ],
)
def test_next_look_is_then_when_a_job_is_left_so(ledger: Ledger, expected: datetime) -> None:
    assert next_look(ledger, NOW) == expected
