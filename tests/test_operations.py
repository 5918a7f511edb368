"""The operator's page says how fast what mends itself; here it follows from the rules, at every phase of the minute."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from functions.api import controller, creator
from functions.sweeper import sweep
from shared.jobs import transitions
from shared.jobs.repairs import (
    LOOK_EVERY,
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
from shared.queue.queues import (
    LEASE_MARGIN_SECONDS,
    MAX_ITEM_TIMEOUT_SECONDS,
    MIN_ITEM_TIMEOUT_SECONDS,
    NOTICE_DEATH_SECONDS,
    WORK_QUEUE,
)
from tests.support.ledgers import ACTOR, at, make_lane, make_lease, make_ledger
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.jobs.ledger import Lane, Ledger

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
MINUTE = LOOK_EVERY.total_seconds()
AHEAD = sweep.AHEAD
SOON = controller.SOON
LEASE = timedelta(seconds=135)
FACTS = Facts(on_error=OnError.CONTINUE, lease=LEASE, cursor_limit=4)
LONG_AGO = -900.0
PHASES = [second - just_before for second in range(1, 61) for just_before in (0.0, 0.001)]
"""When in the minute the sweeper runs: at each second, and a moment before it."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A job that is left alone at 0 seconds, as ``after``; ``before`` is how it was until then.

    Attributes:
        wanted: what the sweeper is waited for to do.
        after: the ledger from then on.
        before: the ledger until then, if another.
        begun: when the job was created or retried, which set its first look.
        moved: when a person resumed or cancelled it, which brought the next look forward.
        on_error: what a failed item of it means.
    """

    wanted: type[Repair]
    after: Ledger
    before: Ledger | None = None
    begun: float = LONG_AGO
    moved: float | None = None
    on_error: OnError = OnError.CONTINUE


def runs(begun: float, phase: float, late: tuple[float, float]) -> Iterator[float]:
    """When the sweeper runs from then on; every second run may be late by another time."""
    number = math.floor((begun - phase) / MINUTE)
    while True:
        moment = phase + MINUTE * number + late[number % 2]
        if moment >= begun:
            yield moment
        number += 1


def waited(case: Case, phase: float, *, late: tuple[float, float] = (0.0, 0.0)) -> float:
    """The seconds until the sweeper does what it is waited for; rows are what they are, looks are the sweeper's."""
    facts, check_at, moved = replace(FACTS, on_error=case.on_error), at(case.begun) + SOON, case.moved
    for run in runs(case.begun, phase, late):
        now = at(run)
        if moved is not None and run >= moved:
            check_at, moved = min(check_at, at(moved) + SOON), None
        if check_at > now + AHEAD:
            continue
        ledger = (case.after if run >= 0 else case.before or case.after).evolve(check_at=check_at)
        if any(isinstance(repair, case.wanted) for repair in repairs(ledger, facts, now)):
            assert run >= 0
            return run - max(0.0, case.moved or 0.0)
        check_at = next_look(ledger, now)
    raise AssertionError


def worst(*cases: Case, late: tuple[float, float] = (0.0, 0.0)) -> int:
    """The longest wait at any phase, in whole seconds: the bound is what nobody is met a moment before."""
    return math.ceil(max(waited(case, phase, late=late) for case in cases for phase in PHASES))


def working(*lanes: Lane, **changes: object) -> Ledger:
    """A job at work, all of whose messages were sent."""
    return make_ledger(*lanes, **{"status": JobStatus.PROCESSING, "cursor": 4, **changes})


def resting(*lanes: Lane) -> Ledger:
    """A paused job, whose deadline is far."""
    return make_ledger(*lanes, status=JobStatus.PAUSED, cursor=4, deadline_at=at(100_000))


DEAD = make_lane(lease=make_lease("dead", ends=0))
"""A lane whose holder is dead; 0 seconds is its lease's end."""
IDLE = {"last_activity_at": at(0) - LEASE}
"""Without a lease, as if one had begun then, to end at 0 seconds."""
LOST_MESSAGE = (
    Case(wanted=SendAgain, after=working(DEAD)),
    Case(wanted=SendAgain, after=working(make_lane(not_before=at(0) - LEASE))),
)
SILENT_CLIENT = (
    Case(wanted=HandOff, after=working(DEAD, drive=Drive.CLIENT, **IDLE)),
    Case(wanted=HandOff, after=working(drive=Drive.CLIENT, **IDLE)),
)
HALTED = (
    Case(wanted=Cancel, before=working(), after=working(halted=True), on_error=OnError.STOP),
    Case(wanted=PauseOnError, before=working(), after=working(halted=True), on_error=OnError.PAUSE),
)
NO_FINALIZER = (
    Case(wanted=Finalize, after=working(make_lane(2), last_activity_at=at(0))),
    Case(wanted=Notify, after=make_ledger(make_lane(2), status=JobStatus.COMPLETED, completed_at=at(0))),
)
CANCELLED = (Case(wanted=CloseLane, after=make_ledger(DEAD, status=JobStatus.CANCELLING)),)
DEADLINE = (
    Case(wanted=Cancel, after=working(deadline_at=at(0))),
    Case(wanted=Cancel, after=make_ledger(status=JobStatus.PAUSED, deadline_at=at(0))),
)
OF_LIVE_JOBS = (*LOST_MESSAGE, *SILENT_CLIENT, *HALTED, *NO_FINALIZER, *CANCELLED, *DEADLINE)
ABANDONED = (Case(wanted=RemoveIntake, begun=0, after=make_ledger(status=JobStatus.INTAKE)),)
NOT_FILLED = (
    Case(wanted=Dispatch, begun=0, after=make_ledger()),
    Case(wanted=Dispatch, moved=0, before=resting(), after=transitions.resume(resting(), actor=ACTOR)),
)


def cancelled(ledger: Ledger) -> Ledger:
    return transitions.cancel(ledger, generation=1, reason=CancelReason.USER, actor=ACTOR)


OUT_OF_SIGHT = (
    *NOT_FILLED,
    Case(wanted=Finalize, moved=0, before=resting(), after=cancelled(resting())),
)
"""Jobs that the sweeper looks at for the first time, or again after a rest."""


def lost_after_a_rest() -> Iterator[Case]:
    """Messages that a resume sent, and that were lost at once, by how long their lane had been quiet."""
    for minutes in range(32):
        lane = make_lane(not_before=at(-60 * minutes - 0.0005) - LEASE)
        before, after = (each.evolve(created_at=at(3 * LONG_AGO)) for each in (resting(lane), working(lane)))
        yield Case(wanted=SendAgain, begun=3 * LONG_AGO, moved=0, before=before, after=after)


def table() -> dict[str, list[str]]:
    """The times of the page's table, by its first column."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", PAGE.split("\n## ")[1], re.MULTILINE)
    return {who: re.findall(r"\d+ (?:s|minutes)\b", latest) for who, latest in rows[1:]}


def seconds(number: float) -> str:
    assert number == int(number)
    return f"{int(number)} s"


@pytest.mark.acceptance(32)
def test_page_tells_the_longest_wait_of_everyone_when_the_sweeper_runs_at_any_second() -> None:
    assert table() == {
        "a worker, while it held an item": [seconds(NOTICE_DEATH_SECONDS)],
        "a message that was lost altogether": [seconds(worst(*LOST_MESSAGE))],
        "a message that was lost after its lane had waited long, in a long queue or a pause": [
            f"{math.ceil(worst(*lost_after_a_rest()) / 60)} minutes"
        ],
        "a client that drove its job by `process-next`": [seconds(worst(*SILENT_CLIENT))],
        "the api, while it wrote a job": [seconds(creator._FIRST_LOOK.total_seconds()), seconds(worst(*ABANDONED))],
        "the api, while it filled the queue": [seconds(worst(*NOT_FILLED))],
        "a worker, before it wrote the stop or the pause that its failed item asks for": [seconds(worst(*HALTED))],
        "the finalizer, or a stream record that was dropped": [seconds(worst(*NO_FINALIZER))],
        "a worker of a cancelled job": [seconds(worst(*CANCELLED))],
        "nobody, but a job's deadline passes": [seconds(worst(*DEADLINE))],
        "whoever handled a message ten times": [],
    }
    assert worst(*LOST_MESSAGE) == worst(*SILENT_CLIENT) == RECOVERY_BOUND.total_seconds()


def test_first_look_comes_within_the_pages_time_when_a_job_was_out_of_sight() -> None:
    assert creator._FIRST_LOOK == SOON
    assert [worst(case) for case in OUT_OF_SIGHT] == [worst(*NOT_FILLED)] * len(OUT_OF_SIGHT)
    assert f"created, retried, resumed or cancelled within {worst(*NOT_FILLED)} s, and then\nin every run" in PAGE


@pytest.mark.parametrize("case", OF_LIVE_JOBS, ids=lambda case: case.wanted.__name__)
def test_first_look_is_the_only_exception_to_the_table_when_a_job_has_just_begun(case: Case) -> None:
    bound, first_look = worst(case), worst(*NOT_FILLED)

    for begun in range(-120, 1, 5):
        assert worst(replace(case, begun=begun)) <= max(bound, begun + first_look)


@pytest.mark.parametrize("case", [*OF_LIVE_JOBS, *OUT_OF_SIGHT, *ABANDONED], ids=lambda case: case.wanted.__name__)
def test_late_run_adds_its_delay_and_no_more_when_it_is_as_late_as_the_page_says(case: Case) -> None:
    late = AHEAD.total_seconds()

    assert max(worst(case, late=(late, 0)), worst(case, late=(0, late))) <= worst(case) + late
    assert f"A run that begins up to {int(late)} s late adds its delay" in " ".join(PAGE.split())


def test_page_tells_how_long_a_lease_lasts_and_a_message_lives_when_read() -> None:
    text = " ".join(PAGE.split())
    visibility, receives = WORK_QUEUE.visibility_seconds, WORK_QUEUE.max_receive_count or 0

    assert (
        f"time limit (`item_timeout_seconds`, {MIN_ITEM_TIMEOUT_SECONDS} to {MAX_ITEM_TIMEOUT_SECONDS}) "
        f"plus {LEASE_MARGIN_SECONDS} seconds" in text
    )
    assert f"comes back after {visibility} s and is dead after {round(visibility * receives / 60)} minutes" in text
