"""A process dies before each of its calls, or loses the answer of each, in every flow. Then time passes, messages come
back, and the job still ends as if nothing had happened: one outcome an item, the same ledger, no second call to Claude
once an outcome was recorded.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import BotoCoreError, ReadTimeoutError

from functions.processor.process import Delivery
from shared.contracts.messages import LaneMessage
from shared.errors import ErrorCode, PressroomError, item_error
from shared.jobs.lanes import deal
from shared.jobs.statuses import RUNNING, CancelReason, ItemStatus, JobStatus, OnError, PauseReason
from shared.queue.dispatch import WorkQueue
from shared.store.dynamodb import DynamoTable
from tests.support.clock import ManualClock
from tests.support.fake_sqs import FakeSqs
from tests.support.invariants import History, Snapshot, check
from tests.support.resources import fresh_table
from tests.support.workshop import FakeTopic, ScriptedClaude, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient

    from shared.generation.client import Generation
    from shared.generation.prompts import Prompt
    from shared.jobs.ledger import Ledger
    from tests.support.emulator import Emulator
    from tests.support.resources import TableHandle

EST = 10_000
ROUNDS = 40
PATIENCE_SECONDS = 700.0
"""Longer than any lease, back-off or visibility of these jobs."""
ACCOUNT, PERMANENT, TRANSIENT = ErrorCode.BILLING, ErrorCode.REFUSED, ErrorCode.OVERLOADED


class CrashedError(BaseException):
    """The process died: nothing of it runs any more, no handler of errors either."""


@dataclass
class Fuse:
    """Counts the calls of a process and breaks it at one of them."""

    dies_before: int | str | None = None
    """The number of a call, or its name."""
    loses_answer_of: int | None = None
    calls: list[str] = field(default_factory=list)

    def before(self, name: str) -> None:
        self.calls.append(name)
        if self.dies_before in {len(self.calls), name}:
            raise CrashedError

    def after(self) -> None:
        if len(self.calls) == self.loses_answer_of:
            self.loses_answer_of = None
            raise ReadTimeoutError(endpoint_url="http://aws")


@dataclass
class Fused:
    """A client whose every call goes through the fuse."""

    client: object
    shop: Shop

    def __getattr__(self, name: str) -> Callable[..., object]:
        call = getattr(self.client, name)

        def fused(**request: object) -> object:
            fuse = self.shop.fuse
            fuse.before(name)
            answer = call(**request)
            fuse.after()
            return answer

        return fused


@dataclass
class FusedClaude(ScriptedClaude):
    """Claude behind the fuse. An answer that is lost on the way was paid for."""

    shop: Shop | None = None

    def generate(self, prompt: Prompt, **call: Any) -> Generation:
        assert self.shop is not None
        fuse = self.shop.fuse
        fuse.before("generate")
        written = super().generate(prompt, **call)
        try:
            fuse.after()
        except ReadTimeoutError:
            raise item_error(ErrorCode.NETWORK, "the answer was lost") from None
        return written


@dataclass
class FusedTopic(FakeTopic):
    """The topic behind the fuse."""

    shop: Shop | None = None

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        assert self.shop is not None
        self.shop.fuse.before("publish")
        super().publish(body, attributes)
        self.shop.fuse.after()


@dataclass
class Shop:
    """One job's engine over the emulator, on a clock that the test moves, behind a fuse."""

    handle: TableHandle
    fuse: Fuse = field(default_factory=Fuse)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.sqs = FakeSqs(self.clock)
        self.claude = FusedClaude(shop=self)
        self.topic = FusedTopic(shop=self)
        self.engine = Workshop(
            DynamoTable(cast("DynamoDBClient", Fused(self.handle.client, self)), self.handle.name, self.clock),
            WorkQueue(cast("SQSClient", Fused(self.sqs, self)), "url"),
            clock=self.clock,
            claude=self.claude,
            topic=self.topic,
        )

    # ------------------------------------------------------------------------------------------ the functions' runs

    def consume(self) -> None:
        """One invocation of the processor with the next message, if there is one, as Lambda makes it."""
        received = self.sqs.receive()
        if received is None:
            return
        message = LaneMessage.from_json(received.body)
        delivery = Delivery(received.receipt, received.message_id, received.receive_count)
        processor = self.engine.processor()
        disposition = processor.advance(
            message, delivery=delivery, trace_id="trace", seconds_left=lambda: self.engine.seconds_left
        )
        if processor.finish(message, delivery, disposition):
            self.fuse.before("acknowledge")
            self.sqs.delete(received)

    def close(self, job: Ledger) -> None:
        """One invocation of the finalizer, with the image that the stream carries."""
        self.engine.finalizer().close(job)

    # ------------------------------------------------------------------------------------------ the others

    def drive(self, job: Ledger) -> Ledger:
        """Nothing fails any more and time passes: everybody does what they must, until the job ends and is told."""
        self.fuse = Fuse()
        for _ in range(ROUNDS):
            ledger = self.engine.ledger(job)
            if ledger.final and ledger.notified_generation == ledger.generation:
                return ledger
            self.clock.advance(PATIENCE_SECONDS)
            self._round(ledger)
        raise AssertionError(f"the job did not end: {self.engine.ledger(job)}")

    def _round(self, ledger: Ledger) -> None:
        now = self.clock.now()
        if ledger.final or ledger.open == 0:
            self.close(ledger)
        elif ledger.status is JobStatus.PAUSED:
            self.engine.dispatch(self.engine.ledgers.resume(ledger, actor="user:test"))
        elif ledger.status is JobStatus.CANCELLING:
            for number, lane in enumerate(ledger.lanes):
                if lane.lease is not None and lane.lease.expired(now):
                    self.engine.ledgers.close(ledger, lane=number, now=now, actor="sweeper")
        elif ledger.status in RUNNING:
            self.engine.dispatch(ledger)
        for _ in range(len(self.sqs.messages)):
            self.consume()

    def snapshot(self, job: Ledger) -> Snapshot:
        ledger = self.engine.ledger(job)
        outcomes = {row.position: row.outcome for row in self.engine.all_items(ledger) if row.outcome is not None}
        lists: list[list[int]] = [[] for _ in ledger.lanes]
        for position, place in sorted(self.engine.items.work(ledger).items(), key=lambda entry: entry[1].index):
            lists[place.lane].append(position)
        return Snapshot(ledger, outcomes, tuple(map(tuple, lists)))


@dataclass(frozen=True)
class Flow:
    """A run of one function: how the job comes to it, the run, and how the job ends.

    ``calls`` are made by the run, in this order, when nothing fails; others may stand between them.
    """

    name: str
    run: Callable[[Shop, Ledger], None]
    calls: tuple[str, ...]
    ends: tuple[ItemStatus, ...]
    prepare: Callable[[Shop, Ledger], object] = lambda shop, job: shop.engine.dispatch(job)
    options: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[ErrorCode, ...] = ()
    status: JobStatus = JobStatus.COMPLETED
    may_end: tuple[ItemStatus, ...] | None = None
    """How the items may end instead, where the fault itself is an attempt."""


def consume(shop: Shop, _: Ledger) -> None:
    shop.consume()


def dispatch(shop: Shop, job: Ledger) -> None:
    shop.engine.dispatch(shop.engine.ledger(job))


def finalize(shop: Shop, job: Ledger) -> None:
    shop.close(shop.engine.ledger(job))


def left_by_a_dead_worker(shop: Shop, job: Ledger) -> None:
    shop.engine.dispatch(job)
    shop.fuse = Fuse(dies_before="generate")
    with pytest.raises(CrashedError):
        shop.consume()
    shop.fuse = Fuse()
    shop.clock.advance(PATIENCE_SECONDS)


def all_settled(shop: Shop, job: Ledger) -> None:
    shop.engine.dispatch(job)
    while shop.sqs.messages:
        shop.consume()


def failed_and_retried(shop: Shop, job: Ledger) -> None:
    shop.claude.errors[1] = [item_error(PERMANENT, "no")]
    all_settled(shop, job)
    shop.close(shop.engine.ledger(job))
    ledger = shop.engine.ledger(job)
    shop.engine.ledgers.retry(
        ledger,
        work=deal([1], 1),
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="",
        now=shop.clock.now(),
        check_at=shop.clock.now() + timedelta(seconds=60),
        actor="user:test",
    )
    shop.engine.dispatch(shop.engine.ledger(job))


def received_too_often(shop: Shop, job: Ledger) -> None:
    shop.engine.dispatch(job)
    shop.engine.ledgers.claim(
        job.project_id,
        job.job_id,
        lane=0,
        lease=shop.engine.processor().settler.claimer._lease(shop.engine.message(job), est_microusd=0),
        budgeted=False,
        now=shop.clock.now(),
        actor="another",
    )
    shop.sqs.messages[0].receive_count = 7


def during_the_call(what: str) -> Callable[[Shop, Ledger], None]:
    """Somebody stops the job while Claude writes."""

    def prepare(shop: Shop, job: Ledger) -> None:
        def stop(_: str) -> None:
            fuse, shop.fuse = shop.fuse, Fuse()
            ledger = shop.engine.ledger(job)
            if ledger.status is JobStatus.PROCESSING and ledger.epoch == 0:
                if what == "cancel":
                    shop.engine.ledgers.cancel(ledger, reason=CancelReason.USER, actor="user:test")
                else:
                    paused = shop.engine.ledgers.pause(ledger, reason=PauseReason.USER, actor="user:test")
                    if what == "resume":
                        shop.engine.ledgers.resume(paused, actor="user:test")
            shop.fuse = fuse

        shop.claude.during = stop
        shop.engine.dispatch(job)

    return prepare


DONE, LOST, CUT = ItemStatus.COMPLETED, ItemStatus.FAILED, ItemStatus.CANCELLED
CLAIM = ("update_item", "change_message_visibility", "batch_get_item")
SETTLE = ("transact_write_items", "acknowledge")
FLOWS = (
    Flow("an item completes", consume, (*CLAIM, "generate", *SETTLE), (DONE, DONE)),
    Flow(
        "an item completes within a budget",
        consume,
        (*CLAIM, "generate", *SETTLE),
        (DONE, DONE),
        options={"budget_microusd": 10 * EST, "est_microusd": EST},
    ),
    Flow(
        "an item fails",
        consume,
        (*CLAIM, "generate", *SETTLE),
        (LOST, DONE),
        errors=(PERMANENT,),
        status=JobStatus.PARTIALLY_FAILED,
        may_end=(DONE, DONE),
    ),
    Flow(
        "an item fails and stops the job",
        consume,
        (*CLAIM, "generate", "transact_write_items", "update_item", "acknowledge"),
        (LOST, CUT),
        options={"on_error": OnError.STOP},
        errors=(PERMANENT,),
        status=JobStatus.CANCELLED,
        may_end=(DONE, DONE),
    ),
    Flow(
        "an item fails and pauses the job",
        consume,
        (*CLAIM, "generate", "transact_write_items", "update_item", "acknowledge"),
        (LOST, DONE),
        options={"on_error": OnError.PAUSE},
        errors=(PERMANENT,),
        status=JobStatus.PARTIALLY_FAILED,
        may_end=(DONE, DONE),
    ),
    Flow(
        "an item is put back",
        consume,
        (*CLAIM, "generate", "transact_write_items", "change_message_visibility"),
        (DONE, DONE),
        errors=(TRANSIENT,),
    ),
    Flow(
        "an account error pauses the job",
        consume,
        (*CLAIM, "generate", "update_item", "acknowledge"),
        (DONE, DONE),
        errors=(ACCOUNT,),
    ),
    Flow(
        "an account error of before a resume",
        consume,
        (*CLAIM, "generate", "update_item", "update_item", "change_message_visibility"),
        (DONE, DONE),
        prepare=during_the_call("resume"),
        errors=(ACCOUNT,),
    ),
    Flow(
        "a transient error in a paused job",
        consume,
        (*CLAIM, "generate", "transact_write_items", "change_message_visibility"),
        (DONE, DONE),
        prepare=during_the_call("pause"),
        errors=(TRANSIENT,),
    ),
    Flow(
        "an item completes in a cancelled job",
        consume,
        (*CLAIM, "generate", *SETTLE),
        (DONE, CUT),
        prepare=during_the_call("cancel"),
        status=JobStatus.CANCELLED,
        may_end=(CUT, CUT),
    ),
    Flow(
        "a transient error in a cancelled job",
        consume,
        (*CLAIM, "generate", "transact_write_items", "update_item", "acknowledge"),
        (CUT, CUT),
        prepare=during_the_call("cancel"),
        errors=(TRANSIENT,),
        status=JobStatus.CANCELLED,
    ),
    Flow(
        "a lane is taken over",
        consume,
        ("update_item", "get_item", "update_item", *CLAIM[1:], "generate", *SETTLE),
        (DONE, DONE),
        prepare=left_by_a_dead_worker,
    ),
    Flow(
        "a lane is taken over from its last attempt",
        consume,
        ("update_item", "get_item", "update_item", *CLAIM[1:], *SETTLE),
        (LOST, DONE),
        prepare=left_by_a_dead_worker,
        options={"max_attempts": 1},
        status=JobStatus.PARTIALLY_FAILED,
    ),
    Flow(
        "an item of a retry completes",
        consume,
        (*CLAIM[:2], "get_item", *CLAIM[2:], "generate", *SETTLE),
        (DONE, DONE),
        prepare=failed_and_retried,
    ),
    Flow(
        "a message is replaced before it counts as dead",
        consume,
        ("update_item", "send_message", "acknowledge"),
        (DONE, DONE),
        prepare=received_too_often,
    ),
    Flow(
        "a job is dispatched",
        dispatch,
        ("get_item", "send_message_batch", "update_item"),
        (DONE, DONE),
        prepare=lambda _, __: None,
    ),
    Flow(
        "a job is closed",
        finalize,
        ("get_item", "update_item", "get_item", "publish", "update_item"),
        (DONE, DONE),
        prepare=all_settled,
    ),
)


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Iterator[DynamoDBClient]:
    client = emulator.client("dynamodb")
    yield client
    client.close()


@pytest.fixture
def handle(client: DynamoDBClient) -> Iterator[TableHandle]:
    """A table of the case's own: what its jobs learn about Claude is no other's business."""
    with fresh_table(client) as table:
        yield table


def prepared(handle: TableHandle, flow: Flow) -> tuple[Shop, Ledger]:
    shop = Shop(handle)
    job = shop.engine.job(2, **flow.options)
    flow.prepare(shop, job)
    shop.claude.errors[1] += [item_error(code, "no") for code in flow.errors]
    shop.fuse = Fuse()
    return shop, job


def verify(shop: Shop, flow: Flow, job: Ledger, *, twice: bool) -> None:
    """The job ends as it must from here. ``twice`` allows one more call an item: one may have been lost."""
    shop.fuse = Fuse()
    recorded = {
        f"{job.job_id}:{outcome.generation}:{position}" for position, outcome in shop.snapshot(job).outcomes.items()
    }
    before = Counter(shop.claude.calls)

    ledger = shop.drive(job)

    rows = shop.engine.all_items(ledger)
    lost = sum(attempt.possible_duplicate_spend for row in rows for attempt in row.attempts)
    budget: int | None = flow.options.get("budget_microusd")
    check(shop.snapshot(job), History(max_attempts=3, budget_microusd=budget, lost_microusd=lost * EST))
    ended = tuple(shop.engine.statuses(ledger))
    assert ended in {flow.ends, flow.may_end or flow.ends}
    assert ledger.status is flow.status or ended != flow.ends
    assert sum(tally.count for tally in ledger.error_summary) == ended.count(LOST)
    calls = Counter(shop.claude.calls)
    assert {key: calls[key] for key in recorded} == {key: before[key] for key in recorded}
    assert max(calls.values(), default=0) <= len(flow.errors) + 1 + twice
    told = {body["id"] for body, _ in shop.topic.published}
    assert told == {f"{job.job_id}:{generation}" for generation in range(1, ledger.generation + 1)}
    assert (shop.sqs.messages, shop.sqs.dead) == ([], [])


def broken(handle: TableHandle, flow: Flow, fuse: Fuse) -> None:
    """The run with a fault in it; what every reader sees then adds up, and the job ends."""
    shop, job = prepared(handle, flow)
    shop.fuse = fuse
    with suppress(CrashedError, PressroomError, BotoCoreError):  # the runtime, or the caller, tries again
        flow.run(shop, job)
    shop.fuse = Fuse()
    check(shop.snapshot(job), History(max_attempts=3))
    verify(shop, flow, job, twice="generate" in fuse.calls)


SPARE_POINTS = 2
"""The matrix is that much longer than the calls named, so that it stays whole when a run makes a few more."""
CASES = [
    pytest.param(flow, number, id=f"{flow.name}, call {number}")
    for flow in FLOWS
    for number in range(1, len(flow.calls) + SPARE_POINTS + 1)
]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_flow_makes_these_calls_and_the_job_ends_when_nothing_fails(handle: TableHandle, flow: Flow) -> None:
    shop, job = prepared(handle, flow)

    flow.run(shop, job)

    made = iter(shop.fuse.calls)
    assert [call for call in flow.calls if call not in made] == []
    assert len(shop.fuse.calls) <= len(flow.calls) + SPARE_POINTS
    verify(shop, flow, job, twice=False)


@pytest.mark.parametrize(("flow", "number"), CASES)
@pytest.mark.acceptance(22)
@pytest.mark.acceptance(24)
@pytest.mark.acceptance(30)
@pytest.mark.acceptance(31)
def test_job_ends_as_it_must_when_the_process_died_before(handle: TableHandle, flow: Flow, number: int) -> None:
    broken(handle, flow, Fuse(dies_before=number))


@pytest.mark.parametrize(("flow", "number"), CASES)
@pytest.mark.acceptance(31)
def test_job_ends_as_it_must_when_the_answer_was_lost_of(handle: TableHandle, flow: Flow, number: int) -> None:
    broken(handle, flow, Fuse(loses_answer_of=number))
