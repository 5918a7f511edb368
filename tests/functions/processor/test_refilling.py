"""A round that was begun with a handful of messages is finished by whoever claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import QueueUnavailableError
from shared.jobs.statuses import Drive
from shared.queue.dispatch import HEAD

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.support.workshop import Workshop


def begun(workshop: Workshop, items: int, *, messages: int = HEAD, **options: Any) -> Ledger:
    """A job of whose round only so many messages were sent."""
    return workshop.queue.dispatch(
        workshop.job(items, **options),
        timeout_seconds=120,
        move_cursor=lambda seen, cursor: workshop.ledgers.dispatched(seen, cursor=cursor, actor="api"),
        most=messages,
    )


def waiting(workshop: Workshop) -> int:
    answer = workshop.queue.client.get_queue_attributes(
        QueueUrl=workshop.queue.url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_a_job_comes_to_its_end_when_only_its_head_was_dispatched(workshop: Workshop) -> None:
    job = begun(workshop, 25, concurrency=2)

    while workshop.consume() is not None:
        pass

    assert workshop.ledger(job).counts.completed == 25
    assert len(workshop.claude.calls) == 25


def test_messages_are_sent_in_good_time_and_once(workshop: Workshop) -> None:
    job = begun(workshop, 120, concurrency=2)
    consumed = 0

    while workshop.ledger(job).cursor == HEAD:
        workshop.consume()
        consumed += 1

    assert 1 < consumed < HEAD
    assert workshop.ledger(job).cursor == HEAD + 100
    assert waiting(workshop) == HEAD + 100 - consumed


@pytest.mark.parametrize(
    ("messages", "options"), [(0, {}), (HEAD, {"drive": Drive.CLIENT}), (1_000, {})], ids=["not begun", "client", "all"]
)
def test_nothing_is_sent_when_nothing_is_missing_or_another_sends_it(
    workshop: Workshop, messages: int, options: dict[str, Any]
) -> None:
    job = begun(workshop, 12, messages=messages, **options) if messages else workshop.job(12, **options)
    before = waiting(workshop)

    for _ in range(9):
        workshop.advance(workshop.message(job))

    assert waiting(workshop) == before
    assert workshop.ledger(job).counts.completed == 9


def test_the_item_is_processed_when_the_queue_takes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise QueueUnavailableError("throttled")

    job = begun(workshop, 12, messages=1)
    monkeypatch.setattr("shared.queue.dispatch.WorkQueue.dispatch", refuse)

    workshop.advance(workshop.message(job))

    assert workshop.ledger(job).counts.completed == 1
