"""Seeing a job to its end: by waiting for what changes, or by driving it."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final

from pressroom.client.retrying import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pressroom.client.records import Event, Job, ProcessNext
    from shared.clock import Clock

__all__ = ["PATIENT", "drive", "follow_events", "watch"]

PATIENT: Final = RetryPolicy(attempts=14, base_seconds=0.5, cap_seconds=15.0)
"""Whoever follows a job sits out an outage of a minute or two: the job goes on meanwhile."""

_IDLE: Final = RetryPolicy(base_seconds=0.5, cap_seconds=5.0)

_NOTIFIED: Final = "job.notified"
"""The last event of a generation."""


def watch(
    poll: Callable[[str | None, int], Job | None],
    *,
    clock: Clock,
    jitter: Callable[[float, float], float],
    wait_seconds: int,
    pace_seconds: float,
    until_paused: bool,
) -> Iterator[Job]:
    """The job now, and again each time it changed; ends with its last state.

    Args:
        poll: asks for the job, given the ETag that is known and how long the server may hold the answer;
            ``None`` when nothing changed.
        clock: tells how long an answer took.
        jitter: draws from a range.
        wait_seconds: how long the server may hold an answer.
        pace_seconds: the most that is waited after a change, so that a quick job is not polled for every item.
        until_paused: whether a pause ends it too: nothing goes on until a person resumes the job.
    """
    known: Job | None = None
    idle = 0
    while True:
        asked_at = clock.now()
        job = poll(known.etag or None if known else None, wait_seconds if known else 0)
        if job is None or job == known:
            # A server that holds answers back paces us; one that cannot is asked less and less often.
            if (clock.now() - asked_at).total_seconds() < wait_seconds / 2:
                idle += 1
                clock.sleep(_IDLE.backoff_seconds(idle, jitter))
            continue
        known, idle = job, 0
        yield job
        if job.is_final or (until_paused and job.is_paused):
            return
        clock.sleep(jitter(pace_seconds / 2, pace_seconds))


def follow_events(
    page: Callable[[str | None], tuple[Sequence[Event], str | None]],
    job: Callable[[], Job | None],
    *,
    clock: Clock,
    jitter: Callable[[float, float], float],
) -> Iterator[Event]:
    """Every event once, in order, until the job is final and its timeline tells that its end was told.

    Args:
        page: the events behind a cursor, and the cursor behind them where there are more.
        job: asks for the job.
        clock: waits.
        jitter: draws from a range.
    """
    cursor: str | None = None
    seen: set[str] = set()
    told_generation = idle = 0
    while True:
        # The last page is read again each time: events of one batch are written together, but in no order.
        events, following = page(cursor)
        fresh = [event for event in events if event.id not in seen]
        for event in fresh:
            if event.type == _NOTIFIED:
                told_generation = max(told_generation, event.generation or 0)
            yield event
        seen.update(event.id for event in fresh)
        if following is not None:
            cursor, seen = following, set()
            continue
        if told_generation:
            now = job()
            if now is not None and now.is_final and now.generation <= told_generation:
                return
        idle = 1 if fresh else idle + 1
        clock.sleep(_IDLE.backoff_seconds(idle, jitter))


def drive(
    process_next: Callable[[], ProcessNext],
    *,
    clock: Clock,
    jitter: Callable[[float, float], float],
    workers: int,
) -> Iterator[ProcessNext]:
    """Advances the job until nothing is left, with ``workers`` callers at once; yields every answer as it comes.

    Closing the iterator stops the workers after the call that each is in; what runs on the server goes on.
    """
    if workers == 1:
        yield from _drive_alone(process_next, clock, jitter, threading.Event())
        return
    answers: queue.SimpleQueue[ProcessNext | Exception | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            for answer in _drive_alone(process_next, clock, jitter, stop):
                answers.put(answer)
        except Exception as error:  # noqa: BLE001  a thread's outermost edge: the reader raises it
            answers.put(error)
        finally:
            answers.put(None)

    # Daemons, so that an interrupted program need not sit out calls that the server holds for 20 s.
    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    try:
        working = workers
        while working:
            answer = answers.get()
            if answer is None:
                working -= 1
            elif isinstance(answer, Exception):
                raise answer
            else:
                yield answer
    finally:
        stop.set()


def _drive_alone(
    process_next: Callable[[], ProcessNext],
    clock: Clock,
    jitter: Callable[[float, float], float],
    stop: threading.Event,
) -> Iterator[ProcessNext]:
    idle = 0
    while not stop.is_set():
        answer = process_next()
        yield answer
        if answer.outcome == "done":
            return
        if answer.outcome == "processed":
            idle = 0
            continue
        # The job still runs, or every lane is busy: as long as it was told, and a little more each time.
        idle += 1
        clock.sleep(answer.retry_after_seconds + _IDLE.backoff_seconds(idle, jitter))
