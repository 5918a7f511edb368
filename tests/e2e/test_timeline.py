"""The timeline of a real job: real handlers, a real stream, the journal beside the finalizer."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pressroom.client import NewItem, NewJob, PressroomClient
from pressroom.local.runtime import LocalRuntime
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pressroom.client import Event, Job

TOPICS = (
    "Green tea",
    "Black tea [[claude: refusal]]",
    "White tea",
    "Oolong [[claude: status=529 retry_after=1 times=1]]",
    "Rooibos",
)


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    environ = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}
    with LocalRuntime(environ=environ) as runtime:
        yield runtime


def chain(events: Sequence[Event]) -> list[tuple[str, str | None, str | None, int | None, str | None]]:
    return [(event.type, event.before, event.after, event.attempt, event.detail) for event in events]


def told_by(journal: LocalRuntime) -> int:
    """How many records the journal was handed."""
    lines = (journal.folder / "journal.log").read_text("utf-8").splitlines()
    return sum(json.loads(line)["records"] for line in lines if '"message":"written"' in line)


@pytest.mark.acceptance(38)
def test_timeline_tells_every_transition_when_items_fail_and_are_tried_again(runtime: LocalRuntime) -> None:
    with PressroomClient(runtime.base_url, lambda: runtime.token("alice")) as client:
        project = client.create_project("Tea").id
        order = NewJob(
            kind="outline",
            items=tuple(NewItem(input={"topic": topic}) for topic in TOPICS),
            options={"concurrency": 2},
        )
        job_id = client.create_job(project, order).job.id
        events = list(client.follow_events(project, job_id))
        job = client.get_job(project, job_id)
        assert list(client.events(project, job_id)) == events
        items = list(client.items(project, job_id))

    assert job is not None
    assert [event.id for event in events] == sorted({event.id for event in events})
    _check_job(events, job)
    _check_items(events, {item.position: (item.status, len(item.attempts)) for item in items})
    # Every write of the ledger, and none of the timeline's own rows, came by the stream.
    version = job.version
    eventually(lambda: told_by(runtime) == version)


def _check_job(events: Sequence[Event], job: Job) -> None:
    of_job = [event for event in events if event.type.startswith("job.")]
    assert chain(of_job) == [
        ("job.created", None, "queued", None, "5 items"),
        ("job.started", "queued", "processing", None, None),
        ("job.finalized", "processing", "partially_failed", None, "4 completed, 1 failed, 0 cancelled"),
        ("job.notified", None, None, None, None),
    ]
    assert [event.actor for event in of_job] == ["user:alice", "processor", "finalizer", "finalizer"]
    assert [event.time for event in of_job[:3]] == [job.created_at, job.started_at, job.completed_at]
    settled = Counter(event.after for event in events if event.type == "item.settled")
    assert settled == {"completed": job.counts.completed, "failed": job.counts.failed}
    assert {event.generation for event in events} == {1}


def _check_items(events: Sequence[Event], items: dict[int, tuple[str, int]]) -> None:
    of_items: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.position is not None:
            of_items[event.position].append(event)
    assert of_items.keys() == items.keys()
    for position, told in of_items.items():
        status, attempts = items[position]
        assert told[0].before == "queued"
        assert all(earlier.after == later.before for earlier, later in pairwise(told))
        assert (told[-1].after, told[-1].attempt) == (status, attempts)
        assert {(event.actor, event.lane) for event in told} == {("processor", (position - 1) % 2)}
    started = ("item.started", "queued", "processing")
    assert chain(of_items[2]) == [
        (*started, 1, None),
        ("item.settled", "processing", "failed", 1, "refused"),
    ]
    assert chain(of_items[4]) == [
        (*started, 1, None),
        ("item.put_back", "processing", "queued", 1, "overloaded"),
        (*started, 2, None),
        ("item.settled", "processing", "completed", 2, None),
    ]
