"""What every function does, as runs whose calls of AWS can be made to fail one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import ErrorCode
from shared.store.keys import WATCH_SHARDS
from tests.support import fault_stages as stages
from tests.support.fault_stages import LARGE
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant

__all__ = ["API", "FLOWS", "LISTED", "QUERY", "SWEEPER", "Flow"]

DONE: Final = MappingProxyType({"completed": 2})
ONE_FAILED: Final = MappingProxyType({"completed": 1, "failed": 1})
ONE_CUT: Final = MappingProxyType({"completed": 1, "cancelled": 1})
CUT: Final = MappingProxyType({"cancelled": 2})


@dataclass(frozen=True)
class Flow:
    """A run of one function.

    Attributes:
        name: what happens.
        prepare: how the job comes to it, without a fault; None where the run itself creates the job.
        run: the run; what its driver or caller hears.
        calls: the operations that the run asks for when nothing fails, in no order.
        hears: what is heard, also when any single call fails: the run's own repeats make up for that.
        hears_instead: what is heard where the answer of this call, by operation and number, is lost: it says no less.
        ends: how many items end how, once everybody has done what they must; empty where no job is left.
        told: the generation that ends.
        calls_an_item: how often Claude may be asked for an item without a lost worker.
        is_deleted: whether the job ends deleted: its rows go, by further runs of the eraser; the record of its
            creation's Idempotency-Key stays until its time.
        cancels: whether the job, which is too large to be worked off here, is cancelled after the run.
    """

    name: str
    prepare: Callable[[Plant], Ledger | None]
    run: Callable[[Plant, Ledger], object]
    calls: tuple[str, ...]
    hears: object
    ends: Mapping[str, int] = field(default_factory=lambda: DONE)
    told: int = 1
    calls_an_item: int = 1
    is_deleted: bool = False
    cancels: bool = False
    hears_instead: Mapping[tuple[str, int], object] = field(default_factory=lambda: MappingProxyType({}))


def consumes(plant: Plant, _: Ledger) -> object:
    """The processor, as Lambda invokes it with a message of the queue."""
    return type(plant.consume()).__name__


def asks(method: str, path: str, body: object = None) -> Callable[[Plant, Ledger], object]:
    """A request about the job; its status."""
    return lambda plant, job: plant.once(method, f"{plant.path(job)}{path}", body).status


def creates(plant: Plant, _: Ledger) -> object:
    answer = plant.once("POST", plant.jobs, body_of(2, options={"concurrency": 1}), headers={"Idempotency-Key": "two"})
    return answer.status, answer.headers.get("idempotency-replayed")


def takes_in(plant: Plant, _: Ledger) -> object:
    answer = plant.once("POST", plant.jobs, stages.large(), headers=stages.KEY)
    return answer.status, answer.json.get("counts", {}).get("total")


def reads(plant: Plant, job: Ledger) -> object:
    """Every route that only reads."""
    path = plant.path(job)
    paths = [path, f"{path}/items", f"{path}/items/1", f"{path}/results", f"{path}/events"]
    paths += [plant.jobs, f"{plant.jobs}?status=active", "/v1/projects", f"/v1/projects/{plant.project}"]
    return [plant.once("GET", found.partition("?")[0], query=_query(found)).status for found in paths]


def _query(path: str) -> dict[str, str]:
    name, _, value = path.partition("?")[2].partition("=")
    return {name: value} if name else {}


def finalizes(plant: Plant, job: Ledger) -> object:
    return plant.close(plant.ledger(job))


def sweeps(plant: Plant, _: Ledger) -> object:
    """A run of the sweeper; None where it could not even read its list, and the next run does all of it."""
    swept = plant.sweep()
    return swept and (swept.looked, swept.failed, dict(swept.repaired))


def redrives(plant: Plant, job: Ledger) -> object:
    """The dead letters' function; and how often the lane's message was then sent again."""
    received = plant.receive(plant.queue.dead_letters_url)
    assert received is not None
    heard = type(plant.redrive(*received)).__name__
    return heard, plant.ledger(job).lanes[0].redrives


def tells(plant: Plant, job: Ledger) -> object:
    """The journal; the events that then stand in the timeline."""
    assert plant.record is not None
    told = plant.tell(plant.record)
    return told, [(entry.event.type.value, entry.event.position) for entry in plant.timeline(job)]


def consumes_worn(plant: Plant, _: Ledger) -> object:
    """The processor, with a message that was received so often that it would soon count as dead."""
    received = plant.receive(plant.queue.url)
    assert received is not None
    return type(plant.process(received[0], replace(received[1], receive_count=8))).__name__


def creates_project(plant: Plant, _: Ledger) -> object:
    return plant.once("POST", "/v1/projects", {"name": "Another"}).status


def deletes_project(plant: Plant, _: Ledger) -> object:
    return plant.once("DELETE", f"/v1/projects/{plant.project}").status


def erases(plant: Plant, _: Ledger) -> object:
    return plant.erase()


def cancels_many(plant: Plant, job: Ledger) -> object:
    answer = plant.once("POST", f"{plant.jobs}/cancel", {"job_ids": [job.job_id]})
    return [entry["result"] for entry in answer.json.get("results", ())]


def next_processed(plant: Plant, job: Ledger) -> object:
    answer = plant.once("POST", f"{plant.path(job)}/process-next", {"wait_seconds": 10})
    return answer.status, answer.json.get("outcome")


GET: Final = "dynamodb.GetItem"
BATCH_GET: Final = "dynamodb.BatchGetItem"
QUERY: Final = "dynamodb.Query"
UPDATE: Final = "dynamodb.UpdateItem"
TRANSACT: Final = "dynamodb.TransactWriteItems"
BATCH_WRITE: Final = "dynamodb.BatchWriteItem"
SEND: Final = "sqs.SendMessage"
SEND_BATCH: Final = "sqs.SendMessageBatch"
VISIBILITY: Final = "sqs.ChangeMessageVisibility"
PUBLISH: Final = "sns.Publish"
INVOKE: Final = "lambda.Invoke"
SECRET: Final = "secretsmanager.GetSecretValue"
CLAIM: Final = (GET, UPDATE, VISIBILITY, BATCH_GET)
TAKE_OVER: Final = (GET, UPDATE, GET, UPDATE, VISIBILITY, BATCH_GET)
LISTED: Final = WATCH_SHARDS
"""Queries of the sweeper for what is due, one a shard."""
SWEEP: Final = (*[QUERY] * LISTED, BATCH_GET)

API: Final = (
    Flow("a job is created", stages.nothing, creates, (GET, BATCH_GET, GET, TRANSACT, SEND_BATCH, UPDATE), (202, None)),
    Flow(
        "a large job is taken in",
        stages.nothing,
        takes_in,
        (GET, BATCH_GET, GET, TRANSACT, TRANSACT, UPDATE),
        (202, LARGE),
        ends={"cancelled": LARGE},
        cancels=True,
    ),
    Flow(
        "an intake is finished by its key",
        stages.unsealed,
        takes_in,
        (GET, BATCH_GET, GET, TRANSACT, GET, GET, GET, UPDATE, TRANSACT, TRANSACT, UPDATE),
        (202, LARGE),
        ends={"cancelled": LARGE},
        cancels=True,
    ),
    Flow(
        "everything is read",
        stages.all_settled,
        reads,
        (*[GET] * 20, *[QUERY] * 6, *[BATCH_GET] * 2),
        [200] * 9,
    ),
    Flow("a project is created", stages.fresh, creates_project, (TRANSACT,), 201),
    Flow("a project is deleted", stages.nothing, deletes_project, (GET, QUERY, UPDATE, QUERY, TRANSACT), 204, ends={}),
    Flow(
        "a job is deleted",
        stages.told,
        asks("DELETE", ""),
        (GET, GET, GET, GET, TRANSACT),
        204,
        ends={},
        is_deleted=True,
    ),
    Flow("a job is paused", stages.fresh, asks("POST", "/pause"), (GET, GET, UPDATE, GET), 200),
    Flow(
        "a job is resumed",
        stages.paused,
        asks("POST", "/resume"),
        (GET, GET, GET, UPDATE, SEND_BATCH, UPDATE),
        200,
    ),
    Flow("a job is cancelled", stages.fresh, asks("POST", "/cancel"), (GET, GET, UPDATE, GET), 200, ends=CUT),
    Flow("jobs are cancelled", stages.fresh, cancels_many, (GET, BATCH_GET, UPDATE), ["cancelled"], ends=CUT),
    Flow(
        "a job is retried",
        stages.failed,
        asks("POST", "/retry"),
        (GET, GET, GET, QUERY, GET, TRANSACT, GET, SEND_BATCH, UPDATE),
        202,
        told=2,
    ),
    Flow(
        "the next item is processed",
        stages.driven_by_client,
        next_processed,
        (GET, GET, GET, INVOKE, GET, UPDATE, BATCH_GET, TRANSACT, GET, GET, GET),
        (200, "processed"),
    ),
)
PROCESSOR: Final = (
    Flow("an item completes", stages.fresh, consumes, (*CLAIM, TRANSACT), "Acknowledge"),
    Flow("an item of a retry completes", stages.retried, consumes, (*CLAIM, GET, TRANSACT), "Acknowledge", told=2),
    Flow(
        "an item fails and stops the job",
        stages.failing(ErrorCode.REFUSED, ErrorCode.REFUSED, on_error="stop"),
        consumes,
        (*CLAIM, TRANSACT, UPDATE),
        "Acknowledge",
        ends={"failed": 1, "cancelled": 1},
    ),
    Flow(
        "an item is put back",
        stages.failing(ErrorCode.TIMEOUT),
        consumes,
        (*CLAIM, TRANSACT, VISIBILITY),
        "Keep",
        calls_an_item=2,
    ),
    Flow(
        "an account error pauses the job",
        stages.failing(ErrorCode.BILLING),
        consumes,
        (*CLAIM, UPDATE),
        "Acknowledge",
        calls_an_item=2,
    ),
    Flow(
        "an account error of before a resume",
        stages.resumed_meanwhile,
        consumes,
        (*CLAIM, UPDATE, UPDATE, VISIBILITY),
        "Keep",
        calls_an_item=2,
        # The row in which the lost put-back is looked for tells that the message, of before the resume, is void.
        hears_instead=MappingProxyType({(UPDATE, 3): "Acknowledge"}),
    ),
    Flow(
        "a transient error in a cancelled job",
        stages.cancelled_meanwhile,
        consumes,
        (*CLAIM, TRANSACT, UPDATE),
        "Acknowledge",
        ends=CUT,
    ),
    Flow("Claude's key is read", stages.without_a_key, consumes, (*CLAIM, SECRET, TRANSACT), "Acknowledge"),
    Flow("a call is looked after", stages.slowly_written, consumes, (*CLAIM, GET, TRANSACT), "Acknowledge"),
    Flow(
        "a refusal for the rate sets the brake",
        stages.refused_for_the_rate,
        consumes,
        (*CLAIM, UPDATE, TRANSACT, VISIBILITY),
        "Keep",
        calls_an_item=2,
    ),
    Flow(
        "a call begins under the brake",
        stages.braked,
        consumes,
        (*CLAIM, GET, UPDATE, TRANSACT),
        "Acknowledge",
        calls_an_item=2,
    ),
    Flow("a lane is taken over", stages.left_by_a_dead_worker, consumes, (*TAKE_OVER, TRANSACT), "Acknowledge"),
    Flow(
        "a lane is taken over from its last attempt",
        stages.on_its_last_attempt,
        consumes,
        (*TAKE_OVER, TRANSACT),
        "Acknowledge",
        ends=ONE_FAILED,
    ),
    Flow(
        "the queue is filled further",
        stages.running_low,
        consumes,
        (*CLAIM, SEND_BATCH, UPDATE, TRANSACT),
        "Acknowledge",
        ends={"completed": 13},
    ),
    Flow(
        "a message is replaced before it counts as dead",
        stages.received_too_often,
        consumes_worn,
        (GET, UPDATE, SEND),
        "Keep",
    ),
)
ENDS: Final = (
    Flow(
        "a job is closed",
        stages.all_settled,
        finalizes,
        (GET, TRANSACT, GET, PUBLISH, UPDATE),
        "completed, told",
        hears_instead=MappingProxyType({(UPDATE, 1): "told, and recorded before"}),
    ),
    Flow(
        "a change is told",
        stages.claimed_in_a_retry,
        tells,
        (GET, BATCH_WRITE),
        (2, [("job.started", None), ("item.started", 1)]),
        told=2,
        calls_an_item=2,
    ),
)
FOUND_DONE: Final = MappingProxyType({(UPDATE, 1): (1, 0, dict[str, int]())})
"""A repair whose answer was lost is found done, and not counted: perhaps it was another's."""
SWEEPER: Final = (
    Flow(
        "the sweeper fills the queue",
        stages.undispatched,
        sweeps,
        (*SWEEP, SEND_BATCH, UPDATE, UPDATE),
        (1, 0, {"Dispatch": 1}),
    ),
    Flow(
        "the sweeper sends again",
        stages.without_messages,
        sweeps,
        (*SWEEP, SEND_BATCH, UPDATE),
        (1, 0, {"SendAgain": 1}),
    ),
    Flow(
        "the sweeper closes a dead lane",
        stages.cancelled_under_a_dead_worker,
        sweeps,
        (*SWEEP, UPDATE, UPDATE),
        (1, 0, {"CloseLane": 1}),
        hears_instead=FOUND_DONE,
        ends=CUT,
    ),
    Flow(
        "the sweeper ends a job at its deadline",
        stages.past_its_deadline,
        sweeps,
        (*SWEEP, UPDATE, UPDATE),
        (1, 0, {"Cancel": 1}),
        hears_instead=FOUND_DONE,
        ends=CUT,
    ),
    Flow(
        "the sweeper hands a job to the queue",
        stages.left_by_its_client,
        sweeps,
        (*SWEEP, UPDATE, SEND_BATCH, UPDATE, UPDATE),
        (1, 0, {"HandOff": 1, "Dispatch": 1}),
        hears_instead=MappingProxyType({(UPDATE, 1): (1, 0, {"Dispatch": 1})}),
    ),
    Flow(
        "the sweeper ends a job",
        stages.forgotten_by_the_finalizer,
        sweeps,
        (*SWEEP, BATCH_GET, GET, TRANSACT, GET, PUBLISH, UPDATE, UPDATE),
        (1, 0, {"Finalize": 1}),
    ),
    Flow(
        "the sweeper tells of a job",
        stages.ended_untold,
        sweeps,
        (*SWEEP, BATCH_GET, GET, PUBLISH, UPDATE, UPDATE),
        (1, 0, {"Notify": 1}),
    ),
    Flow(
        "the sweeper removes an intake",
        stages.unsealed,
        sweeps,
        (*SWEEP, UPDATE, QUERY, TRANSACT, GET, TRANSACT, UPDATE),
        (1, 0, {"RemoveIntake": 1}),
        ends={},
    ),
)
DEAD_LETTERS: Final = (
    Flow(
        "a dead letter is sent again", stages.lettered(), redrives, (GET, GET, UPDATE, SEND_BATCH), ("Acknowledge", 1)
    ),
    Flow(
        "a dead letter's item is given up",
        stages.lettered(redrives=3),
        redrives,
        (GET, GET, UPDATE, BATCH_GET, TRANSACT),
        ("Acknowledge", 0),
        ends=ONE_FAILED,
    ),
)
ERASER: Final = (
    Flow(
        "the eraser erases a job",
        stages.deleted,
        erases,
        (QUERY, GET, QUERY, BATCH_WRITE, UPDATE),
        {"jobs": 1, "rows": 3},
        ends={},
        is_deleted=True,
    ),
    Flow(
        "the eraser forgets that a job was deleted",
        stages.erased,
        erases,
        (QUERY, GET, QUERY, BATCH_WRITE),
        {"jobs": 1, "rows": 0},
        ends={},
        is_deleted=True,
    ),
)
FLOWS: Final = (*API, *PROCESSOR, *ENDS, *SWEEPER, *ERASER, *DEAD_LETTERS)
