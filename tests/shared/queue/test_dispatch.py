from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.contracts.messages import LaneMessage
from shared.errors import QueueUnavailableError, TransitionRefusedError
from shared.jobs import transitions
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Lane, Ledger
from shared.jobs.statuses import Drive, JobStatus
from shared.queue.dispatch import HEAD, MAX_AHEAD, WorkQueue, end_of_round, message_for, messages_ahead, slots_ahead
from tests.support.ledgers import JOB_ID, PROJECT_ID, make_ledger

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from tests.support.resources import QueueHandle


@dataclass
class FakeQueue:
    """Keeps what was sent; swallows a repeated deduplication id as FIFO does; fails as scripted."""

    failures: list[list[str] | Exception] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    kept: list[tuple[str, int]] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "url"
        assert len({entry["Id"] for entry in Entries}) == len(Entries) <= 10
        self.calls.append(len(Entries))
        failed = self.failures.pop(0) if self.failures else []
        if isinstance(failed, Exception):
            raise failed
        for entry in Entries:
            if entry["Id"] not in failed:
                self.sent.setdefault(entry["MessageDeduplicationId"], entry)
        return {"Failed": [{"Id": name} for name in failed]} if failed else {}

    def send_message(self, **request: Any) -> None:
        self.sent[request["MessageDeduplicationId"]] = request

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        assert QueueUrl == "url"
        self.kept.append((ReceiptHandle, VisibilityTimeout))

    @property
    def lanes(self) -> Counter[int]:
        return Counter(json.loads(entry["MessageBody"])["lane"] for entry in self.sent.values())


@dataclass
class Job:
    """A ledger whose cursor moves as the store would move it."""

    ledger: Ledger
    cursors: list[int] = field(default_factory=list)

    def move(self, seen: Ledger, cursor: int) -> Ledger:
        self.ledger = transitions.dispatched(
            self.ledger, epoch=seen.epoch, round_=seen.round, old=seen.cursor, new=cursor, actor="api"
        )
        self.cursors.append(cursor)
        return self.ledger


@pytest.fixture
def fake() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def queue(fake: FakeQueue) -> WorkQueue:
    return WorkQueue(cast("SQSClient", fake), "url")


def new_job(items: int, lanes: int, **changes: Any) -> Job:
    return Job(make_ledger(*first_generation_lanes(items, lanes), **changes))


def dispatch(queue: WorkQueue, job: Job) -> Ledger:
    return queue.dispatch(job.ledger, timeout_seconds=120, move_cursor=job.move)


def test_one_message_is_sent_for_each_item_in_batches_of_ten(queue: WorkQueue, fake: FakeQueue) -> None:
    job = new_job(25, 4)

    ledger = dispatch(queue, job)

    assert fake.lanes == {0: 7, 1: 6, 2: 6, 3: 6}
    assert fake.calls == [10, 10, 5]
    assert ledger == job.ledger
    assert ledger.cursor == end_of_round(ledger) == 28


def test_message_says_which_lane_to_advance_and_nothing_else(queue: WorkQueue, fake: FakeQueue) -> None:
    dispatch(queue, new_job(2, 2, epoch=3, round=5, est_microusd=40, headroom_microusd=100))

    (first, second) = fake.sent.values()
    assert LaneMessage.from_json(first["MessageBody"]) == LaneMessage(
        project=PROJECT_ID, job=JOB_ID, lane=0, epoch=3, timeout_seconds=120, est=40
    )
    assert (first["MessageGroupId"], second["MessageGroupId"]) == (f"{JOB_ID}:0", f"{JOB_ID}:1")
    assert list(fake.sent) == [f"{JOB_ID}:3:5:0:0", f"{JOB_ID}:3:5:1:0"]


def test_only_what_is_left_is_sent_when_a_round_begins_anew(queue: WorkQueue, fake: FakeQueue) -> None:
    job = Job(make_ledger(Lane(2, 5), Lane(4, 4), Lane(0, 0), Lane(0, 1), status=JobStatus.PROCESSING))

    dispatch(queue, job)

    assert fake.lanes == {0: 3, 3: 1}


def test_round_is_continued_where_a_crash_cut_it_short(queue: WorkQueue, fake: FakeQueue) -> None:
    job = new_job(10, 2, cursor=6)

    dispatch(queue, job)

    assert list(fake.sent) == [f"{JOB_ID}:0:0:{lane}:{index}" for index in (3, 4) for lane in (0, 1)]


def test_repeated_round_adds_nothing_when_the_crash_was_before_the_cursor_moved(
    queue: WorkQueue, fake: FakeQueue
) -> None:
    job = new_job(10, 2)
    before = job.ledger
    dispatch(queue, job)

    dispatch(queue, Job(before))

    assert len(fake.sent) == 10


def test_no_more_than_the_searchable_depth_lies_ahead_of_what_is_settled(queue: WorkQueue, fake: FakeQueue) -> None:
    job = new_job(5_000, 4)

    dispatch(queue, job)
    first = len(fake.sent)
    job.ledger = job.ledger.evolve(lanes=tuple(lane.evolve(next=250) for lane in job.ledger.lanes))
    dispatch(queue, job)

    assert (first, len(fake.sent)) == (MAX_AHEAD, MAX_AHEAD + 1_000)
    assert slots_ahead(job.ledger) == job.ledger.cursor == 3_000
    assert job.cursors == [500, 1_000, 1_500, 2_000, 2_500, 3_000]


def test_slow_dispatcher_stops_when_a_later_round_has_begun(queue: WorkQueue, fake: FakeQueue) -> None:
    job = new_job(2_000, 1)
    seen = job.ledger
    job.ledger = seen.evolve(round=1, epoch=1)

    ledger = queue.dispatch(seen, timeout_seconds=120, move_cursor=job.move)

    assert ledger == seen
    assert len(fake.sent) == 500
    assert job.ledger.cursor == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"drive": Drive.CLIENT},
        {"status": JobStatus.PAUSED},
        {"status": JobStatus.CANCELLING},
        {"status": JobStatus.COMPLETED},
        {"status": JobStatus.INTAKE},
        {"cursor": 10},
    ],
    ids=str,
)
def test_nothing_is_sent_when_nothing_is_to_be_driven(
    queue: WorkQueue, fake: FakeQueue, changes: dict[str, Any]
) -> None:
    job = new_job(10, 2, **changes)

    assert dispatch(queue, job) == job.ledger

    assert (fake.sent, job.cursors) == ({}, [])


def test_refused_messages_are_sent_again(queue: WorkQueue, fake: FakeQueue) -> None:
    fake.failures = [["1", "3"], ["3"]]

    dispatch(queue, new_job(5, 1))

    assert fake.calls == [5, 2, 1]
    assert len(fake.sent) == 5


def test_cursor_stays_when_messages_stay_refused(queue: WorkQueue, fake: FakeQueue) -> None:
    fake.failures = [["1"], ["1"], ["1"]]
    job = new_job(5, 1)

    with pytest.raises(QueueUnavailableError, match="three times"):
        dispatch(queue, job)

    assert job.cursors == []


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="x"),
        ClientError(cast("Any", {"Error": {"Code": "Throttled", "Message": "no"}}), "SendMessageBatch"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_queue_are_ours_when_it_does_not_answer(
    queue: WorkQueue, fake: FakeQueue, error: Exception
) -> None:
    fake.failures = [error]

    with pytest.raises(QueueUnavailableError):
        dispatch(queue, new_job(5, 1))


def test_other_errors_of_the_cursor_are_not_swallowed(queue: WorkQueue) -> None:
    def broken(_: Ledger, __: int) -> Ledger:
        raise KeyError

    with pytest.raises(KeyError):
        queue.dispatch(make_ledger(), timeout_seconds=120, move_cursor=broken)


def test_refusal_by_the_rule_itself_ends_the_dispatch_quietly(queue: WorkQueue) -> None:
    def refused(_: Ledger, __: int) -> Ledger:
        raise TransitionRefusedError("dispatched", "another dispatcher was faster")

    ledger = make_ledger()

    assert queue.dispatch(ledger, timeout_seconds=120, move_cursor=refused) == ledger


def test_replacement_is_no_repeat_of_what_it_replaces(queue: WorkQueue, fake: FakeQueue) -> None:
    job = new_job(1, 1)
    dispatch(queue, job)
    message = message_for(job.ledger, 0, timeout_seconds=120)

    queue.replace(message, nonce="fresh")

    first, second = fake.sent.values()
    assert first["MessageBody"] == second["MessageBody"]
    assert first["MessageGroupId"] == second["MessageGroupId"]
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


@pytest.mark.parametrize(
    ("seconds", "whole"), [(0, 0), (-5, 0), (0.001, 1), (1, 1), (1.2, 2), (43_200, 43_200), (99_999, 43_200)]
)
def test_message_is_kept_for_whole_seconds_within_what_sqs_allows(
    queue: WorkQueue, fake: FakeQueue, seconds: float, whole: int
) -> None:
    queue.keep("receipt", seconds=seconds)

    assert fake.kept == [("receipt", whole)]


@pytest.mark.parametrize("budget", [None, 500])
def test_message_carries_an_estimate_only_when_the_job_has_a_budget(budget: int | None) -> None:
    ledger = make_ledger(est_microusd=40, headroom_microusd=budget)

    message = message_for(ledger, 1, timeout_seconds=30, index=4)

    assert (message.est, message.next, message.timeout_seconds) == (budget and 40, 4, 30)


def test_lanes_are_strictly_sequential_and_side_by_side_on_a_real_queue(work_queue: QueueHandle) -> None:
    job = new_job(6, 2)
    queue = WorkQueue(work_queue.client, work_queue.url)
    dispatch(queue, job)
    dispatch(queue, Job(job.ledger.evolve(cursor=0)))  # a repeat within five minutes is swallowed

    def receive() -> LaneMessage | None:
        found = work_queue.client.receive_message(QueueUrl=work_queue.url, MaxNumberOfMessages=1, WaitTimeSeconds=0)
        messages = found.get("Messages", [])
        return LaneMessage.from_json(messages[0]["Body"]) if messages else None

    taken = [receive(), receive(), receive()]

    assert {message.lane for message in taken if message} == {0, 1}
    assert taken[2] is None
    counted = work_queue.client.get_queue_attributes(QueueUrl=work_queue.url, AttributeNames=["All"])["Attributes"]
    assert int(counted["ApproximateNumberOfMessages"]) + int(counted["ApproximateNumberOfMessagesNotVisible"]) == 6


@pytest.mark.parametrize(("items", "settled"), [(10, 0), (1_000, 0), (1_000, 940)])
def test_a_head_is_one_batch_and_one_move_of_the_cursor_at_any_size(
    queue: WorkQueue, fake: FakeQueue, items: int, settled: int
) -> None:
    lanes = tuple(lane.evolve(next=settled // 4) for lane in first_generation_lanes(items, 4))
    job = Job(make_ledger(*lanes, status=JobStatus.PROCESSING))

    ledger = queue.dispatch(job.ledger, timeout_seconds=120, move_cursor=job.move, most=HEAD)

    assert fake.calls == [10]
    assert fake.lanes == {0: 3, 1: 3, 2: 2, 3: 2}
    assert job.cursors == [ledger.cursor] == [settled + 10]
    assert [messages_ahead(ledger, lane) for lane in range(4)] == [3, 3, 2, 2]


def test_a_head_and_what_follows_are_the_whole_round(queue: WorkQueue, fake: FakeQueue) -> None:
    job = Job(make_ledger(Lane(2, 9), Lane(0, 1), Lane(3, 9), status=JobStatus.PROCESSING))

    while job.ledger.cursor < end_of_round(job.ledger):
        queue.dispatch(job.ledger, timeout_seconds=120, move_cursor=job.move, most=3)

    assert fake.lanes == {0: 7, 1: 1, 2: 6}
    assert max(fake.calls) == 3
    assert len(fake.sent) == sum(fake.calls)


def test_nothing_is_sent_when_nothing_is_left(queue: WorkQueue, fake: FakeQueue) -> None:
    job = Job(make_ledger(Lane(4, 4), status=JobStatus.PROCESSING))

    queue.dispatch(job.ledger, timeout_seconds=120, move_cursor=job.move, most=HEAD)

    assert (fake.calls, job.cursors) == ([], [])


@pytest.mark.parametrize(("cursor", "ahead"), [(0, [0, 0]), (1, [0, 0]), (4, [1, 0]), (5, [2, 0]), (99, [4, 1])])
def test_messages_ahead_are_those_of_items_that_are_left(cursor: int, ahead: list[int]) -> None:
    ledger = make_ledger(Lane(1, 5), Lane(2, 3), cursor=cursor)

    assert [messages_ahead(ledger, lane) for lane in (0, 1)] == ahead
