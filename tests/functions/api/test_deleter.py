"""Deleting: decided in one write, carried out by the sweeper, whole whoever dies in between."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest

from shared.errors import ErrorCode, NoProjectError, item_error
from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes
from shared.store.dynamodb import RefusedError
from shared.store.erasures import ErasureStore
from shared.store.keys import event_key, idempotency_key, load_key
from tests.support.crashing import Calls, CrashError, watched
from tests.support.erasing import erase, places, rows_of
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk

A_DAY_AND_MORE = timedelta(hours=25, minutes=1).total_seconds()


def ended(desk: FrontDesk, items: int = 2, *, key: str | None = None) -> str:
    path = desk.create(items, key=key).headers["location"]
    desk.finish(path)
    return path


def job_id_of(path: str) -> str:
    return path.rpartition("/")[2]


def project_of(desk: FrontDesk) -> str:
    return f"/v1/projects/{desk.project}"


def test_a_deleted_job_is_gone_at_once_and_its_rows_with_the_next_sweeps(desk: FrontDesk, clock: ManualClock) -> None:
    before = places(desk.store())
    job, kept = ended(desk, key="k"), ended(desk)
    late = event_key(job_id_of(job), "2026-11-22T12:00:00.000Z#1#0")

    assert desk.client().delete(job).status == 204

    client = desk.client()
    assert [client.get(f"{job}{rest}").status for rest in ("", "/items", "/items/1", "/results", "/events")] == [
        404
    ] * 5
    assert client.delete(job).status == 404
    assert [each["id"] for each in client.get(desk.jobs).json["items"]] == [job_id_of(kept)]
    assert erase(desk.store())["jobs"] == 1
    ulid = job_id_of(job)[4:]
    assert [place for place in places(desk.store()) if ulid in place] == [f"PROJECT#{desk.project[4:]} DELETED#{ulid}"]
    desk.table.client.put_item(TableName=desk.table.name, Item=attributes({**late, "told": "late by the journal"}))

    clock.advance(A_DAY_AND_MORE)
    erase(desk.store())

    assert client.delete(kept).status == 204
    erase(desk.store())
    clock.advance(A_DAY_AND_MORE)
    erase(desk.store())
    record = "IDEMPOTENCY#{0}#k IDEMPOTENCY#{0}#k".format(desk.project[4:])
    project = desk.project[4:]
    stays = [f"USER#alice LIMIT#{project}", f"PROJECT#{project} USAGE#{clock.now():%Y-%m}"]  # what was used was used
    left = [place for place in places(desk.store()) if place not in stays and " USAGE#" not in place]
    assert left == sorted([*before, record])
    assert "Topic 1" not in str(rows_of(desk.store()))


def test_a_repeated_creation_does_not_make_again_what_was_deleted(desk: FrontDesk) -> None:
    job = ended(desk, 1, key="k")
    desk.client().delete(job)

    again = desk.create(1, key="k")

    assert (again.status, again.json["code"]) == (409, "job_deleted")
    assert desk.client().get(desk.jobs).json["items"] == []
    row = desk.store().get(idempotency_key(desk.project, "k"))
    assert row is not None
    assert "answer" not in row


@pytest.mark.parametrize("steps", [[], ["process"], ["pause"], ["process", "cancel"]])
def test_an_unfinished_job_is_not_deleted(desk: FrontDesk, steps: list[str]) -> None:
    job, client = desk.job(3), desk.client()
    for step in steps:
        if step == "process":
            desk.settle(job)
        else:
            assert client.post(f"{job}/{step}").status == 200

    answer = client.delete(job)

    assert (answer.status, answer.json["code"]) == (409, "illegal_transition")
    assert answer.json["job_status"] == client.get(job).json["status"]
    assert erase(desk.store()) == {}


def test_a_deletion_waits_for_the_end_to_be_told_and_asks_to_come_back_when_it_takes_longer(desk: FrontDesk) -> None:
    job = desk.job(1)
    desk.settle(job)
    ledger = desk.ledger(job)
    desk.ledgers.finalize(ledger, now=desk.clock.now(), actor="finalizer")

    early = desk.client().delete(job)
    desk.workshop.finalizer().close(ledger)
    late = desk.client().delete(job)

    assert (early.status, early.json["code"], early.headers["retry-after"]) == (409, "not_yet_settled", "1")
    assert early.json["retryable"] is True
    assert late.status == 204


def test_a_job_that_is_tried_again_at_the_same_moment_is_not_deleted(desk: FrontDesk) -> None:
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.REFUSED, "No."))
    job = ended(desk, 1)
    seen = desk.ledger(job)
    assert desk.client().post(f"{job}/retry").status == 202

    with pytest.raises(RefusedError):
        ErasureStore(desk.store()).delete_job(seen, now=desk.clock.now(), actor="user:alice")

    assert desk.ledger(job).status is JobStatus.QUEUED
    assert desk.client().delete(job).status == 409


def full(desk: FrontDesk) -> None:
    """A project with everything in it."""
    desk.join("erin", "editor")
    desk.join("bob", "viewer")
    client, project = desk.client(), project_of(desk)
    client.delete(f"{project}/members/bob")
    client.put(f"{project}/voice", {"values": {"language": "de"}}, headers={"If-Match": "*"})
    style = {"name": "Secret style", "kind": "outline", "values": {"tone": "formal"}}
    made = client.post(f"{project}/templates", style, headers={"Idempotency-Key": "t"})
    client.put(made.headers["location"], style | {"name": "New"}, headers={"If-Match": made.headers["etag"]})
    for user in ("alice", "bob"):
        desk.table.client.put_item(TableName=desk.table.name, Item=attributes(load_key(user, desk.project)))
    ended(desk, 2, key="k")


def test_a_project_is_not_deleted_when_a_job_of_it_has_not_ended(desk: FrontDesk) -> None:
    job = desk.job(1)

    answer = desk.client().delete(project_of(desk))

    assert (answer.status, answer.json["code"]) == (409, "jobs_unfinished")
    assert desk.client().get(job).status == 200


def test_a_deleted_project_is_gone_for_everybody_at_once_and_wholly_with_the_next_sweeps(
    desk: FrontDesk, clock: ManualClock
) -> None:
    full(desk)
    other = desk.client("mallory").post("/v1/projects", {"name": "Other"}).json["id"]

    assert desk.client().delete(project_of(desk)).status == 204

    for user in ("alice", "erin", "bob"):
        client = desk.client(user)
        assert client.get(project_of(desk)).status == 404
        assert client.post(desk.jobs, body_of(1)).status == 404
        assert client.get("/v1/projects").json["items"] == []
    assert desk.client().delete(project_of(desk)).status == 404
    for _ in range(4):
        erase(desk.store())
        clock.advance(A_DAY_AND_MORE)
    left = [row for row in rows_of(desk.store()) if other[4:] not in str(row)]
    assert {row["pk"].partition("#")[0] for row in left} == {"IDEMPOTENCY"}  # time to live takes them within a day
    assert all("answer" not in row for row in left)
    assert desk.client("mallory").get(f"/v1/projects/{other}").status == 200


@pytest.mark.parametrize("kind", ["dies", "runs out of time"])
def test_a_project_is_erased_whole_however_often_the_sweeper_is_cut_short(
    desk: FrontDesk, clock: ManualClock, kind: str
) -> None:
    full(desk)
    assert desk.client().delete(project_of(desk)).status == 204

    for run in count(1):
        patience = iter([True] * (run % 7))
        if kind == "dies":
            desk.dynamodb = watched(desk.table.client, Calls(die_before=run % 14 + 1))
            with suppress(CrashError):
                erase(desk.store())
            desk.dynamodb = desk.table.client
        else:
            erase(desk.store(), go_on=lambda patience=patience: next(patience, False))  # type: ignore[misc]  # a default
        clock.advance(3_600)
        if not [place for place in places(desk.store()) if not place.startswith("IDEMPOTENCY")]:
            break
        assert run < 400, places(desk.store())


def test_a_job_that_slipped_in_is_cancelled_and_erased_with_its_project(desk: FrontDesk, clock: ManualClock) -> None:
    job = desk.job(3)
    ErasureStore(desk.store()).delete_project(desk.project, now=clock.now(), actor="user:alice")

    assert erase(desk.store())["rows"] == 0
    assert desk.ledger(job).status is JobStatus.CANCELLING
    assert desk.client().get(job).status == 404
    desk.workshop.finalizer().close(desk.ledger(job))
    for _ in range(4):
        clock.advance(A_DAY_AND_MORE)
        erase(desk.store())

    assert places(desk.store()) == []


def test_nobody_joins_and_nothing_is_added_once_the_deletion_is_decided(desk: FrontDesk, clock: ManualClock) -> None:
    client, project = desk.client(), project_of(desk)
    style = {"name": "Style", "kind": "outline", "values": {}}
    template = client.post(f"{project}/templates", style).headers["location"]
    ErasureStore(desk.store()).delete_project(desk.project, now=clock.now(), actor="user:alice")  # and dies
    clock.advance(1)

    refused = [
        client.put(f"{project}/members/bob", {"role": "owner"}),
        client.put(f"{project}/voice", {"values": {}}, headers={"If-Match": "*"}),
        client.post(f"{project}/templates", style),
        client.put(template, style, headers={"If-Match": "*"}),
        client.get(project),
        client.delete(project),
    ]

    assert [answer.status for answer in refused] == [404] * len(refused)


def test_deletion_of_a_project_stands_when_its_answer_was_lost(desk: FrontDesk, clock: ManualClock) -> None:
    store, now = ErasureStore(desk.store()), clock.now()
    store.delete_project(desk.project, now=now, actor="user:alice")

    store.delete_project(desk.project, now=now, actor="user:alice")  # the repeat of the same write

    for later, actor in ((now + timedelta(seconds=1), "user:alice"), (now, "user:bob")):
        with pytest.raises(NoProjectError):
            store.delete_project(desk.project, now=later, actor=actor)


def test_jobs_go_when_they_were_kept_long_enough_and_not_before(desk: FrontDesk, clock: ManualClock) -> None:
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.REFUSED, "No."))
    retried = ended(desk, 1)
    old = ended(desk)
    clock.advance(timedelta(days=10).total_seconds())
    young, unfinished = ended(desk), desk.job(1)
    desk.client().post(f"{retried}/retry")
    clock.advance(timedelta(days=20).total_seconds() - 60)
    assert "jobs_retired" not in erase(desk.store(), retention_days=30)
    clock.advance(120)
    assert erase(desk.store()) == {}

    done = erase(desk.store(), retention_days=30)

    assert done["jobs_retired"] == 1
    statuses = {job: desk.client().get(job).status for job in (old, young, unfinished, retried)}
    assert statuses == {old: 404, young: 200, unfinished: 200, retried: 200}


def test_the_retention_in_force_is_told(desk: FrontDesk) -> None:
    assert desk.client().get("/v1/limits").json["retention_days"] is None
    desk.settings = {"retention_days": 90}

    assert desk.client().get("/v1/limits").json["retention_days"] == 90
