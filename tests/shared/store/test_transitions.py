"""Every transition as a write against the same transition as a pure rule, on both emulators, row for row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode, TransitionRefusedError
from shared.jobs.ledger import Lane, Ledger
from shared.jobs.statuses import FINAL, CancelReason, Drive, JobStatus, OnError, PauseReason
from shared.store.dynamodb import RefusedError
from shared.store.item_rows import NewItem, item_from_row, new_item_row
from shared.store.keys import item_key, ledger_key
from shared.store.ledger_rows import ledger_from_row, ledger_row
from shared.store.ledgers import refused_ledger
from tests.support import steps
from tests.support.conditions import RULES, Rule, refusals
from tests.support.ledgers import (
    JOB_ID,
    NOW,
    at,
    make_attempt,
    make_lane,
    make_lease,
    make_ledger,
    make_outcome,
    make_past_attempt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.store.attributes import Row
    from tests.shared.store.conftest import Shelf
    from tests.support.steps import Step

KEY = ledger_key(make_ledger().project_id, JOB_ID)
ITEM = new_item_row(JOB_ID, NewItem(1, {"topic": "Bread"}, "row-1"))


ITEM_WRITERS = frozenset({"settle", "put_back"})


def placed(shelf: Shelf, ledger: Ledger, step: Step | None = None) -> Row:
    """The ledger's row, and beside it what ``step`` needs: a fresh item, or no list of work; both if none is named."""
    if step is None or step.work is not None:
        shelf.clear(JOB_ID)
    if step is None or step.name in ITEM_WRITERS:
        shelf.put(ITEM)
    return shelf.place(ledger)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_write_makes_the_ledger_of_the_rule_when_its_condition_holds(shelf: Shelf, rule: Rule) -> None:
    placed(shelf, rule.allowed, rule.step)

    rule.step.stored(shelf.ledgers)

    assert shelf.row(KEY) == ledger_row(rule.result)


@pytest.mark.parametrize(
    ("rule", "ledger"),
    [pytest.param(rule, ledger, id=f"{rule.name}: {clause}") for rule, clause, ledger in refusals()],
)
def test_write_is_refused_and_changes_nothing_when_one_clause_alone_is_broken(
    shelf: Shelf, rule: Rule, ledger: Ledger
) -> None:
    row = placed(shelf, ledger, rule.step)

    with pytest.raises(RefusedError) as refused:
        rule.step.stored(shelf.ledgers)

    assert shelf.row(KEY) == row
    assert rule.step.name not in ITEM_WRITERS or shelf.row(item_key(JOB_ID, 1)) == ITEM
    assert refused_ledger(refused.value) == ledger
    assert refused.value.transition == rule.step.name


# ---------------------------------------------------------------------------- every state meets every transition

HELD = make_lane(0, 2, lease=make_lease(est=10))
DEAD = make_lane(1, 3, lease=make_lease(ends=-60, est=10))
TIRED = make_lane(0, 2, attempts=(make_attempt(), make_attempt()), not_before=at(30), redrives=2)
WAITED = make_lane(1, 2, attempts=(make_attempt(ErrorCode.RATE_LIMITED),), not_before=at(-1))
DONE = Lane(2, 2)
PROCESSING, PAUSED, CANCELLING = JobStatus.PROCESSING, JobStatus.PAUSED, JobStatus.CANCELLING
REFUSED = {ErrorCode.REFUSED: 1}

STATES: dict[str, Ledger] = {
    "new": make_ledger(),
    "new, with a budget": make_ledger(headroom_microusd=100, est_microusd=10),
    "intake": make_ledger(status=JobStatus.INTAKE, intake_token="writer"),
    "client-driven": make_ledger(drive=Drive.CLIENT, cursor=0),
    "held": make_ledger(HELD, make_lane(), status=PROCESSING, started_at=at(-9)),
    "held, with a budget": make_ledger(HELD, make_lane(), status=PROCESSING, headroom_microusd=0),
    "held under an earlier epoch": make_ledger(HELD, make_lane(), status=PROCESSING, epoch=3, round=4, cursor=2),
    "dead holder": make_ledger(DEAD, WAITED, status=PROCESSING, headroom_microusd=15),
    "dead holder, attempts used up": make_ledger(
        DEAD.evolve(attempts=(make_attempt(),) * 3), DONE, status=PROCESSING, errors=REFUSED
    ),
    "back-off": make_ledger(TIRED, WAITED, status=PROCESSING, errors={ErrorCode.TIMEOUT: 1}),
    "overdrawn": make_ledger(status=PROCESSING, headroom_microusd=-7, cost_microusd=57),
    "halted": make_ledger(make_lane(1), HELD, status=PROCESSING, halted=True, errors=REFUSED),
    "halted, paused": make_ledger(
        make_lane(1), HELD, status=PAUSED, halted=True, errors=REFUSED, pause_reason=PauseReason.ON_ERROR
    ),
    "paused": make_ledger(WAITED, make_lane(), status=PAUSED, pause_reason=PauseReason.USER, headroom_microusd=3),
    "pausing": make_ledger(HELD, DEAD, status=PAUSED, pause_reason=PauseReason.BILLING, headroom_microusd=3),
    "paused with nothing left": make_ledger(DONE, DONE, status=PAUSED, pause_reason=PauseReason.USER),
    "all settled": make_ledger(DONE, DONE, status=PROCESSING, errors=REFUSED),
    "cancelling": make_ledger(HELD, DEAD, status=CANCELLING, cancel_reason=CancelReason.USER, headroom_microusd=9),
    "cancelling with nothing held": make_ledger(WAITED, make_lane(), status=CANCELLING),
    "retried": make_ledger(
        make_lane(0, 1), make_lane(0, 0), generation=2, notified_generation=1, epoch=1, total=6, completed=4, failed=1
    ),
    "retried and held": make_ledger(
        HELD, make_lane(0, 1), generation=2, notified_generation=1, status=PROCESSING, total=9, completed=5, failed=1
    ),
    "retried and cancelling": make_ledger(
        HELD, DEAD, generation=3, notified_generation=2, status=CANCELLING, total=12, failed=6, headroom_microusd=0
    ),
    **{
        f"{status}, {told}": make_ledger(
            DONE,
            WAITED if status is JobStatus.CANCELLED else DONE,
            status=status,
            errors={} if status is JobStatus.COMPLETED else REFUSED,
            notified_generation=generation,
            check_at=None if generation else at(60),
            completed_at=at(-1),
        )
        for status in sorted(FINAL)
        for told, generation in (("told", 1), ("not told", 0))
    },
}


def claims(ledger: Ledger) -> list[Step]:
    est = 10 if ledger.budgeted else 0
    lease = make_lease("new", epoch=ledger.epoch, est=est)
    return [
        *(steps.claim(ledger, lane=lane, lease=lease, now=now) for lane in (0, 1) for now in (NOW, at(120))),
        *(steps.claim(ledger, lane=0, lease=lease, now=NOW, index=index) for index in (0, 1)),
        steps.claim(ledger, lane=1, lease=make_lease("new", epoch=ledger.epoch - 1, est=est), now=NOW),
        steps.claim(ledger, lane=1, lease=make_lease("new", epoch=ledger.epoch, est=101), now=NOW),
        steps.claim(ledger, lane=1, lease=lease, now=NOW, budgeted=not ledger.budgeted),
    ]


def take_overs(ledger: Ledger) -> list[Step]:
    lease = make_lease("new", epoch=ledger.epoch, est=10 if ledger.budgeted else 0)
    return [
        steps.take_over(ledger, lane=lane, lease=lease, now=now, max_attempts=max_attempts)
        for lane in (0, 1)
        for now in (NOW, at(120))
        for max_attempts in (1, 3)
    ]


def settles(ledger: Ledger) -> list[Step]:
    generation = ledger.generation
    done = make_outcome(generation=generation)
    failed = make_outcome(code=ErrorCode.REFUSED, generation=generation)
    return [
        *(steps.settle(ledger, lane=lane, outcome=done, now=at(70)) for lane in (0, 1)),
        steps.settle(ledger, lane=0, outcome=make_outcome(token="stale"), now=NOW),
        steps.settle(ledger, lane=0, outcome=done, now=NOW, on_error=OnError.STOP, min_interval_seconds=3),
        *(steps.settle(ledger, lane=0, outcome=failed, now=NOW, on_error=on_error) for on_error in OnError),
        steps.settle(ledger, lane=0, outcome=make_outcome(code=ErrorCode.TIMEOUT, generation=generation), now=NOW),
    ]


def endings(ledger: Ledger) -> list[Step]:
    bill = {"input_tokens": 11, "output_tokens": 7, "cost_microusd": 6}
    history = (make_past_attempt(), make_past_attempt(2, started_at=None, error=None, possible_duplicate_spend=True))
    return [
        *(steps.release(ledger, lane=lane, token=token, **bill) for lane in (0, 1) for token in ("mine", "stale")),
        *(
            steps.put_back(ledger, lane=lane, token="mine", not_before=at(9), attempt=attempt, attempts=history, **bill)
            for lane in (0, 1)
            for attempt in (None, make_attempt(ErrorCode.NETWORK, seconds=0))
        ),
        *(steps.account_pause(ledger, lane=lane, token="mine", not_before=at(9)) for lane in (0, 1)),
    ]


def controls(ledger: Ledger) -> list[Step]:
    return [
        *(steps.pause(ledger, reason=reason) for reason in (PauseReason.USER, PauseReason.ON_ERROR)),
        *(steps.pause_for_budget(ledger, est_microusd=est) for est in (3, 10, 1_000)),
        *(steps.resume(ledger, more_microusd=more) for more in (0, 50)),
        *(steps.cancel(ledger, reason=reason) for reason in CancelReason),
        steps.finalize(ledger, now=NOW),
        steps.notified(ledger),
        steps.retry(ledger, work=((1,), (2, 4)), errors={}, firsts={}, check_at=at(60)),
        steps.retry(
            ledger,
            work=((1,), ()),
            errors={ErrorCode.REFUSED: 2},
            firsts={ErrorCode.REFUSED: 3},
            check_at=at(60),
            deadline_at=at(600),
            usage_period="2026-12",
            more_microusd=40,
        ),
    ]


def sweeps(ledger: Ledger) -> list[Step]:
    return [
        steps.seal(ledger, token="writer"),
        *(steps.close(ledger, lane=lane, now=now) for lane in (0, 1) for now in (NOW, at(120))),
        *(steps.redrive(ledger, lane=lane) for lane in (0, 1)),
        *(steps.look(ledger, new=at(120), paused_in=epoch) for epoch in (None, ledger.epoch)),
        steps.dispatched(ledger, cursor=4),
        steps.handoff(ledger),
    ]


FAMILIES: dict[str, Callable[[Ledger], list[Step]]] = {
    family.__name__: family for family in (claims, take_overs, settles, endings, controls, sweeps)
}


def ruled(step: Step, ledger: Ledger) -> Ledger | None:
    """What the rule makes of ``ledger``; None is a refusal."""
    try:
        return step.pure(ledger)
    except TransitionRefusedError:
        return None


def written(step: Step, shelf: Shelf, before: Ledger) -> Ledger | None:
    """What the write makes of the row; None is a refusal by the row as it stands."""
    try:
        step.stored(shelf.ledgers)
    except RefusedError as error:
        refused = refused_ledger(error)
    else:
        row = shelf.row(KEY)
        assert row is not None
        assert row == ledger_row(ledger_from_row(row)), "the row holds more, or less, than the ledger"
        return ledger_from_row(row)
    assert refused is None or refused == before
    return None


CROSSED = [
    *(pytest.param("emulator", state, marks=pytest.mark.emulator) for state in STATES),
    *(("moto", state) for state in list(STATES)[::4]),  # that every expression is legal, the rules above show on moto
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("backend", "state"), CROSSED, indirect=["backend"])
def test_write_and_rule_agree_when_any_state_meets_any_transition(shelf: Shelf, state: str, family: str) -> None:
    ledger = STATES[state]
    row = placed(shelf, ledger)
    differences = []
    for number, step in enumerate(FAMILIES[family](ledger)):
        shelf.table.salt[:] = [f"{shelf.table.salt[0][:14]}{number:02d}"]
        made = written(step, shelf, ledger)
        if made != ruled(step, ledger):
            differences.append((number, step.name, made))
        if made is not None:
            row = placed(shelf, ledger, step)

    assert differences == []
    assert shelf.row(KEY) == row


@pytest.mark.parametrize("family", FAMILIES)
def test_every_transition_is_allowed_somewhere_and_refused_somewhere(family: str) -> None:
    allowed, refused = set[str](), set[str]()
    for ledger in STATES.values():
        for step in FAMILIES[family](ledger):
            (refused if ruled(step, ledger) is None else allowed).add(step.name)

    assert allowed == refused | {"dispatched"} & allowed  # its condition is about what the dispatcher saw


# ------------------------------------------------------------------------------------------- what else a write does


def test_settle_writes_the_outcome_with_the_ledger(shelf: Shelf) -> None:
    ledger = STATES["held"]
    placed(shelf, ledger)
    outcome = make_outcome(attempts=(make_past_attempt(),))

    steps.settle(ledger, lane=0, outcome=outcome, now=NOW).stored(shelf.ledgers)

    item = item_from_row(shelf.row(item_key(JOB_ID, 1)) or {})
    assert item.outcome == outcome
    assert (item.input, item.custom_id) == ({"topic": "Bread"}, "row-1")


def test_put_back_tells_the_items_row_of_the_try(shelf: Shelf) -> None:
    ledger = STATES["held"]
    placed(shelf, ledger)
    history = (make_past_attempt(), make_past_attempt(2))

    steps.put_back(ledger, lane=0, token="mine", not_before=at(4), attempt=make_attempt(), attempts=history).stored(
        shelf.ledgers
    )

    item = item_from_row(shelf.row(item_key(JOB_ID, 1)) or {})
    assert (item.outcome, item.attempts) == (None, history)


@pytest.mark.acceptance(14)
def test_stale_holder_changes_neither_item_nor_ledger_when_its_lane_was_taken_over(shelf: Shelf) -> None:
    seen = STATES["dead holder"]
    placed(shelf, seen)
    shelf.put(new_item_row(JOB_ID, NewItem(3, {"topic": "Salt"})))
    taken = shelf.ledgers.take_over(
        seen, lane=0, lease=make_lease("new", est=10), max_attempts=3, now=NOW, actor="another"
    )
    rows = [shelf.row(KEY), shelf.row(item_key(JOB_ID, 3))]

    for step in (*settles(seen), *endings(seen)):
        with pytest.raises(RefusedError) as refused:
            step.stored(shelf.ledgers)
        assert refused_ledger(refused.value) == taken

    assert [shelf.row(KEY), shelf.row(item_key(JOB_ID, 3))] == rows


def test_retry_is_refused_whole_when_the_list_of_work_stands_already(shelf: Shelf) -> None:
    ledger = STATES["failed, told"]
    row = placed(shelf, ledger)
    orphan = {"pk": ITEM["pk"], "sk": "WORK#2#00", "positions": [4]}
    shelf.put(orphan)

    with pytest.raises(RefusedError):
        steps.retry(ledger, work=((1,), (2,)), errors={}, firsts={}, check_at=at(60)).stored(shelf.ledgers)

    assert shelf.row(KEY) == row
    assert shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#00"}) == orphan
    assert shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#01"}) is None


def test_retry_writes_a_list_for_each_lane_that_has_work(shelf: Shelf) -> None:
    ledger = STATES["failed, told"]
    placed(shelf, ledger)

    steps.retry(ledger, work=((1, 3), ()), errors={}, firsts={}, check_at=at(60)).stored(shelf.ledgers)

    assert (shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#00"}) or {})["positions"] == [1, 3]
    assert shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#01"}) is None


def test_transition_is_refused_without_a_row_when_the_job_is_gone(shelf: Shelf) -> None:
    gone = make_ledger(job_id="job_01JDA4Y3C0D1E2F3G4H5J6K7ZZ")

    with pytest.raises(RefusedError) as refused:
        steps.pause(gone).stored(shelf.ledgers)

    assert refused_ledger(refused.value) is None
    assert shelf.row(ledger_key(gone.project_id, gone.job_id)) is None


def test_retry_marks_every_list_that_it_writes(shelf: Shelf) -> None:
    ledger = STATES["failed, told"]
    placed(shelf, ledger)

    shelf.ledgers.retry(
        ledger,
        work=((1, 3), ()),
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="",
        now=NOW,
        check_at=at(60),
        mark="mine",
        actor="t",
    )

    assert shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#00"}) == {
        "pk": ITEM["pk"],
        "sk": "WORK#2#00",
        "positions": [1, 3],
        "mark": "mine",
    }
    assert shelf.row({"pk": ITEM["pk"], "sk": "WORK#2#01"}) is None


def test_many_ledgers_are_read_at_once_and_absent_ones_left_out(shelf: Shelf) -> None:
    ledger = STATES["new"]
    placed(shelf, ledger)
    absent = [f"{JOB_ID[:-3]}{number:03d}" for number in range(100)]

    found = shelf.ledgers.read_many(ledger.project_id, [*absent, JOB_ID])

    assert found == {JOB_ID: ledger}
