"""What only the real exchange shows: repeated tries, lost answers, and callers that saw something else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import JOB, new_id, new_token
from shared.jobs.statuses import JobStatus, OnError
from shared.store.dynamodb import RefusedError, TokenReusedError
from shared.store.item_rows import NewItem, item_from_row, new_item_row
from shared.store.keys import item_key
from shared.store.ledgers import refused_ledger
from tests.support import steps
from tests.support.ledgers import NOW, at, make_lane, make_lease, make_ledger, make_outcome

if TYPE_CHECKING:
    from shared.jobs.items import Outcome
    from shared.jobs.ledger import Ledger
    from tests.shared.store.conftest import Shelf

pytestmark = [  # moto ignores transaction tokens
    pytest.mark.parametrize("backend", ["emulator"], indirect=True),
    pytest.mark.emulator,
]


@pytest.fixture
def held(shelf: Shelf) -> Ledger:
    """A job whose first lane is held under a token of its own."""
    ledger = make_ledger(
        make_lane(lease=make_lease(new_token())),
        make_lane(),
        job_id=new_id(JOB, NOW),
        status=JobStatus.PROCESSING,
    )
    shelf.place(ledger)
    shelf.put(new_item_row(ledger.job_id, NewItem(1, {"topic": "T"})))
    return ledger


def outcome_of(ledger: Ledger) -> Outcome:
    lease = ledger.lanes[0].lease
    assert lease is not None
    return make_outcome(token=lease.token)


def read(shelf: Shelf, ledger: Ledger) -> Ledger:
    found = shelf.ledgers.read(ledger.project_id, ledger.job_id)
    assert found is not None
    return found


def test_settle_has_no_further_effect_when_the_same_bytes_are_sent_again(shelf: Shelf, held: Ledger) -> None:
    step = steps.settle(held, lane=0, outcome=outcome_of(held), now=NOW)
    step.stored(shelf.ledgers)
    settled = read(shelf, held)

    step.stored(shelf.ledgers)

    assert read(shelf, held) == settled == step.pure(held)


@pytest.mark.acceptance(31)
def test_settle_with_other_bytes_is_told_that_the_first_went_through(shelf: Shelf, held: Ledger) -> None:
    first = outcome_of(held)
    steps.settle(held, lane=0, outcome=first, now=NOW).stored(shelf.ledgers)
    settled = read(shelf, held)

    with pytest.raises(TokenReusedError):
        steps.settle(held, lane=0, outcome=replace(first, output="{}"), now=at(1)).stored(shelf.ledgers)

    assert read(shelf, held) == settled
    item = item_from_row(shelf.row(item_key(held.job_id, 1)) or {})
    assert item.outcome == first


def test_claim_that_went_through_is_seen_in_the_refusal_of_its_repeat(shelf: Shelf) -> None:
    ledger = make_ledger(job_id=new_id(JOB, NOW))
    shelf.place(ledger)
    step = steps.claim(ledger, lane=1, lease=make_lease("again"), now=NOW)
    step.stored(shelf.ledgers)

    with pytest.raises(RefusedError) as refused:
        step.stored(shelf.ledgers)

    seen = refused_ledger(refused.value)
    assert seen is not None
    assert seen == read(shelf, ledger)
    assert seen.lanes[1].lease == make_lease("again")


def test_settle_of_another_lane_is_refused_when_only_this_one_is_mine(shelf: Shelf, held: Ledger) -> None:
    with pytest.raises(RefusedError):
        steps.settle(held, lane=1, outcome=outcome_of(held), now=NOW, on_error=OnError.STOP).stored(shelf.ledgers)

    assert read(shelf, held) == held


@pytest.mark.parametrize("what", ["take_over", "close"])
def test_nobody_is_replaced_when_the_caller_saw_nobody(shelf: Shelf, held: Ledger, what: str) -> None:
    seen = held.with_lane(0, make_lane())

    step = (
        steps.close(seen, lane=0, now=at(600))
        if what == "close"
        else steps.take_over(seen, lane=0, lease=make_lease("x"), now=at(600))
    )

    with pytest.raises(RefusedError):
        step.stored(shelf.ledgers)

    assert read(shelf, held) == held


@pytest.mark.acceptance(33)
def test_generation_is_not_ended_by_a_caller_that_saw_open_items(shelf: Shelf, held: Ledger) -> None:
    shelf.place(held.evolve(lanes=(make_lane(2), make_lane(2)), held=0, queued=0, open=0, failed=4))

    with pytest.raises(RefusedError) as refused:
        shelf.ledgers.finalize(held, now=NOW, actor="slow finalizer")

    assert read(shelf, held).status is JobStatus.PROCESSING
    assert refused_ledger(refused.value) == held


def test_cursor_stands_when_the_answer_of_its_move_was_lost(shelf: Shelf) -> None:
    ledger = make_ledger(job_id=new_id(JOB, NOW))
    shelf.place(ledger)
    moved = shelf.ledgers.advance_cursor(ledger, 4, actor="api")

    again = shelf.ledgers.advance_cursor(ledger, 4, actor="api")

    assert (moved.cursor, again) == (4, moved)
    assert read(shelf, ledger) == moved


@pytest.mark.parametrize("since", [{"cursor": 6}, {"epoch": 1, "cursor": 4}, {"round": 1, "cursor": 4}, None], ids=str)
def test_cursor_is_not_moved_when_the_dispatch_went_on_without_us(shelf: Shelf, since: dict[str, int] | None) -> None:
    ledger = make_ledger(job_id=new_id(JOB, NOW))
    if since is not None:
        shelf.place(ledger.evolve(**since))

    with pytest.raises(RefusedError) as refused:
        shelf.ledgers.advance_cursor(ledger, 4, actor="api")

    assert refused_ledger(refused.value) == (None if since is None else ledger.evolve(**since))
