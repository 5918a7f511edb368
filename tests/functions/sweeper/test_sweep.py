"""What a run does to real rows and a real queue, on a clock that the test moves."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions.sweeper.sweep import Sweeper
from shared.contracts.messages import LaneMessage
from shared.errors import ErrorCode, QueueUnavailableError, StoreUnavailableError, TopicUnavailableError, item_error
from shared.jobs.ids import JOB, new_id
from shared.jobs.repairs import Cancel, CloseLane
from shared.jobs.statuses import CancelReason, Drive, JobStatus, OnError, PauseReason
from shared.store.attributes import attributes
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import IntakeStore, NewJob
from shared.store.item_rows import NewItem
from shared.store.keys import idempotency_key, item_key, job_partition, ledger_key, spec_key
from shared.store.watch import WatchList
from shared.turns.claiming import Held
from shared.turns.settling import Settler, turn_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from functions.sweeper.sweep import Plan
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from tests.support.clock import ManualClock
    from tests.support.workshop import Workshop


def hold(workshop: Workshop, job: Ledger, lane: int = 0) -> Held:
    """A worker that holds the lane, and will never come back."""
    held = workshop.processor().settler.claimer.acquire(workshop.message(job, lane))
    assert isinstance(held, Held)
    return held


def fail(workshop: Workshop, job: Ledger, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker settles its item as failed, and dies before it has written what that means for the job."""
    settler = workshop.processor().settler
    monkeypatch.setattr(type(settler.claimer), "finish_halt", lambda *_: None)
    turn = turn_of(workshop.items, workshop.message(job), held, "trace-1")
    Settler.met(settler, turn, item_error(ErrorCode.REFUSED, "no"))
    monkeypatch.undo()


def messages(workshop: Workshop) -> list[tuple[str, LaneMessage]]:
    """What stands in the queue: group and body."""
    found = []
    while answer := workshop.queue.client.receive_message(
        QueueUrl=workshop.queue.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        found += [
            (message["Attributes"]["MessageGroupId"], LaneMessage.from_json(message["Body"])) for message in answer
        ]
    return found


def rewrite(workshop: Workshop, job: Ledger, **changes: Any) -> None:
    """Somebody edits the ledger's row by hand."""
    row = workshop.table.get(ledger_key(job.project_id, job.job_id))
    assert row is not None
    workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes(row | changes))


@pytest.mark.acceptance(21)
def test_rest_is_dispatched_when_the_api_died_in_the_middle(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(6, concurrency=2)
    workshop.ledgers.dispatched(job, cursor=2, actor="api")
    clock.advance(60)

    swept = workshop.sweep()

    assert (swept.looked, dict(swept.repaired), swept.is_whole) == (1, {"Dispatch": 1}, True)
    assert [(group, message.lane) for group, message in messages(workshop)] == [
        (f"{job.job_id}:{lane}", lane) for lane in (0, 1, 0, 1)
    ]
    after = workshop.ledger(job)
    assert (after.cursor, after.actor, after.check_at) == (6, "sweeper", clock.now() + timedelta(seconds=60))


def test_nothing_is_written_but_the_next_look_when_all_is_well(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.dispatch(workshop.job(2))
    clock.advance(60)
    hold(workshop, job)
    before = workshop.ledger(job)

    assert not workshop.sweep().repaired

    assert workshop.ledger(job) == before.evolve(check_at=clock.now() + timedelta(seconds=60))


def test_job_is_looked_at_a_minute_later_when_it_was_looked_at(workshop: Workshop, clock: ManualClock) -> None:
    workshop.dispatch(workshop.job(1))
    clock.advance(44)
    looked = [workshop.sweep().looked]
    for seconds in (1, 44, 1, 60):
        clock.advance(seconds)
        looked.append(workshop.sweep().looked)

    assert looked == [0, 1, 0, 1, 1]


@pytest.mark.acceptance(32)
def test_lane_gets_a_message_in_a_group_apart_when_its_holder_died_and_its_message_is_lost(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.dispatch(workshop.job(2))
    messages(workshop)  # received by nobody who will ever handle them
    hold(workshop, job)
    clock.advance(135 + 30)

    assert workshop.sweep().repaired == {"SendAgain": 1}

    sent = messages(workshop)
    assert [message for _, message in sent] == [workshop.message(job)] * 2
    assert {group.startswith(f"{job.job_id}:0:") for group, _ in sent} == {True}
    taken = workshop.processor().settler.claimer.acquire(sent[0][1])
    assert isinstance(taken, Held)
    assert [attempt.code for attempt in taken.lane.attempts] == [ErrorCode.LEASE_EXPIRED]


@pytest.mark.acceptance(23)
def test_job_is_handed_to_the_queue_when_its_client_is_silent(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(3, drive=Drive.CLIENT)
    workshop.advance(workshop.message(job))
    clock.advance(135 + 29)
    assert not workshop.sweep().repaired
    clock.advance(60)

    assert workshop.sweep().repaired == {"HandOff": 1, "Dispatch": 1}

    after = workshop.ledger(job)
    assert (after.drive, after.round, after.cursor) == (Drive.QUEUE, 1, 3)
    assert [message.lane for _, message in messages(workshop)] == [0, 0]


@pytest.mark.acceptance(15)
@pytest.mark.parametrize(
    ("on_error", "status"), [(OnError.STOP, JobStatus.CANCELLING), (OnError.PAUSE, JobStatus.PAUSED)]
)
def test_halt_is_carried_out_when_the_worker_died_after_its_settle(
    workshop: Workshop,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    on_error: OnError,
    status: JobStatus,
) -> None:
    job = workshop.job(3, on_error=on_error)
    fail(workshop, job, hold(workshop, job), monkeypatch)
    assert workshop.ledger(job).halted
    clock.advance(60)

    workshop.sweep()

    after = workshop.ledger(job)
    assert (after.status, after.cancel_reason or after.pause_reason) == (status, "on_error")


@pytest.mark.acceptance(20)
@pytest.mark.parametrize("paused", [False, True])
def test_job_ends_counted_when_its_deadline_has_passed(workshop: Workshop, clock: ManualClock, paused: bool) -> None:
    job = workshop.job(4, concurrency=2, deadline_minutes=10)
    workshop.advance(workshop.message(job))
    if paused:
        workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
        clock.advance(136)
        workshop.sweep()
        assert workshop.ledger(job).check_at == job.created_at + timedelta(minutes=10)
        clock.set(job.created_at + timedelta(minutes=9, seconds=44))
        assert workshop.sweep().looked == 0
    else:
        hold(workshop, job, lane=1)  # and dies
    clock.set(job.created_at + timedelta(minutes=10))

    assert workshop.sweep().repaired == ({"Cancel": 1} if paused else {"Cancel": 1, "CloseLane": 1})

    closing = workshop.ledger(job)
    assert (closing.status, closing.cancel_reason) == (JobStatus.CANCELLING, CancelReason.DEADLINE)
    workshop.finalizer().close(closing)
    after = workshop.ledger(job)
    assert after.status is JobStatus.CANCELLED
    assert (after.counts.completed, after.counts.cancelled) == (1, 3)
    assert workshop.topic.published[0][0]["counts"]["cancelled"] == 3


def test_dead_lease_is_closed_when_the_job_was_cancelled(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    hold(workshop, job)
    workshop.ledgers.cancel(workshop.ledger(job), reason=CancelReason.USER, actor="user:test")
    clock.advance(135)
    assert not workshop.sweep().repaired
    clock.advance(60)

    assert workshop.sweep().repaired == {"CloseLane": 1}

    assert (workshop.ledger(job).held, workshop.ledger(job).open) == (0, 0)


@pytest.mark.acceptance(33)
def test_job_ends_and_is_told_when_the_finalizer_never_came(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    clock.advance(60)

    assert workshop.sweep().repaired == {"Finalize": 1}

    after = workshop.ledger(job)
    assert (after.status, after.notified_generation, after.check_at) == (JobStatus.COMPLETED, 1, None)
    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
    clock.advance(60)
    assert workshop.sweep().looked == 0


@pytest.mark.acceptance(33)
def test_end_is_told_when_the_finalizer_died_before_it_told(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    workshop.ledgers.finalize(workshop.ledger(job), now=clock.now(), actor="finalizer")
    clock.advance(60)

    assert workshop.sweep().repaired == {"Notify": 1}

    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
    assert workshop.ledger(job).notified_generation == 1


@pytest.mark.acceptance(10)
def test_abandoned_intake_is_gone_with_its_key_when_its_time_is_over(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(2)
    spec = workshop.items.require_spec(job.job_id)
    rewrite(workshop, job, status="intake", intake_token="dead", intake_key="spring")
    record = IdempotencyRecord("spring", "print", job.job_id, b"{}", clock.now() + timedelta(hours=24))
    row = {"fingerprint": "print", "made": job.job_id, "answer": b"{}", "expires_at": "2027-01-01T00:00:00.000Z"}
    place = idempotency_key(job.project_id, "spring")
    workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes({**place, **row}))
    clock.advance(59)
    assert not workshop.sweep().repaired
    clock.advance(2)

    assert workshop.sweep().repaired == {"RemoveIntake": 1}

    assert workshop.ledgers.read(job.project_id, job.job_id) is None
    assert list(workshop.table.query(job_partition(job.job_id))) == []
    fresh = new_id(JOB, clock.now())
    again = NewJob(
        job.evolve(job_id=fresh),
        replace(spec, job_id=fresh),
        [NewItem(1, {"topic": "T"})],
        IdempotencyRecord("spring", "print", fresh, b"{}", record.expires_at),
    )
    assert IntakeStore(workshop.table).create(again, now=clock.now()) == again.ledger


@pytest.mark.parametrize(
    "break_it",
    ["open", "outcome"],
)
def test_mismatch_is_told_and_nothing_mended_when_ledger_and_items_disagree(
    workshop: Workshop, clock: ManualClock, break_it: str
) -> None:
    job = workshop.job(3)
    workshop.advance(workshop.message(job))
    if break_it == "open":
        rewrite(workshop, job, open=7)
    else:
        key = item_key(job.job_id, 1)
        row = workshop.table.get(key)
        assert row is not None
        del row["status"], row["generation"]
        workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes(row))
    workshop.dispatch(workshop.ledger(job))
    before = workshop.ledger(job)
    clock.advance(60)

    swept = workshop.sweep()

    assert (swept.mismatched, dict(swept.repaired)) == (1, {})
    assert workshop.metrics == {"LedgerMismatch": 1}
    assert workshop.ledger(job) == before.evolve(check_at=clock.now() + timedelta(seconds=60))


def test_others_are_looked_at_when_one_job_cannot_be_read(workshop: Workshop, clock: ManualClock) -> None:
    broken, specless, healthy = workshop.job(1), workshop.job(1), workshop.job(1)
    rewrite(workshop, broken, status="no status at all")
    key = {name: {"S": value} for name, value in spec_key(specless.job_id).items()}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)
    clock.advance(60)

    swept = workshop.sweep()

    assert (swept.looked, swept.failed, dict(swept.repaired)) == (3, 2, {"Dispatch": 1})
    assert workshop.ledger(healthy).cursor == 1
    assert workshop.sweep().looked == 0  # what cannot be read is not at the head of the list for ever


def test_look_is_repeated_by_the_next_run_when_the_queue_did_not_answer(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.job(1)
    clock.advance(60)

    def unavailable(*_: object) -> None:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(type(workshop.queue), "_send", unavailable)
    assert workshop.sweep().failed == 1
    monkeypatch.undo()

    assert workshop.sweep().repaired == {"Dispatch": 1}
    assert workshop.ledger(job).cursor == 1


@pytest.mark.acceptance(33)
def test_job_is_told_of_by_the_next_run_when_the_topic_did_not_answer(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    clock.advance(600)

    def unavailable(*_: object) -> None:
        raise TopicUnavailableError("away")

    monkeypatch.setattr(workshop.topic, "publish", unavailable)
    swept = workshop.sweep()
    monkeypatch.undo()

    assert (swept.failed, dict(swept.repaired)) == (1, {})
    ended = workshop.ledger(job)
    assert (ended.status, ended.notified_generation) == (JobStatus.COMPLETED, 0)

    clock.advance(600)  # the stream has its time to bring the end to the finalizer
    assert workshop.sweep().repaired == {"Notify": 1}
    assert [body["id"] for body, _ in workshop.topic.published] == [f"{job.job_id}:1"]
    assert workshop.ledger(job).notified_generation == 1


@pytest.mark.acceptance(32)
def test_topic_is_asked_once_a_run_and_holds_nobody_up_when_it_does_not_answer(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [workshop.job(1) for _ in range(3)]
    for job in ended:
        workshop.advance(workshop.message(job))
    workshop.ledgers.finalize(workshop.ledger(ended[0]), now=clock.now(), actor="finalizer")
    clock.advance(30)
    waiting = [workshop.job(1) for _ in range(3)]
    clock.advance(570)
    asked = []

    def hangs(*_: object) -> None:
        asked.append(clock.now())
        clock.advance(21)
        raise TopicUnavailableError("away")

    monkeypatch.setattr(workshop.topic, "publish", hangs)
    started = clock.now()
    swept = workshop.sweep()
    monkeypatch.undo()

    assert (swept.looked, swept.failed, swept.is_whole, dict(swept.repaired)) == (6, 3, True, {"Dispatch": 3})
    assert len(asked) == 1
    assert [workshop.ledger(job).cursor for job in waiting] == [1, 1, 1]
    # They have ended, and are not at the head of the list, where the next run would begin with them.
    assert [workshop.ledger(job).status for job in ended] == [JobStatus.COMPLETED] * 3
    assert {workshop.ledger(job).check_at for job in ended} == {started + timedelta(seconds=60)}

    clock.advance(60)
    workshop.sweep()
    assert {body["id"] for body, _ in workshop.topic.published} == {f"{job.job_id}:1" for job in ended}


@pytest.mark.acceptance(32)
@pytest.mark.parametrize("then", ["resume", "resume and pause", "cancel"])
def test_job_is_looked_at_within_a_minute_when_somebody_moved_it_while_the_sweeper_saw_it_rest(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    job = workshop.job(2, deadline_minutes=1_440)
    workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    clock.advance(600)
    plan = Sweeper.plan

    def while_a_person_goes_on(sweeper: Sweeper, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
        planned = plan(sweeper, ledger, spec, now)
        assert ledger.check_at is not None
        if then == "cancel":
            workshop.ledgers.cancel(ledger, reason=CancelReason.USER, check_at=ledger.check_at, actor="user:test")
        else:
            workshop.ledgers.resume(ledger, more_microusd=0, check_at=ledger.check_at, actor="user:test")
        if then == "resume and pause":
            workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
        return planned

    monkeypatch.setattr(Sweeper, "plan", while_a_person_goes_on)
    workshop.sweep()
    monkeypatch.undo()

    after = workshop.ledger(job)
    assert after.check_at is not None
    assert after.check_at <= clock.now() + timedelta(seconds=60)


@pytest.mark.acceptance(32)
@pytest.mark.parametrize("late", ["worker", "sweeper"])
def test_job_is_looked_at_within_a_minute_when_the_stop_that_a_failed_item_asks_for_comes_late(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    job = workshop.job(3, on_error=OnError.STOP, deadline_minutes=1_440)
    fail(workshop, job, hold(workshop, job), monkeypatch)
    halted = workshop.ledger(job)
    assert halted.halted

    def meanwhile() -> None:
        """People pause, resume and pause again; the job is at rest, and put off until its deadline."""
        for move in ("pause", "resume", "pause"):
            seen = workshop.ledger(job)
            if move == "pause":
                workshop.ledgers.pause(seen, reason=PauseReason.USER, actor="user:test")
            else:
                workshop.ledgers.resume(seen, more_microusd=0, check_at=clock.now(), actor="user:test")
        resting = workshop.ledger(job)
        workshop.ledgers.look(resting, new=clock.now() + timedelta(days=1), paused_in=resting.epoch)

    clock.advance(60)
    if late == "worker":
        meanwhile()
        workshop.processor().settler.claimer.finish_halt(halted, workshop.items.require_spec(job.job_id))
    else:
        plan = Sweeper.plan

        def others_act(sweeper: Sweeper, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
            planned = plan(sweeper, ledger, spec, now)
            meanwhile()
            return planned

        monkeypatch.setattr(Sweeper, "plan", others_act)
        workshop.sweep()
        monkeypatch.undo()

    after = workshop.ledger(job)
    assert (after.status, after.cancel_reason) == (JobStatus.CANCELLING, CancelReason.ON_ERROR)
    assert after.check_at is not None
    assert after.check_at <= clock.now() + timedelta(seconds=60)


@pytest.mark.acceptance(32)
def test_paused_job_is_ended_within_a_minute_when_a_holder_that_was_late_settled_its_last_item(
    workshop: Workshop, clock: ManualClock
) -> None:
    job = workshop.job(1, deadline_minutes=1_440)
    turn = turn_of(workshop.items, workshop.message(job), hold(workshop, job), "trace-1")
    workshop.ledgers.pause(workshop.ledger(job), reason=PauseReason.USER, actor="user:test")
    clock.advance(600)  # its lease is over
    workshop.sweep()
    workshop.processor().settler.met(turn, item_error(ErrorCode.REFUSED, "no"))  # and the stream's finalizer fails
    clock.advance(60)

    assert dict(workshop.sweep().repaired) == {"Finalize": 1}
    assert (workshop.ledger(job).status, workshop.ledger(job).told) == (JobStatus.FAILED, True)


@pytest.mark.parametrize("read", ["due", "read"])
def test_what_was_looked_at_is_told_when_the_list_got_no_answer_further_on(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    for _ in range(3):
        workshop.job(1)
    clock.advance(60)
    whole = getattr(WatchList, read)
    pages = 0

    def one_at_a_time(watch: WatchList, *arguments: Any, **options: Any) -> Any:
        nonlocal pages
        if read == "due":
            return cut(whole(watch, *arguments, **options))
        pages += 1
        if pages > 1:
            raise StoreUnavailableError("away")
        return whole(watch, *arguments, **options)[:1]

    def cut(found: Iterator[list[Any]]) -> Iterator[list[Any]]:
        yield [next(found)[0]]
        raise StoreUnavailableError("away")

    monkeypatch.setattr(WatchList, read, one_at_a_time)
    if read == "read":
        monkeypatch.setattr("functions.sweeper.sweep._PAGE", 1)
    swept = workshop.sweep()
    monkeypatch.undo()

    assert (swept.looked, dict(swept.repaired), swept.is_whole) == (1, {"Dispatch": 1}, False)
    assert dict(workshop.sweep().repaired) == {"Dispatch": 2}


@pytest.mark.parametrize("limited_by", ["jobs", "time"])
def test_next_run_begins_where_this_one_ended_when_there_is_too_much(
    workshop: Workshop, clock: ManualClock, limited_by: str
) -> None:
    for _ in range(5):
        workshop.dispatch(workshop.job(1))
    clock.advance(60)
    sweeper = workshop.sweeper(jobs_a_run=2) if limited_by == "jobs" else workshop.sweeper()
    looked = []
    for _ in range(3):
        # A run asks before a look, and before it sets the next one.
        seconds = itertools.chain([60.0] * 4, itertools.repeat(60.0 if limited_by == "jobs" else 1.0))
        swept = sweeper.sweep(functools.partial(next, seconds))
        looked.append((swept.looked, swept.is_whole))

    assert looked == [(2, False), (2, False), (1, True)]


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_job_is_due_still_when_the_time_was_over_in_the_middle_of_its_look(
    workshop: Workshop, clock: ManualClock, asked: int
) -> None:
    job = workshop.job(2, drive=Drive.CLIENT)
    workshop.advance(workshop.message(job))
    clock.advance(300)
    due = workshop.ledger(job).check_at
    seconds = itertools.chain([60.0] * asked, itertools.repeat(1.0))

    swept = workshop.sweeper().sweep(functools.partial(next, seconds))

    assert swept.repaired.total() == asked - 1  # of the two, to hand it off and to dispatch it
    assert workshop.ledger(job).check_at == due
    workshop.sweep()
    assert (workshop.ledger(job).drive, workshop.ledger(job).cursor) == (Drive.QUEUE, 2)
    assert workshop.ledger(job).check_at == clock.now() + timedelta(seconds=60)


def test_repair_goes_on_when_somebody_was_faster(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.job(2, deadline_minutes=5)
    hold(workshop, job)
    clock.advance(300)
    plan = Sweeper.plan

    def while_the_user_cancels(sweeper: Sweeper, ledger: Ledger, spec: JobSpec, now: datetime) -> Plan:
        planned = plan(sweeper, ledger, spec, now)
        assert planned.repairs == (Cancel(CancelReason.DEADLINE), CloseLane(0))
        workshop.ledgers.cancel(ledger, reason=CancelReason.USER, actor="user:test")
        return planned

    monkeypatch.setattr(Sweeper, "plan", while_the_user_cancels)

    assert workshop.sweep().repaired == {"CloseLane": 1}

    after = workshop.ledger(job)
    assert (after.cancel_reason, after.held) == (CancelReason.USER, 0)
    assert after.check_at == clock.now() + timedelta(seconds=60)


def test_two_sweepers_do_no_harm_when_they_run_at_once(workshop: Workshop, clock: ManualClock) -> None:
    job = workshop.job(4, concurrency=2)
    clock.advance(60)
    first, second = workshop.sweeper(), workshop.sweeper()
    seen = workshop.ledger(job)
    spec = workshop.items.require_spec(job.job_id)
    plans = [sweeper.plan(seen, spec, clock.now()) for sweeper in (first, second)]
    assert plans[0] == plans[1]

    workshop.sweep()
    workshop.sweep()

    assert workshop.ledger(job).cursor == 4
    assert len(messages(workshop)) == 4
