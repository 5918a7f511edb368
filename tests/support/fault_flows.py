"""What every function does, as runs whose calls of AWS can be made to fail one after the other."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.errors import ErrorCode
from tests.support import fault_stages as stages
from tests.support.fault_flows_of_erasing import ERASER
from tests.support.fault_flows_of_projects import PROJECTS
from tests.support.fault_runs import (
    BATCH_GET,
    BATCH_WRITE,
    CLAIM,
    CUT,
    GET,
    INVOKE,
    ONE_FAILED,
    ONE_STOPPED,
    PUBLISH,
    QUERY,
    SECRET,
    SEND,
    SEND_BATCH,
    SWEEP,
    TAKE_OVER,
    TRANSACT,
    UPDATE,
    VISIBILITY,
    Flow,
)
from tests.support.fault_stages import LARGE
from tests.support.front_desk import body_of
from tests.support.plant import PLENTY_USD

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant

__all__ = ["API", "FLOWS", "SWEEPER"]


def consumes(plant: Plant, _: Ledger) -> object:
    """The processor, as Lambda invokes it with a message of the queue."""
    return type(plant.consume()).__name__


def asks(method: str, path: str, body: object = None) -> Callable[[Plant, Ledger], object]:
    """A request about the job; its status."""
    return lambda plant, job: plant.once(method, f"{plant.path(job)}{path}", body).status


def sends(run: Callable[[Plant, Ledger], object]) -> Callable[[Plant, Ledger], object]:
    """The same run; what is heard, and how many messages then wait in the queue: nobody needs the sweeper's repair."""
    return lambda plant, job: (run(plant, job), plant.waiting())


def cancels(plant: Plant, job: Ledger) -> None:
    """The job is too large to be worked off here."""
    plant.ask("POST", f"{plant.path(job)}/cancel")


def creates(plant: Plant, _: Ledger) -> object:
    answer = plant.once("POST", plant.jobs, body_of(2, options={"concurrency": 1}), headers={"Idempotency-Key": "two"})
    return answer.status, answer.headers.get("idempotent-replayed")


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


def puts_back(plant: Plant, _: Ledger) -> None:
    """What was mislaid."""
    plant.direct.put_many(plant.mislaid)


def nothing_is_left(plant: Plant) -> None:
    """Of the job, and of its creation's Idempotency-Key."""
    assert plant.rows_left() == []


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


def cancels_many(plant: Plant, job: Ledger) -> object:
    answer = plant.once("POST", f"{plant.jobs}/cancel", {"job_ids": [job.job_id]})
    return [entry["result"] for entry in answer.json.get("results", ())]


def resumes_with_more(plant: Plant, job: Ledger) -> object:
    """A resume with a new budget; which one the job then has."""
    answer = plant.once("POST", f"{plant.path(job)}/resume", {"budget_usd": PLENTY_USD})
    return answer.status, answer.json.get("options", {}).get("budget_usd")


def next_processed(plant: Plant, job: Ledger) -> object:
    answer = plant.once("POST", f"{plant.path(job)}/process-next", {"wait_seconds": 10})
    return answer.status, answer.json.get("outcome")


JOBS: Final = (
    Flow(
        "a job is created",
        stages.nothing,
        sends(creates),
        (GET, BATCH_GET, GET, TRANSACT, SEND_BATCH, UPDATE),
        ((202, None), 2),
    ),
    Flow(
        "a large job is taken in",
        stages.nothing,
        takes_in,
        (GET, BATCH_GET, GET, TRANSACT, TRANSACT, UPDATE),
        (202, LARGE),
        ends={"cancelled": LARGE},
        then=cancels,
    ),
    Flow(
        "an intake is finished by its key",
        stages.unsealed,
        takes_in,
        (GET, BATCH_GET, GET, TRANSACT, GET, GET, GET, UPDATE, TRANSACT, TRANSACT, UPDATE),
        (202, LARGE),
        ends={"cancelled": LARGE},
        then=cancels,
    ),
    Flow(
        "everything is read",
        stages.all_settled,
        reads,
        (*[GET] * 20, *[QUERY] * 6, *[BATCH_GET] * 2),
        [200] * 9,
    ),
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
        sends(asks("POST", "/resume")),
        (GET, GET, GET, UPDATE, SEND_BATCH, UPDATE),
        (200, 4),
    ),
    Flow(
        "a job is resumed with a larger budget",
        stages.paused_for_its_budget,
        sends(resumes_with_more),
        (GET, GET, GET, UPDATE, SEND_BATCH, UPDATE),
        ((200, PLENTY_USD), 1),
    ),
    Flow(
        "a job is created whose creator's list of starts is full",
        stages.with_many_starts,
        sends(creates),
        (GET, BATCH_GET, GET, TRANSACT, GET, GET, GET, GET, UPDATE, TRANSACT, SEND_BATCH, UPDATE),
        ((202, None), 2),
    ),
    Flow("a job is cancelled", stages.fresh, asks("POST", "/cancel"), (GET, GET, UPDATE, GET), 200, ends=CUT),
    Flow("jobs are cancelled", stages.fresh, cancels_many, (GET, BATCH_GET, UPDATE), ["cancelled"], ends=CUT),
    Flow(
        "a job is retried",
        stages.failed,
        sends(asks("POST", "/retry")),
        (GET, GET, GET, QUERY, GET, TRANSACT, GET, SEND_BATCH, UPDATE),
        (202, 1),
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
        ends=ONE_STOPPED,
    ),
    Flow(
        "an item fails and pauses the job",
        stages.failing(ErrorCode.REFUSED, ErrorCode.REFUSED, on_error="pause"),
        consumes,
        (*CLAIM, TRANSACT, UPDATE),
        "Acknowledge",
        ends=ONE_FAILED,
    ),
    Flow(
        "a message finds a job that a failed item pauses",
        stages.halted("pause"),
        consumes,
        (GET, UPDATE, GET, UPDATE),
        "Acknowledge",
        ends=ONE_FAILED,
    ),
    Flow(
        "a message finds a job that a failed item stops",
        stages.halted("stop"),
        consumes,
        (GET, UPDATE, GET, UPDATE),
        "Acknowledge",
        ends=ONE_STOPPED,
    ),
    Flow(
        "a used-up budget pauses the job",
        stages.out_of_budget,
        consumes,
        (GET, UPDATE, UPDATE),
        "Acknowledge",
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
        "a refusal for longer than the brake of another",
        stages.refused_beside_another,
        consumes,
        (*CLAIM, UPDATE, UPDATE, TRANSACT, VISIBILITY),
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
        sends(consumes),
        (*CLAIM, SEND_BATCH, UPDATE, TRANSACT),
        ("Acknowledge", 5),
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
        "a job of before there were limits is closed",
        stages.of_before_bookings,
        finalizes,
        (UPDATE, GET, PUBLISH, UPDATE),
        "completed, told",
        hears_instead=MappingProxyType({(UPDATE, 2): "told, and recorded before"}),
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
        sends(sweeps),
        (*SWEEP, SEND_BATCH, UPDATE, UPDATE),
        ((1, 0, {"Dispatch": 1}), 2),
    ),
    Flow(
        "the sweeper sends again",
        stages.without_messages,
        sends(sweeps),
        (*SWEEP, SEND_BATCH, UPDATE),
        ((1, 0, {"SendAgain": 1}), 2),
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
        "the sweeper pauses a job that a failed item pauses",
        stages.halted("pause"),
        sweeps,
        (*SWEEP, BATCH_GET, UPDATE, UPDATE),
        (1, 0, {"PauseOnError": 1}),
        hears_instead=FOUND_DONE,
        ends=ONE_FAILED,
    ),
    Flow(
        "the sweeper stops a job that a failed item stops",
        stages.halted("stop"),
        sweeps,
        (*SWEEP, BATCH_GET, UPDATE, UPDATE),
        (1, 0, {"Cancel": 1}),
        hears_instead=FOUND_DONE,
        ends=ONE_STOPPED,
    ),
    Flow(
        "the sweeper hands a job to the queue",
        stages.left_by_its_client,
        sends(sweeps),
        (*SWEEP, UPDATE, SEND_BATCH, UPDATE, UPDATE),
        ((1, 0, {"HandOff": 1, "Dispatch": 1}), 2),
        hears_instead=MappingProxyType({(UPDATE, 1): ((1, 0, {"Dispatch": 1}), 2)}),
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
        "the sweeper puts a job off that cannot be read",
        stages.without_a_spec,
        sweeps,
        (*SWEEP, UPDATE),
        (1, 1, {}),
        then=puts_back,
    ),
    Flow(
        "the sweeper removes an intake",
        stages.unsealed,
        sweeps,
        (*SWEEP, UPDATE, QUERY, TRANSACT, GET, TRANSACT, UPDATE),
        (1, 0, {"RemoveIntake": 1}),
        ends={},
        holds=nothing_is_left,
    ),
)
DEAD_LETTERS: Final = (
    Flow(
        "a dead letter is sent again",
        stages.lettered(),
        sends(redrives),
        (GET, GET, UPDATE, SEND_BATCH),
        (("Acknowledge", 1), 1),
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
API: Final = (*JOBS, *PROJECTS)
FLOWS: Final = (*API, *PROCESSOR, *ENDS, *SWEEPER, *ERASER, *DEAD_LETTERS)
