"""The timeline, told from the difference of two ledgers: every transition, and what is none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ErrorCode
from shared.jobs import transitions
from shared.jobs.events import Event, EventType
from shared.jobs.ledger import Lane
from shared.jobs.statuses import FINAL, Drive, JobStatus, OnError, PauseReason
from shared.jobs.timeline import edited, events_of
from tests.support.conditions import RULES, Rule
from tests.support.ledgers import ACTOR, NOW, at, make_attempt, make_lane, make_lease, make_ledger, make_outcome

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger

RECORDED = NOW + timedelta(seconds=3)
ON = ("queued", "processing")
AGAIN = ("processing", "queued")
Told = tuple[str, str | None, str | None, int | None, int | None, str | None]
"""Type, from, to, position, attempt, detail."""


def told(old: Ledger | None, new: Ledger) -> list[Told]:
    events = events_of(old, new, recorded_at=RECORDED)
    return [(each.type.value, each.before, each.after, each.position, each.attempt, each.detail) for each in events]


EXPECTED: dict[str, list[Told]] = {
    "seal": [("job.created", None, "queued", None, None, "4 items")],
    "claim": [("job.started", *ON, None, None, None), ("item.started", *ON, 3, 2, None)],
    "claim at an index, without a budget": [("item.started", *ON, 2, 1, None)],
    "take_over": [("item.taken_over", "processing", "processing", 1, 2, "lease_expired")],
    "take_over with a full list of attempts": [("item.taken_over", "processing", "processing", 1, 3, "lease_expired")],
    "settle completed": [("item.settled", "processing", "completed", 1, 2, None)],
    "settle failed, first of its code, with a pace": [("item.settled", "processing", "failed", 1, 2, "refused")],
    "settle failed, second code, under pause": [("item.settled", "processing", "failed", 1, 2, "timeout")],
    "settle failed, same code again, and on it goes": [("item.settled", "processing", "failed", 1, 2, "refused")],
    "release": [("item.released", "processing", "cancelled", 1, 2, None)],
    "release of a retried item": [("item.released", "processing", "failed", None, 2, None)],
    "put_back": [("item.put_back", *AGAIN, 1, 2, "timeout")],
    "put_back without an attempt": [("item.put_back", *AGAIN, 1, 2, None)],
    "account_pause": [
        ("item.put_back", *AGAIN, 1, 2, None),
        ("job.paused", "processing", "paused", None, None, "billing"),
    ],
    "pause": [("job.paused", "queued", "paused", None, None, "on_error")],
    "pause_for_budget": [("job.paused", "processing", "paused", None, None, "budget_exhausted")],
    "resume": [("job.resumed", "paused", "processing", None, None, None)],
    "resume with more budget": [("job.resumed", "paused", "processing", None, None, "budget raised by 0.000010 USD")],
    "resume with more budget again": [
        ("job.resumed", "paused", "processing", None, None, "budget raised by 0.000010 USD")
    ],
    "cancel": [("job.cancelled", "processing", "cancelling", None, None, "user")],
    "cancel of a retry": [("job.cancelled", "paused", "cancelling", None, None, "user")],
    "cancel of a job that is looked at late": [("job.cancelled", "processing", "cancelling", None, None, "user")],
    "close": [("item.released", "processing", "cancelled", 1, 1, None)],
    "close of a retried item": [("item.released", "processing", "failed", None, 1, None)],
    "finalize all completed": [
        ("job.finalized", "processing", "completed", None, None, "4 completed, 0 failed, 0 cancelled")
    ],
    "finalize some failed, from paused": [
        ("job.finalized", "paused", "partially_failed", None, None, "3 completed, 1 failed, 0 cancelled")
    ],
    "finalize all failed": [("job.finalized", "queued", "failed", None, None, "0 completed, 4 failed, 0 cancelled")],
    "finalize some cancelled": [
        ("job.finalized", "cancelling", "cancelled", None, None, "3 completed, 0 failed, 1 cancelled")
    ],
    "finalize some cancelled, the others failed": [
        ("job.finalized", "cancelling", "cancelled", None, None, "0 completed, 3 failed, 1 cancelled")
    ],
    "notified": [("job.notified", None, None, None, None, None)],
    "retry": [("job.retried", "partially_failed", "queued", None, None, "3 items")],
    "retry without deadline and budget": [("job.retried", "failed", "queued", None, None, "3 items")],
    "first redrive": [("lane.redriven", None, None, 3, None, "redrive 1")],
    "redrive": [("lane.redriven", None, None, 3, None, "redrive 2")],
    "look": [],
    "look at a job that rests": [],
    "dispatched": [],
    "handoff": [("job.handed_off", "client", "queue", None, None, None)],
}


@pytest.mark.acceptance(38)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_transition_is_told_as_itself_when_it_was_written(rule: Rule) -> None:
    assert told(rule.allowed, rule.result) == EXPECTED[rule.name]
    events = events_of(rule.allowed, rule.result, recorded_at=RECORDED)
    assert {(event.actor, event.generation) for event in events} <= {(ACTOR, rule.result.generation)}


def test_every_event_but_an_edit_is_told_when_all_transitions_run() -> None:
    types = {row[0] for rows in EXPECTED.values() for row in rows}

    assert types == set(EventType) - {EventType.JOB_EDITED}
    assert EXPECTED.keys() == {rule.name for rule in RULES}


def test_job_is_created_when_its_ledger_is_new_or_leaves_intake() -> None:
    job = make_ledger(Lane(0, 1))
    intake = job.evolve(status=JobStatus.INTAKE, intake_token="writer")

    assert told(None, intake) == []
    assert told(intake, intake.evolve(intake_token="another", check_at=at(9))) == []
    assert told(None, job) == told(intake, job) == [("job.created", None, "queued", None, None, "1 item")]


# ------------------------------------------------------------------------------------------------ edits by hand

HELD = make_ledger(make_lane(lease=make_lease()), make_lane(), status=JobStatus.PROCESSING, headroom_microusd=5)
EDITS: list[tuple[dict[str, Any], Told]] = [
    ({"status": JobStatus.PAUSED}, ("job.edited", "processing", "paused", None, None, "status")),
    ({"status": JobStatus.COMPLETED, "open": 0}, ("job.edited", "processing", "completed", None, None, "open, status")),
    ({"headroom_microusd": 9}, ("job.edited", None, None, None, None, "headroom")),
    ({"lanes": (make_lane(), make_lane())}, ("job.edited", None, None, None, None, "lanes")),
    ({"lanes": (make_lane(),)}, ("job.edited", None, None, None, None, "lanes")),
    ({"drive": Drive.CLIENT}, ("job.edited", None, None, None, None, "drive")),
    ({"cursor": 3}, ("job.edited", None, None, None, None, "cursor")),
    ({"generation": 2}, ("job.edited", None, None, None, None, "generation")),
    ({"version": 99}, ("job.edited", None, None, None, None, "version")),
]


@pytest.mark.parametrize(("changes", "event"), EDITS, ids=lambda value: str(value)[:40])
def test_edit_is_told_with_its_attributes_when_no_version_was_added(changes: dict[str, Any], event: Told) -> None:
    assert told(HELD, HELD.evolve(**changes)) == [event]


def test_edit_has_no_actor_when_it_left_no_name() -> None:
    unsigned = events_of(HELD, HELD.evolve(open=0), recorded_at=RECORDED)
    signed = events_of(HELD, HELD.evolve(open=0, actor="operator"), recorded_at=RECORDED)

    assert [event.actor for event in (*unsigned, *signed)] == [None, "operator"]
    assert signed[0].detail == "actor, open"


UNLIKELY: list[dict[str, Any]] = [
    {"name": "Another"},
    {"status": JobStatus.QUEUED},
    {"generation": 3},
    {"lanes": (make_lane(1), make_lane(1))},
    {"lanes": (make_lane(2), make_lane())},
    {"lanes": (make_lane(lease=make_lease(ends=900)), make_lane())},
    {"lanes": (make_lane(lease=make_lease()), make_lane(end=9))},
]


@pytest.mark.parametrize("changes", UNLIKELY, ids=lambda value: str(value)[:40])
def test_write_is_told_as_an_edit_when_it_is_no_transition_though_a_version_was_added(changes: dict[str, Any]) -> None:
    (event,) = events_of(HELD, HELD.evolve(version=HELD.version + 1, actor="script", **changes), recorded_at=RECORDED)

    assert (event.type, event.actor) == (EventType.JOB_EDITED, "script")
    assert next(iter(changes)) in str(event.detail)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_final_job_is_edited_when_its_status_changes_without_a_retry(status: JobStatus) -> None:
    old = make_ledger(Lane(2, 2), status=status)
    for new in (JobStatus.PAUSED, JobStatus.CANCELLING, JobStatus.PROCESSING):
        (event,) = events_of(old, old.evolve(status=new, version=old.version + 1), recorded_at=RECORDED)
        assert event.type is EventType.JOB_EDITED


def test_transition_is_told_beside_the_edit_when_a_write_did_more_than_it_may() -> None:
    paused = transitions.pause(HELD, actor="user:ada").evolve(name="Another", completed=7)

    assert [row[0] for row in told(HELD, paused)] == ["job.paused", "job.edited"]
    assert told(HELD, paused)[1][5] == "completed, name"


def test_edit_of_a_row_that_cannot_be_read_names_its_attributes() -> None:
    event = edited({"status", "open"}, recorded_at=NOW, generation=None)

    assert event == Event(type=EventType.JOB_EDITED, time=NOW, actor=None, generation=None, detail="open, status")


# ------------------------------------------------------------------------------------------------ times, attempts

WHOLE = NOW.replace(microsecond=0)


def times(old: Ledger | None, new: Ledger, recorded_at: Any = WHOLE) -> list[Any]:
    return [event.time for event in events_of(old, new, recorded_at=recorded_at)]


def claimed(ledger: Ledger, seconds: float) -> Ledger:
    return transitions.claim(ledger, lane=0, lease=make_lease(), now=at(seconds), actor="processor")


def test_time_is_the_ledgers_own_when_the_write_left_one() -> None:
    job = make_ledger()
    first = claimed(job, 0.25)
    settled = transitions.settle(
        first,
        lane=0,
        token="mine",
        outcome=make_outcome(),
        now=at(0.5),
        on_error=OnError.CONTINUE,
        actor="p",
    )
    tried = make_attempt(ErrorCode.TIMEOUT, seconds=0.75)
    back = transitions.put_back(first, lane=0, token="mine", not_before=at(9), attempt=tried, actor="p")

    assert times(None, job) == [job.created_at]
    assert times(job, first) == [at(0.25), at(0.25)]
    assert times(first, settled) == [at(0.5)]
    assert times(first, back) == [at(0.75)]


def test_time_is_the_streams_when_the_ledger_has_none() -> None:
    assert times(HELD, transitions.pause(HELD, actor="t"), WHOLE + timedelta(hours=1)) == [WHOLE + timedelta(hours=1)]


def test_time_does_not_go_back_when_the_stream_has_whole_seconds_only() -> None:
    known = HELD.evolve(last_activity_at=at(0.4), started_at=at(-9))
    paused = transitions.pause(known, actor="t")

    assert times(known, paused) == [at(0.4)]
    # A worker's clock that runs ahead does not take the others with it.
    ahead = known.evolve(last_activity_at=at(50))
    assert times(ahead, transitions.pause(ahead, actor="t")) == [at(0.999)]


@pytest.mark.parametrize("code", [ErrorCode.LEASE_EXPIRED, ErrorCode.DEAD_LETTERED])
def test_attempt_is_the_last_one_when_the_item_failed_without_another(code: ErrorCode) -> None:
    lane = make_lane(lease=make_lease(), attempts=(make_attempt(), make_attempt()))
    held = make_ledger(lane, status=JobStatus.PROCESSING)

    def fail(ledger: Ledger) -> Told:
        settled = transitions.settle(
            ledger,
            lane=0,
            token="mine",
            outcome=make_outcome(code=code),
            now=NOW,
            on_error=OnError.CONTINUE,
            actor="t",
        )
        return told(ledger, settled)[0]

    assert fail(held)[4:] == (2, code.value)
    assert fail(held.with_lane(0, lane.evolve(attempts=())))[4:] == (None, code.value)


def test_position_waits_for_the_lanes_list_when_the_job_was_retried() -> None:
    retried = make_ledger(
        make_lane(1, 3), make_lane(), status=JobStatus.PROCESSING, generation=2, notified_generation=1
    )
    (event,) = events_of(retried, claimed(retried, 0), recorded_at=WHOLE)

    assert (event.lane, event.index, event.position, event.generation) == (0, 1, None, 2)


def test_pause_by_an_account_error_tells_item_and_job_in_one_write() -> None:
    held = HELD.evolve(epoch=0)
    paused = transitions.account_pause(
        held, lane=0, token="mine", not_before=at(1), reason=PauseReason.AUTHENTICATION, actor="processor"
    )

    assert [row[0] for row in told(held, paused)] == ["item.put_back", "job.paused"]
    assert told(held, paused)[1][5] == "authentication"
