"""Records of the table's stream, as Lambda hands them over, and a short life of a job to make them of."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shared.errors import ErrorCode
from shared.jobs import transitions
from shared.jobs.statuses import JobStatus, OnError
from shared.store.attributes import attributes
from shared.store.ledger_rows import ledger_row
from tests.support.ledgers import NOW, at, make_attempt, make_lane, make_lease, make_ledger, make_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.jobs.ledger import Ledger

__all__ = ["STORY_WORK", "record_of", "record_of_rows", "records_of", "story"]

STORY_WORK = ((1, 3), ())
"""The lists of positions of the second generation of :func:`story`, one a lane."""


def record_of_rows(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], sequence_number: int, *, recorded_at: datetime = NOW
) -> dict[str, Any]:
    """A record of a write of one row."""
    images = {"NewImage": attributes(new), **({} if old is None else {"OldImage": attributes(old)})}
    change = {
        "ApproximateCreationDateTime": int(recorded_at.timestamp()),
        "SequenceNumber": str(sequence_number),
        "Keys": attributes({"pk": new["pk"], "sk": new["sk"]}),
        **images,
    }
    return {"eventName": "INSERT" if old is None else "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": change}


def record_of(old: Ledger | None, new: Ledger, sequence_number: int, *, recorded_at: datetime = NOW) -> dict[str, Any]:
    """A record of a write of a ledger."""
    return record_of_rows(
        None if old is None else ledger_row(old), ledger_row(new), sequence_number, recorded_at=recorded_at
    )


def records_of(ledgers: Sequence[Ledger], *, first: int = 98, seconds: float = 0.4) -> list[dict[str, Any]]:
    """The records of a ledger's whole life, ``seconds`` apart, numbered from ``first``."""
    pairs = [(None, ledgers[0]), *pairwise(ledgers)]
    return [
        record_of(old, new, first + number, recorded_at=NOW + timedelta(seconds=seconds * number))
        for number, (old, new) in enumerate(pairs)
    ]


def story() -> list[Ledger]:
    """A job of four items on two lanes that meets a refusal, a time-out and a lost worker, and is retried."""
    ledger = make_ledger(make_lane(), make_lane(), version=1, actor="user:ada")
    life = [ledger]

    def then(transition: Any, **arguments: Any) -> None:
        life.append(transition(life[-1], **{"actor": "processor", **arguments}))

    def settle(lane: int, token: str, position: int, code: ErrorCode | None, now: datetime) -> None:
        generation = life[-1].generation
        outcome = make_outcome(position, code=code, token=token, generation=generation)
        then(transitions.settle, lane=lane, token=token, outcome=outcome, now=now, on_error=OnError.CONTINUE)

    then(transitions.claim, lane=0, lease=make_lease("a"), now=at(1))
    then(transitions.claim, lane=1, lease=make_lease("b", ends=2), now=at(1))
    tried = make_attempt(ErrorCode.TIMEOUT, seconds=2)
    then(transitions.put_back, lane=0, token="a", not_before=at(3), attempt=tried)
    then(transitions.take_over, lane=1, old_token="b", lease=make_lease("c"), now=at(3), max_attempts=3)
    then(transitions.dispatched, epoch=0, round_=0, old=0, new=4, actor="api")
    then(transitions.claim, lane=0, lease=make_lease("d"), now=at(3))
    settle(0, "d", 1, ErrorCode.REFUSED, at(4))
    then(transitions.redrive, lane=0, index=1, epoch=0, redrives=0, actor="dead_letters")
    settle(1, "c", 2, None, at(4))
    for lane, position, code in ((0, 3, ErrorCode.REFUSED), (1, 4, None)):
        then(transitions.claim, lane=lane, lease=make_lease("e"), now=at(5))
        settle(lane, "e", position, code, at(6))
    then(transitions.finalize, generation=1, now=at(7), actor="finalizer")
    then(transitions.notified, generation=1, actor="finalizer")
    then(
        transitions.retry,
        generation=1,
        version=life[-1].version,
        work=STORY_WORK,
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="",
        now=at(8),
        check_at=at(70),
        actor="user:ada",
    )
    for position in STORY_WORK[0]:
        then(transitions.claim, lane=0, lease=make_lease("f", epoch=1), now=at(9))
        settle(0, "f", position, None, at(10))
    then(transitions.finalize, generation=2, now=at(11), actor="finalizer")
    then(transitions.notified, generation=2, actor="finalizer")
    assert life[-1].status is JobStatus.COMPLETED
    return life
