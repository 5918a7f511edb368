"""The operator's page promises times: they follow from the rules, at any phase of the sweeper's minute."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from functions.api.controller import SOON
from functions.sweeper.sweep import AHEAD
from shared.jobs.repairs import LOOK_EVERY, RECOVERY_BOUND, CloseLane, Dispatch, Facts, Finalize, next_look, repairs
from shared.jobs.statuses import CancelReason, JobStatus, OnError
from shared.queue.queues import NOTICE_DEATH_SECONDS
from tests.support.ledgers import NOW, at, make_lane, make_lease, make_ledger
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from shared.jobs.repairs import Repair

PAGE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")
FACTS: Final = Facts(on_error=OnError.CONTINUE, lease=timedelta(seconds=135), cursor_limit=4)
PHASES: Final = [step / 2 for step in range(120)]
LATE: Final = AHEAD
"""How far apart from a minute two runs may be, so that the sweeper looks so far ahead."""


def promised(row: str) -> str:
    """The last cell of the row of the page's table that begins so."""
    [cell] = re.findall(rf"^\| {re.escape(row)}.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    return str(cell)


def repaired_after(ledger: Ledger, wanted: type[Repair], *, first_run: float) -> float:
    """Seconds from :data:`NOW` until the sweeper does what is ``wanted``, where it runs every minute from then on."""
    for run in range(20):
        now = at(first_run + run * LOOK_EVERY.total_seconds())
        if ledger.check_at is None or ledger.check_at > now + AHEAD:
            continue
        if any(isinstance(repair, wanted) for repair in repairs(ledger, FACTS, now)):
            return (now - NOW).total_seconds()
        ledger = ledger.evolve(check_at=next_look(ledger, now))
    pytest.fail("nobody came")


def filled() -> Ledger:
    """A job that was created, resumed or retried now, by an api that died before it filled the queue."""
    return make_ledger(cursor=0, check_at=NOW + SOON)


def ended() -> Ledger:
    """A job whose last item has ended now, and whose finalizer never comes."""
    return make_ledger(make_lane(2), status=JobStatus.PROCESSING, last_activity_at=NOW, check_at=NOW + LOOK_EVERY)


def cancelled_at_rest() -> Ledger:
    """A paused job that is cancelled now; the lease of its worker had ended long before."""
    dead = make_lane(lease=make_lease("dead", ends=-500))
    return make_ledger(dead, status=JobStatus.CANCELLING, cancel_reason=CancelReason.USER, check_at=NOW + SOON)


@pytest.mark.acceptance(32)
@pytest.mark.parametrize(
    ("row", "left_so", "wanted", "said"),
    [
        ("the api, while it filled the queue", filled, Dispatch, r"the request \+ (\d+) s"),
        ("the finalizer, or a stream record", ended, Finalize, r"last item \+ (\d+) s"),
        ("a worker of a cancelled job", cancelled_at_rest, CloseLane, r"the cancel \+ (\d+) s"),
    ],
)
def test_promise_holds_and_is_no_longer_than_it_must_be_at_any_phase_of_the_sweepers_minute(
    row: str, left_so: Callable[[], Ledger], wanted: type[Repair], said: str
) -> None:
    found = re.search(said, promised(row))
    assert found is not None
    bound = float(found[1])

    worst = max(repaired_after(left_so(), wanted, first_run=phase) for phase in PHASES)

    assert bound - 1 <= worst <= bound


@pytest.mark.acceptance(32)
def test_promises_of_leases_are_the_rules_own() -> None:
    bound, late = RECOVERY_BOUND.total_seconds(), (LOOK_EVERY + LATE).total_seconds()

    assert promised("a worker, while it held an item") == f"lease end + {NOTICE_DEATH_SECONDS} s"
    assert promised("a message that was lost") == f"lease end + {bound:.0f} s"
    assert promised("a client that drove its job").startswith(f"lease end + {bound:.0f} s;")
    assert promised("a worker of a cancelled job").startswith(f"lease end + {late:.0f} s;")
    assert promised("the api, while it wrote a job") == f"last write + {(SOON + LOOK_EVERY).total_seconds():.0f} s"
    closing = make_ledger(make_lane(lease=make_lease("dead", ends=0)), status=JobStatus.CANCELLING, check_at=NOW)
    phases = [repaired_after(closing.evolve(check_at=at(phase)), CloseLane, first_run=phase) for phase in PHASES]
    assert max(phases) <= late


def test_page_says_of_each_case_what_its_signs_are_what_helps_and_where_the_console_shows_it() -> None:
    parts = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))
    cases = ["A wedged job", "A poisoned message", "A bad deploy", "A revoked key", "A throttled table"]

    for case in cases:
        [text] = [text for name, text in parts.items() if name.startswith(case)]
        for part in ("**Signs.**", "**What helps.**", "**In the console.**", "```\n"):
            assert part in text, f"{case}: {part}"
