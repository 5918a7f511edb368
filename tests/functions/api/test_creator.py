"""Creating: once, whole or not at all, whatever dies in between."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from functions.api.submission import Submission, SubmissionReader
from shared.store.dynamodb import DynamoTable
from tests.support.crashing import Calls, CrashError, watched
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer

SMALL = 5
LARGE = 110
"""More than one transaction takes, and more than moto takes in a reasonable time."""
SIZES = pytest.mark.parametrize(
    ("any_desk", "items"), [("desk", SMALL), ("live_desk", LARGE)], indirect=["any_desk"], ids=["small", "large"]
)


def visible(desk: FrontDesk) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = desk.client().get(desk.jobs).json["items"]
    return jobs


def topics(desk: FrontDesk, answer: HttpAnswer) -> list[str]:
    return [row.input["topic"] for row in desk.items.after(answer.json["id"], 0, page=100, outputs=False)]


def disturb(desk: FrontDesk, calls: Calls) -> None:
    desk.dynamodb = watched(desk.table.client, calls)
    desk.sqs = watched(desk.work_queue.client, calls)


def calm(desk: FrontDesk) -> None:
    desk.dynamodb, desk.sqs = desk.table.client, desk.work_queue.client


def test_a_new_job_is_answered_with_its_view_its_address_and_its_tag(desk: FrontDesk) -> None:
    answer = desk.create([{"topic": "a"}, {"topic": "b"}, {"topic": "A"}], name="Spring", options={"concurrency": 2})

    assert answer.status == 202
    assert answer.headers["location"] == f"{desk.jobs}/{answer.json['id']}"
    assert answer.headers["etag"] == f'"1-queued-{answer.json["id"][-8:]}"'
    assert "idempotent-replayed" not in answer.headers
    view = answer.json
    assert (view["accepted"], view["duplicates"]) == (2, [{"index": 2, "duplicate_of": 0}])
    assert view["counts"] == {"total": 2, "queued": 2, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert (view["name"], view["status"], view["created_by"]) == ("Spring", "queued", "alice")
    assert view["created_at"] == "2026-11-22T12:00:00.000Z"
    assert view["deadline_at"] == "2026-11-23T12:00:00.000Z"
    assert view["usage"]["estimated_cost_usd"] > 0
    ledger = desk.ledger(answer.headers["location"])
    assert (ledger.usage_period, ledger.check_at) == ("2026-11", ledger.created_at + timedelta(seconds=60))
    assert (len(ledger.lanes), ledger.actor) == (2, "user:alice")
    assert ledger.headroom_microusd is None


def test_a_budget_reserves_what_the_dearest_item_can_cost(desk: FrontDesk) -> None:
    items = [{"topic": "short"}, {"topic": "long", "custom_instructions": "x" * 4_000}]

    ledger = desk.ledger(desk.job(items, options={"budget_usd": 1.5}))

    spec = desk.items.require_spec(ledger.job_id)
    assert ledger.headroom_microusd == 1_500_000
    assert spec.estimated_microusd / 2 < ledger.est_microusd < spec.estimated_microusd


@pytest.mark.acceptance(21)
@SIZES
def test_the_queue_holds_a_message_for_every_item_when_the_answer_is_given(any_desk: FrontDesk, items: int) -> None:
    desk = any_desk
    job = desk.job(items, options={"concurrency": 4, "item_timeout_seconds": 60})

    messages = desk.messages()
    assert len(messages) == items
    assert {message["lane"] for message in messages} == {0, 1, 2, 3}
    assert all(message["timeout_seconds"] == 60 for message in messages)
    assert desk.ledger(job).cursor == 4 * -(-items // 4)


def test_nothing_is_queued_when_the_client_drives(desk: FrontDesk) -> None:
    desk.job(options={"drive": "client"})

    assert desk.messages() == []


def test_a_dry_run_writes_nothing_and_tells_what_the_job_would_be(desk: FrontDesk) -> None:
    calls = Calls()
    disturb(desk, calls)
    body = body_of([{"topic": "a"}, {"topic": "a"}, {"topic": "b"}])

    answer = desk.client().post(desk.jobs, body, query={"dry_run": "true"}, headers={"Idempotency-Key": "k"})

    assert answer.status == 200
    assert set(calls.made) == {"get_item", "batch_get_item"}
    assert (answer.json["accepted"], answer.json["duplicates"]) == (2, [{"index": 1, "duplicate_of": 0}])
    estimate = answer.json["estimate"]
    assert min(estimate["input_tokens"], estimate["output_tokens"], estimate["cost_usd"], estimate["minutes"]) > 0
    assert "the most" in estimate["basis"]
    assert (answer.json["quota"]["items"]["reserved"], answer.json["quota"]["usd"]["reserved"]) == (0, 0.0)
    assert desk.create(1, key="k").status == 202


def test_a_dry_run_finds_the_same_faults(desk: FrontDesk) -> None:
    answer = desk.client().post(desk.jobs, body_of([{}]), query={"dry_run": "1"})

    assert answer.pointers == {"/items/0/input/topic": "this field is required"}


@pytest.mark.acceptance(4)
@SIZES
def test_the_same_key_and_body_get_the_first_answer_when_sent_again(any_desk: FrontDesk, items: int) -> None:
    desk = any_desk
    first = desk.create(items, key="k")
    desk.settle(first.headers["location"])

    second = desk.create(items, key="k")

    assert second.status == first.status == 202
    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert len(visible(desk)) == 1


@pytest.mark.acceptance(4)
def test_a_key_belongs_to_its_project_and_its_body(desk: FrontDesk) -> None:
    desk.create(1, key="k")

    other_body = desk.create(2, key="k")
    spaced = desk.client().post(
        desk.jobs, body=json.dumps(body_of(1), indent=2, sort_keys=True), headers={"Idempotency-Key": "k"}
    )
    elsewhere = desk.client().post("/v1/projects", {"name": "Other"}).json["id"]
    other_project = desk.client().post(f"/v1/projects/{elsewhere}/jobs", body_of(1), headers={"Idempotency-Key": "k"})

    assert (other_body.status, other_body.json["code"]) == (422, "idempotency_mismatch")
    assert spaced.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in other_project.headers


def test_a_key_is_forgotten_after_a_day(desk: FrontDesk, clock: ManualClock) -> None:
    first = desk.create(1, key="k")
    clock.advance(24 * 3600 + 1)

    second = desk.create(1, key="k")

    assert second.json["id"] != first.json["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "sch\u00f6n", "\0"])
def test_a_key_that_is_none_is_refused(desk: FrontDesk, key: str) -> None:
    answer = desk.create(1, key=key)

    assert answer.status == 422
    assert list(answer.pointers) == ["/headers/Idempotency-Key"]
    assert desk.create(1, key="k" * 255).status == 202


@pytest.mark.acceptance(10)
@pytest.mark.acceptance(22)
@pytest.mark.parametrize("moment", ["before", "after"])
@SIZES
def test_a_death_at_any_call_leaves_no_half_job_and_the_same_key_finishes_it(
    any_desk: FrontDesk, clock: ManualClock, moment: str, items: int
) -> None:
    desk = any_desk
    disturb(desk, counted := Calls())
    desk.create(items, key="calm")
    calm(desk)
    for number in range(1, len(counted.made) + 1):
        key = f"key-{number}"
        jobs_before = len(visible(desk))
        disturb(desk, Calls(die_before=number) if moment == "before" else Calls(die_after=number))
        with pytest.raises(CrashError):
            desk.create(items, key=key)
        calm(desk)
        assert all(job["counts"]["total"] == items for job in visible(desk))
        desk.messages()

        clock.advance(61)
        answer = desk.create(items, key=key)

        assert answer.status == 202
        assert topics(desk, answer) == [f"Topic {position}" for position in range(1, items + 1)]
        assert desk.ledger(answer.headers["location"]).cursor == items
        assert len(visible(desk)) == min(jobs_before + 1, 20)


@pytest.mark.acceptance(10)
@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("items", [SMALL, LARGE])
def test_a_lost_answer_to_any_call_makes_one_job_all_the_same(
    live_desk: FrontDesk, items: int, key: str | None
) -> None:
    disturb(live_desk, counted := Calls())
    live_desk.create(items, key="calm")
    calls = [number for number, call in enumerate(counted.made, 1) if not call.startswith("send")]
    for number in calls:
        disturb(live_desk, Calls(lose=frozenset({number})))
        answer = live_desk.create(items, key=key and f"{key}-{number}")

        assert answer.status == 202
        assert "idempotent-replayed" not in answer.headers
        assert len(topics(live_desk, answer)) == items
    calm(live_desk)
    assert len(visible(live_desk)) == 1 + len(calls)


def test_the_first_answer_is_no_replay_when_the_store_does_not_know_its_own_retry(desk: FrontDesk) -> None:
    disturb(desk, Calls(lose=frozenset({4})))

    answer = desk.create(SMALL, key="k")  # moto ignores the transaction's token

    assert answer.status == 202
    assert "idempotent-replayed" not in answer.headers
    assert [job["id"] for job in visible(desk)] == [answer.json["id"]]


def test_a_refused_intake_without_a_key_is_answered_503(desk: FrontDesk) -> None:
    disturb(desk, calls := Calls(lose=frozenset({4})))

    answer = desk.create(SMALL)

    assert calls.made[3] == "transact_write_items"
    assert (answer.status, answer.json["code"]) == (503, "unavailable")


@pytest.mark.acceptance(10)
def test_a_key_whose_first_request_still_writes_is_answered_409_and_later_finished(
    live_desk: FrontDesk, clock: ManualClock
) -> None:
    desk = live_desk
    disturb(desk, Calls(die_before=5))
    with pytest.raises(CrashError):
        desk.create(LARGE, key="k")
    calm(desk)

    clock.advance(30)
    early = desk.create(LARGE, key="k")
    clock.advance(29)
    soon = desk.create(LARGE, key="k")
    clock.advance(2)
    late = desk.create(LARGE, key="k")

    assert (early.status, early.json["code"], early.headers["retry-after"]) == (409, "idempotency_in_progress", "5")
    assert early.json["retryable"] is True
    assert soon.headers["retry-after"] == "1"
    assert late.status == 202
    assert late.headers["idempotent-replayed"] == "true"
    assert len(desk.messages()) == LARGE


def test_a_job_stands_when_the_queue_cannot_be_reached_and_a_replay_goes_on_with_it(desk: FrontDesk) -> None:
    class DeadQueue:
        def send_message_batch(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch")

    desk.sqs = DeadQueue()
    first = desk.create(SMALL, key="k")
    assert first.status == 202
    assert desk.ledger(first.headers["location"]).cursor == 0

    calm(desk)
    desk.create(SMALL, key="k")

    assert len(desk.messages()) == SMALL
    assert desk.ledger(first.headers["location"]).cursor == SMALL


def test_the_first_answer_is_replayed_when_somebody_took_the_ledger_away_by_hand(desk: FrontDesk) -> None:
    first = desk.create(1, key="k")
    desk.table.client.delete_item(
        TableName=desk.table.name,
        Key={"pk": {"S": f"PROJECT#{desk.project[4:]}"}, "sk": {"S": f"JOB#{first.json['id'][4:]}"}},
    )

    assert desk.create(1, key="k").content == first.content


@pytest.mark.acceptance(10)
def test_a_job_in_intake_is_absent_from_every_route(live_desk: FrontDesk) -> None:
    desk = live_desk
    disturb(desk, Calls(die_before=5))
    with pytest.raises(CrashError):
        desk.create(LARGE, key="k")
    calm(desk)
    rows = DynamoTable(desk.table.client, desk.table.name).query(f"PROJECT#{desk.project[4:]}", prefix="JOB#")
    (hidden,) = [f"{desk.jobs}/job_{row['sk'][4:]}" for row in rows]

    client = desk.client()
    assert [client.get(f"{hidden}{rest}").status for rest in ("", "/items", "/items/1", "/results")] == [404] * 4
    assert client.post(f"{hidden}/process-next").status == 404
    for status in (None, "active", "queued"):
        assert client.get(desk.jobs, query={"status": status} if status else {}).json["items"] == []


@pytest.mark.acceptance(40)
@pytest.mark.parametrize("role", [None, "viewer"])
def test_nothing_is_created_when_the_membership_goes_while_the_request_is_read(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch, role: str | None
) -> None:
    desk.join("erin", "editor")
    read = SubmissionReader.read

    def slow(reader: SubmissionReader, *arguments: Any, **options: Any) -> Submission:
        projects = desk.services().projects
        if role is None:
            projects.remove_member(desk.project, "erin")
        else:
            desk.join("erin", role)
        return read(reader, *arguments, **options)

    monkeypatch.setattr(SubmissionReader, "read", slow)

    answer = desk.client("erin").post(desk.jobs, body_of(), headers={"Idempotency-Key": "k"})

    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert desk.client().get(desk.jobs).json["items"] == []
    assert desk.messages() == []
