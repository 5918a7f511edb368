"""How a job comes to the run of a function whose calls of AWS are then made to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from functions.processor.secret_key import KeyedClaude, SecretKey
from shared.errors import ErrorCode, item_error
from shared.jobs.brake import Refusal, after_refusal
from shared.jobs.statuses import CancelReason, JobStatus, PauseReason
from shared.store.brake import BrakeStore
from shared.store.keys import idempotency_key, load_key, spec_key
from shared.store.ledgers import LedgerStore
from shared.turns.claiming import Held
from tests.support.aws_faults import Fault
from tests.support.fault_plans import FromThenOn
from tests.support.front_desk import body_of
from tests.support.stream_records import record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant
    from tests.support.workshop import ScriptedClaude

__all__: list[str] = []

LEASE_SECONDS: Final = 136
"""A lease of these jobs, and a second."""
BACK_OFF_SECONDS: Final = 30
A_DAY_LATER: Final = 26 * 3600
"""When a deleted job's marker is due for the last time."""
LARGE: Final = 150
"""Items of a job that is taken in by chunks: one more transaction than the first."""
KEY: Final = {"Idempotency-Key": "key-1"}


def large() -> dict[str, object]:
    """The body of a job that no single transaction holds."""
    return body_of(LARGE, options={"concurrency": 1, "drive": "client"})


def new(plant: Plant, items: int = 2, **options: Any) -> Ledger:
    """A job whose messages stand in the queue."""
    return plant.ledger(plant.create(items, **options).json["id"])


def nothing(_: Plant) -> None:
    """The run itself creates the job."""


def fresh(plant: Plant) -> Ledger:
    return new(plant)


def lose_messages(plant: Plant) -> None:
    while received := plant.receive(plant.queue.url):
        plant.queue.client.delete_message(QueueUrl=plant.queue.url, ReceiptHandle=received[1].receipt)


def driven_by_client(plant: Plant) -> Ledger:
    return new(plant, drive="client")


def undispatched(plant: Plant) -> Ledger:
    """A job whose creator died before it filled the queue."""
    plant.aws.plan = FromThenOn("sqs.SendMessageBatch", 1, Fault.SERVER_ERROR)
    job = new(plant)
    plant.aws.reset()
    plant.clock.advance(61)
    return job


def failing(*codes: ErrorCode, **options: Any) -> Callable[[Plant], Ledger]:
    """A job whose first item meets these errors."""

    def prepare(plant: Plant) -> Ledger:
        job = new(plant, **options)
        plant.claude.errors[1] += [item_error(code, "no") for code in codes]
        return job

    return prepare


def halted(on_error: str) -> Callable[[Plant], Ledger]:
    """A job whose first item failed, by a worker that died before it did what that demands of the job."""

    def prepare(plant: Plant) -> Ledger:
        job = failing(ErrorCode.REFUSED, ErrorCode.REFUSED, on_error=on_error)(plant)
        plant.aws.plan = FromThenOn("dynamodb.UpdateItem", 2, Fault.SERVER_ERROR)
        plant.advance(job)
        plant.aws.reset()
        assert plant.ledger(job).halted
        plant.claude.errors.clear()
        plant.clock.advance(61)
        return job

    return prepare


def out_of_budget(plant: Plant) -> Ledger:
    """A job whose budget does not cover another item."""
    asked = plant.once("POST", plant.jobs, body_of(1), query={"dry_run": "true"})
    job = new(plant, budget_usd=asked.json["estimate"]["cost_usd"])
    plant.consume()
    return job


def paused_for_its_budget(plant: Plant) -> Ledger:
    job = out_of_budget(plant)
    plant.consume()
    assert plant.ledger(job).pause_reason is PauseReason.BUDGET_EXHAUSTED
    return job


def with_many_starts(plant: Plant) -> None:
    """Alice has begun as many jobs as an hour allows, but long ago."""
    caps = plant.services().admissions.default.caps
    starts = [int(plant.clock.now().timestamp() * 1000) - 2 * 3600 * 1000] * caps.jobs_per_hour
    plant.direct.put_many([{**load_key("alice", plant.project), "unfinished": 0, "starts": starts}])


def refused_beside_another(plant: Plant) -> Ledger:
    """Claude refuses two calls that began at once: the other is told sooner, and to wait less."""
    job = new(plant)
    plant.claude.errors[1].append(item_error(ErrorCode.RATE_LIMITED, "slow down", retry_after_seconds=300))

    def refuse(_: str) -> None:
        brakes = BrakeStore(plant.direct, plant.direct)
        if brakes.read() is None:
            brakes.replace(None, after_refusal(None, Refusal(overloaded=False, wait_seconds=2), plant.clock.now()))

    plant.claude.during = refuse
    return job


def refused_for_the_rate(plant: Plant) -> Ledger:
    job = new(plant)
    plant.claude.errors[1].append(item_error(ErrorCode.RATE_LIMITED, "slow down", retry_after_seconds=2))
    return job


def braked(plant: Plant) -> Ledger:
    job = refused_for_the_rate(plant)
    received = plant.receive(plant.queue.url)
    assert received is not None
    plant.process(*received)
    plant.clock.advance(BACK_OFF_SECONDS)
    # The queue runs by its own clock: the back-off is over.
    plant.queue.client.change_message_visibility(
        QueueUrl=plant.queue.url, ReceiptHandle=received[1].receipt, VisibilityTimeout=0
    )
    return job


def left_by_a_dead_worker(plant: Plant, **options: Any) -> Ledger:
    job = new(plant, **options)
    held = plant.engine.processor().settler.claimer.acquire(plant.engine.message(job))
    assert isinstance(held, Held)
    plant.clock.advance(LEASE_SECONDS)
    return job


def on_its_last_attempt(plant: Plant) -> Ledger:
    return left_by_a_dead_worker(plant, max_attempts=1)


def running_low(plant: Plant) -> Ledger:
    """A job whose round was begun with one batch of messages."""
    job = new(plant, 13)
    lose_messages(plant)
    plant.ask("POST", f"{plant.path(job)}/pause")
    plant.ask("POST", f"{plant.path(job)}/resume")
    for _ in range(7):
        plant.consume()
    return job


def paused(plant: Plant) -> Ledger:
    job = new(plant)
    plant.ask("POST", f"{plant.path(job)}/pause")
    return job


def failed(plant: Plant) -> Ledger:
    """A job that has ended with a failed item, and is told of."""
    job = failing(ErrorCode.REFUSED)(plant)
    settled(plant, job)
    plant.close(plant.ledger(job))
    plant.clock.advance(60)
    return job


def retried(plant: Plant) -> Ledger:
    job = failed(plant)
    plant.ask("POST", f"{plant.path(job)}/retry")
    return job


def settled(plant: Plant, job: Ledger) -> Ledger:
    for _ in range(job.total):
        plant.consume()
    return job


def all_settled(plant: Plant) -> Ledger:
    return settled(plant, new(plant))


def of_before_bookings(plant: Plant) -> Ledger:
    """The same of a job that took nothing of what is limited: it was created before that was counted."""
    job = plant.engine.job(2, concurrency=1)
    plant.engine.dispatch(job)
    return settled(plant, job)


def without_a_spec(plant: Plant) -> Ledger:
    """A job of which somebody has mislaid a row, so that it cannot be looked at."""
    job = undispatched(plant)
    row = plant.direct.get(spec_key(job.job_id))
    assert row is not None
    plant.mislaid.append(row)
    plant.direct.delete_many([spec_key(job.job_id)])
    return job


def told(plant: Plant) -> Ledger:
    """A job that has ended, and whose end was told."""
    job = all_settled(plant)
    assert plant.close(plant.ledger(job)) == "completed, told"
    return plant.ledger(job)


def deleted(plant: Plant) -> Ledger:
    job = told(plant)
    assert plant.once("DELETE", plant.path(job)).status == 204
    return job


def erased(plant: Plant) -> Ledger:
    """A job whose rows are gone, and whose marker has waited long enough."""
    job = deleted(plant)
    plant.erase()
    plant.clock.advance(A_DAY_LATER)
    return job


def ended_untold(plant: Plant) -> Ledger:
    """A job whose finalizer died before it told."""
    job = all_settled(plant)
    plant.engine.ledgers.finalize(plant.ledger(job), now=plant.clock.now(), actor="finalizer")
    plant.clock.advance(LEASE_SECONDS)
    return job


def forgotten_by_the_finalizer(plant: Plant) -> Ledger:
    job = all_settled(plant)
    plant.clock.advance(LEASE_SECONDS)
    return job


def without_messages(plant: Plant) -> Ledger:
    """A job whose messages the queue has lost."""
    job = new(plant)
    lose_messages(plant)
    plant.clock.advance(2 * LEASE_SECONDS)
    return job


def cancelled_under_a_dead_worker(plant: Plant) -> Ledger:
    job = left_by_a_dead_worker(plant)
    plant.ask("POST", f"{plant.path(job)}/cancel")
    plant.clock.advance(LEASE_SECONDS)
    return job


def past_its_deadline(plant: Plant) -> Ledger:
    job = new(plant, deadline_minutes=5)
    plant.clock.advance(301)
    return job


def left_by_its_client(plant: Plant) -> Ledger:
    job = driven_by_client(plant)
    plant.clock.advance(2 * LEASE_SECONDS)
    return job


def unsealed(plant: Plant) -> Ledger:
    """A job whose intake was cut short after its first chunk."""
    plant.aws.plan = FromThenOn("dynamodb.TransactWriteItems", 2, Fault.SERVER_ERROR)
    answer = plant.once("POST", plant.jobs, large(), headers=KEY)
    assert answer.status == 503, answer.text
    plant.aws.reset()
    plant.clock.advance(61)
    record = plant.direct.get(idempotency_key(plant.project, "key-1"))
    assert record is not None
    return plant.ledger(record["made"])


def lettered(*, redrives: int = 0) -> Callable[[Plant], Ledger]:
    """A job whose message died, after it was sent again so often."""

    def prepare(plant: Plant) -> Ledger:
        job = without_messages(plant)
        for _ in range(redrives):
            plant.engine.redriver().handle(plant.engine.message(job), trace_id="trace")
            lose_messages(plant)
        plant.bury(job)
        return job

    return prepare


def cancelled_meanwhile(plant: Plant) -> Ledger:
    """Somebody cancels while Claude writes, and Claude takes too long in the end."""
    job = failing(ErrorCode.TIMEOUT)(plant)

    def cancel(_: str) -> None:
        seen = plant.ledger(job)
        if seen.status is JobStatus.PROCESSING:
            LedgerStore(plant.direct).cancel(seen, reason=CancelReason.USER, actor="user:test")

    plant.claude.during = cancel
    return job


def resumed_meanwhile(plant: Plant) -> Ledger:
    """The account is refused, but somebody has mended it and resumed the job before that is known."""
    job = failing(ErrorCode.BILLING)(plant)

    def resume(_: str) -> None:
        seen = plant.ledger(job)
        if seen.epoch == 0 and seen.status is JobStatus.PROCESSING:
            stopped = LedgerStore(plant.direct).pause(seen, reason=PauseReason.USER, actor="user:test")
            LedgerStore(plant.direct).resume(stopped, actor="user:test")

    plant.claude.during = resume
    return job


def without_a_key(plant: Plant) -> Ledger:
    """A process that has not asked Claude yet: it has to read the key first."""
    name = f"{plant.table.name}/anthropic-api-key"
    plant.clients.secrets.create_secret(Name=name, SecretString="sk-ant-test")
    connected = plant.engine.claude
    keyed = KeyedClaude(
        read_key=SecretKey(plant.clients.secrets, name).read,
        connect=lambda _: connected,
        clock=plant.clock,
        logger=plant.logger,
    )
    plant.engine.claude = cast("ScriptedClaude", keyed)
    return new(plant)


def slowly_written(plant: Plant) -> Ledger:
    job = new(plant)
    plant.claude.during = lambda _: plant.clock.sleep(5)
    return job


def claimed_in_a_retry(plant: Plant) -> Ledger:
    """The record of a claim in a second generation comes to the journal: it looks the item's position up."""
    job = retried(plant)
    before = plant.ledger(job)
    assert isinstance(plant.engine.processor().settler.claimer.acquire(plant.engine.message(job)), Held)
    plant.record = record_of(before, plant.ledger(job), 7)
    return job


def received_too_often(plant: Plant) -> Ledger:
    """Another holds the lane, so that the message has to wait, and it has waited often."""
    job = new(plant)
    assert isinstance(plant.engine.processor().settler.claimer.acquire(plant.engine.message(job)), Held)
    return job
