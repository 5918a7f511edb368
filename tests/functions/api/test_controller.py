"""Pause, resume and cancel: the contract's table, what each costs, and what a lost answer does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.api.controller import Control, Verdict, verdict_on
from shared.errors import ErrorCode, item_error
from shared.jobs.ids import JOB, new_id
from shared.jobs.statuses import FINAL, CancelReason, JobStatus, PauseReason
from shared.store.keys import ledger_key
from tests.support.clock import START, ManualClock
from tests.support.crashing import Calls, watched
from tests.support.ledgers import make_lane, make_ledger

if TYPE_CHECKING:
    from shared.store.attributes import Row
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer

ENDED = ("cancelled", "completed", "failed", "partially_failed")
STATUSES = ("queued", "processing", "paused", "cancelling", *ENDED)
ALLOWED = {
    ("cancel", "queued"): "cancelling",
    ("cancel", "processing"): "cancelling",
    ("cancel", "paused"): "cancelling",
    ("cancel", "cancelling"): "cancelling",
    ("cancel", "cancelled"): "cancelled",
    ("pause", "queued"): "paused",
    ("pause", "processing"): "paused",
    ("pause", "paused"): "paused",
    ("resume", "processing"): "processing",
    ("resume", "paused"): "processing",
}
"""The contract: what is asked, in which status, and the status after; everything else is 409."""
UNCHANGED = {("cancel", "cancelling"), ("cancel", "cancelled"), ("pause", "paused"), ("resume", "processing")}


def hold(desk: FrontDesk, job: str, lane: int = 0) -> Any:
    """A worker takes a lane; its claim."""
    return desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job), lane))


def reach(desk: FrontDesk, status: str, **changes: Any) -> str:
    """The path of a job in that status."""
    claude = desk.workshop.claude
    if status in {"failed", "partially_failed"}:
        for position in (1, 2) if status == "failed" else (2,):
            claude.errors[position].append(item_error(ErrorCode.REFUSED, "No."))
    job = desk.job(2, options={"concurrency": 1, **changes})
    if status == "processing":
        desk.settle(job)
    elif status == "paused":
        desk.client().post(f"{job}/pause")
    elif status == "cancelling":
        hold(desk, job)
        desk.client().post(f"{job}/cancel")
    elif status == "cancelled":
        desk.client().post(f"{job}/cancel")
        desk.workshop.finalizer().close(desk.ledger(job))
    elif status in ENDED:
        desk.finish(job)
    assert desk.ledger(job).status == status
    return job


def row(desk: FrontDesk, job: str) -> Row | None:
    return desk.store().get(ledger_key(desk.project, job.rpartition("/")[2]), consistent=True)


def ask(desk: FrontDesk, job: str, what: str, body: object = None) -> HttpAnswer:
    return desk.client().post(f"{job}/{what}", body)


# ----------------------------------------------------------------------------------------- what is allowed when


@pytest.mark.acceptance(25)
@pytest.mark.acceptance(27)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("what", list(Control))
def test_every_step_in_every_status_does_what_the_contract_says(desk: FrontDesk, what: str, status: str) -> None:
    job = reach(desk, status)
    before = row(desk, job)

    answer = ask(desk, job, what)

    after = ALLOWED.get((what, status))
    if after is None:
        assert answer.status == 409
        assert (answer.json["code"], answer.json["job_status"]) == ("illegal_transition", status)
        assert answer.json["retryable"] is False
        assert row(desk, job) == before
        return
    assert (answer.status, answer.json["status"]) == (200, after)
    assert answer.headers["etag"] == f'"{answer.json["version"]}-{after}-{answer.json["id"][-8:]}"'
    assert (row(desk, job) == before) is ((what, status) in UNCHANGED)


@pytest.mark.acceptance(25)
@pytest.mark.parametrize("what", list(Control))
def test_repeating_what_holds_changes_nothing(desk: FrontDesk, what: str) -> None:
    job = reach(desk, "paused" if what == "resume" else "processing")
    first = ask(desk, job, what)
    once = row(desk, job)

    second = ask(desk, job, what)

    assert (first.status, second.status) == (200, 200)
    assert row(desk, job) == once
    assert second.json == first.json


def test_a_job_with_nothing_left_to_do_cannot_be_paused_any_more(desk: FrontDesk) -> None:
    job = desk.job(1)
    desk.settle(job)

    answer = ask(desk, job, "pause")

    assert (answer.status, answer.json["job_status"]) == (409, "processing")
    assert answer.json["detail"] == "The job has nothing left to do: it cannot be paused."


@pytest.mark.parametrize("status", JobStatus)
def test_a_final_job_is_written_by_none_of_them(status: JobStatus) -> None:
    ledger = make_ledger(make_lane(), status=status)

    verdicts = {verdict_on(control, ledger) for control in Control}

    assert (Verdict.WRITE in verdicts) is (status not in FINAL | {JobStatus.CANCELLING, JobStatus.INTAKE})


@pytest.mark.parametrize("what", [*Control, "retry"])
@pytest.mark.parametrize("job", ["job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "nonsense"])
def test_a_job_that_does_not_exist_is_404(desk: FrontDesk, what: str, job: str) -> None:
    answer = ask(desk, f"{desk.jobs}/{job}", what)

    assert (answer.status, answer.json["detail"]) == (404, "The project has no such job.")


def test_who_asked_stands_on_the_ledger(desk: FrontDesk) -> None:
    desk.join("erin", "editor")
    job = desk.job()

    desk.client("erin").post(f"{job}/pause")

    assert desk.ledger(job).actor == "user:erin"


# -------------------------------------------------------------------------------------------- pausing and resuming


@pytest.mark.acceptance(25)
def test_pause_shows_the_drain_and_starts_nothing_until_the_job_is_resumed(desk: FrontDesk) -> None:
    job = desk.job(3)
    held = hold(desk, job)

    pausing = ask(desk, job, "pause").json["status"]
    late = desk.workshop.advance(desk.workshop.message(desk.ledger(job)))
    settler = desk.workshop.processor().settler
    desk.ledgers.put_back(
        held.ledger,
        lane=0,
        token=held.lease.token,
        not_before=START,
        attempt=None,
        position=1,
        actor=settler.claimer.actor,
    )
    paused = desk.client().get(job).json
    resumed = ask(desk, job, "resume").json
    desk.finish(job)

    assert (pausing, paused["status"], paused["pause_reason"]) == ("pausing", "paused", "user")
    assert late.reason == "the job is paused"
    assert (resumed["status"], resumed["pause_reason"]) == ("processing", None)
    assert desk.client().get(job).json["status"] == "completed"


@pytest.mark.acceptance(25)
def test_resume_voids_old_messages_and_sends_one_batch_of_new_ones(desk: FrontDesk) -> None:
    job = desk.job(25, options={"concurrency": 4})
    old = desk.messages()
    ask(desk, job, "pause")

    ask(desk, job, "resume")

    new = desk.messages()
    assert (len(old), len(new)) == (25, 10)
    assert {message["epoch"] for message in old} == {0}
    assert {message["epoch"] for message in new} == {1}
    assert sorted({message["lane"] for message in new}) == [0, 1, 2, 3]
    assert desk.workshop.advance(desk.workshop.message(desk.ledger(job))).reason == "item 1 completed"


def test_a_client_driven_job_is_not_dispatched_when_it_is_resumed(desk: FrontDesk) -> None:
    job = reach(desk, "paused", drive="client")

    ask(desk, job, "resume")

    assert desk.messages() == []
    assert desk.ledger(job).cursor == 0


def test_a_resume_that_could_not_fill_the_queue_is_finished_by_its_repeat(desk: FrontDesk) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise EndpointConnectionError(endpoint_url="https://sqs")

    job = reach(desk, "paused")
    desk.messages()
    sqs, desk.sqs = desk.sqs, Broken()
    first = ask(desk, job, "resume")
    nothing = desk.messages()
    desk.sqs = sqs

    second = ask(desk, job, "resume")

    assert (first.status, nothing) == (200, [])
    assert second.status == 200
    assert len(desk.messages()) == 2
    assert desk.ledger(job).epoch == 1


@pytest.mark.parametrize("what", ["resume", "cancel"])
def test_the_sweeper_looks_within_a_minute_at_a_job_that_it_had_put_off(
    desk: FrontDesk, clock: ManualClock, what: str
) -> None:
    job = reach(desk, "paused")
    ledger = desk.ledger(job)
    desk.ledgers.look(ledger, new=START + timedelta(days=1))
    clock.advance(3600)

    ask(desk, job, what)

    assert desk.ledger(job).check_at == clock.now() + timedelta(seconds=60)


@pytest.mark.acceptance(18)
def test_a_job_that_an_account_error_paused_goes_on_when_it_is_resumed(desk: FrontDesk, clock: ManualClock) -> None:
    job = desk.job(3)
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.AUTHENTICATION, "invalid x-api-key", http_status=401))
    desk.settle(job)
    paused = desk.client().get(job).json

    resumed = ask(desk, job, "resume")
    clock.advance(2)
    desk.finish(job)

    assert (paused["status"], paused["pause_reason"]) == ("paused", "authentication")
    assert paused["counts"]["queued"] == 3
    assert resumed.status == 200
    view = desk.client().get(job).json
    assert (view["status"], view["counts"]["completed"]) == ("completed", 3)
    assert desk.client().get(f"{job}/items/1").json["attempts"][0]["number"] == 1


# ------------------------------------------------------------------------------------------------------- the budget


def test_resume_raises_the_budget_and_every_view_shows_it(desk: FrontDesk) -> None:
    job = reach(desk, "paused", budget_usd=1)

    resumed = ask(desk, job, "resume", {"budget_usd": 2.5})
    ask(desk, job, "pause")
    again = ask(desk, job, "resume", {"budget_usd": 3})

    assert resumed.json["options"]["budget_usd"] == 2.5
    assert again.json["options"]["budget_usd"] == 3
    ledger = desk.ledger(job)
    assert (ledger.raised_microusd, ledger.headroom_microusd) == (2_000_000, 3_000_000)
    assert desk.client().get(desk.jobs).json["items"][0]["options"]["budget_usd"] == 3


@pytest.mark.acceptance(25)
def test_a_job_whose_budget_ran_out_goes_on_when_it_is_raised(desk: FrontDesk) -> None:
    job = desk.job(2, options={"budget_usd": 0.000001})
    desk.settle(job)
    paused = desk.client().get(job).json

    ask(desk, job, "resume", {"budget_usd": 100})
    desk.finish(job)

    assert (paused["status"], paused["pause_reason"]) == ("paused", "budget_exhausted")
    ledger = desk.ledger(job)
    assert ledger.status is JobStatus.COMPLETED
    assert ledger.headroom_microusd == 100_000_000 - ledger.cost_microusd


@pytest.mark.parametrize("budget", [1, 0.5, 0.000001])
def test_a_budget_that_raises_nothing_is_refused_and_nothing_changes(desk: FrontDesk, budget: float) -> None:
    job = reach(desk, "paused", budget_usd=1)
    before = row(desk, job)

    answer = ask(desk, job, "resume", {"budget_usd": budget})

    assert answer.status == 422
    assert answer.pointers == {"/budget_usd": "must be more than the present budget of 1.0"}
    assert row(desk, job) == before


@pytest.mark.parametrize("status", ["paused", "processing", "completed"])
def test_a_job_without_a_budget_cannot_be_given_one(desk: FrontDesk, status: str) -> None:
    job = reach(desk, status)

    for what in ("resume", "retry"):
        answer = ask(desk, job, what, {"budget_usd": 5})

        assert answer.status == 422
        assert list(answer.pointers) == ["/budget_usd"]


@pytest.mark.parametrize("budget", [0, -1, "5", True, 1_000_001])
def test_a_budget_that_is_none_is_refused(desk: FrontDesk, budget: object) -> None:
    job = reach(desk, "paused", budget_usd=1)

    assert list(ask(desk, job, "resume", {"budget_usd": budget}).pointers) == ["/budget_usd"]


def test_a_repeated_raise_of_a_job_that_runs_again_is_harmless(desk: FrontDesk) -> None:
    job = reach(desk, "paused", budget_usd=1)

    answers = [ask(desk, job, "resume", {"budget_usd": 2}) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert desk.ledger(job).raised_microusd == 1_000_000


# -------------------------------------------------------------------------------------------------------- cancelling


@pytest.mark.acceptance(26)
def test_cancel_keeps_what_is_in_flight_and_counts_the_rest_apart(desk: FrontDesk) -> None:
    job = desk.job(6, options={"concurrency": 2})
    desk.settle(job, 0)
    seen: list[dict[str, Any]] = []

    def cancel_meanwhile(_: str) -> None:
        if not seen:
            seen.append(ask(desk, job, "cancel").json)
            late = desk.workshop.advance(desk.workshop.message(desk.ledger(job), 1))
            assert late.reason == "the job is cancelling"

    desk.workshop.claude.during = cancel_meanwhile
    desk.settle(job, 0)
    desk.workshop.finalizer().close(desk.ledger(job))

    assert (seen[0]["status"], seen[0]["cancel_reason"]) == ("cancelling", "user")
    assert seen[0]["counts"] | {"total": 6} == {
        "total": 6,
        "queued": 0,
        "processing": 1,
        "completed": 1,
        "failed": 0,
        "cancelled": 4,
    }
    view = desk.client().get(job).json
    assert (view["status"], view["progress"]["percent"]) == ("cancelled", 100)
    assert (view["counts"]["completed"], view["counts"]["cancelled"]) == (2, 4)
    assert [item["status"] for item in desk.client().get(f"{job}/items").json["items"]] == [
        "completed",
        "cancelled",
        "completed",
        "cancelled",
        "cancelled",
        "cancelled",
    ]
    assert len(desk.workshop.claude.calls) == 2


def counted(desk: FrontDesk, job: str, what: str) -> list[str]:
    """The calls to AWS that one request makes."""
    calls = Calls()
    dynamodb, sqs = desk.dynamodb, desk.sqs
    desk.dynamodb, desk.sqs = watched(dynamodb, calls), watched(sqs, calls)
    assert ask(desk, job, what).status == 200
    desk.dynamodb, desk.sqs = dynamodb, sqs
    return calls.made


@pytest.mark.acceptance(26)
@pytest.mark.acceptance(25)
def test_a_thousand_items_are_paused_resumed_and_cancelled_in_as_many_calls_as_ten(live_desk: FrontDesk) -> None:
    small, large = (live_desk.job(items, options={"concurrency": 4}) for items in (10, 1_000))

    made = {
        job: {what: counted(live_desk, job, what) for what in ("pause", "resume", "cancel")} for job in (small, large)
    }

    assert made[small] == made[large]
    assert {what: len(calls) for what, calls in made[large].items()} == {"pause": 4, "resume": 6, "cancel": 4}
    assert live_desk.ledger(large).counts.cancelled == 1_000


# ------------------------------------------------------------------------------------- lost answers, races, bulk


@pytest.mark.parametrize(
    ("what", "start", "status", "write"),
    [
        ("pause", "processing", "paused", 3),
        ("cancel", "paused", "cancelling", 3),
        ("resume", "paused", "processing", 4),
    ],
)
def test_a_lost_answer_is_no_refusal(desk: FrontDesk, what: str, start: str, status: str, write: int) -> None:
    job = reach(desk, start, budget_usd=1)
    version = desk.ledger(job).version
    calls = Calls(lose=frozenset({write}))
    dynamodb, desk.dynamodb = desk.dynamodb, watched(desk.dynamodb, calls)

    answer = ask(desk, job, what, {"budget_usd": 4} if what == "resume" else None)

    desk.dynamodb = dynamodb
    assert calls.made[write - 1 : write + 1] == ["update_item"] * 2
    assert (answer.status, answer.json["status"]) == (200, status)
    assert desk.ledger(job).version == version + (2 if what == "resume" else 1)  # the cursor is a write of its own
    assert desk.ledger(job).raised_microusd == (3_000_000 if what == "resume" else 0)


@pytest.mark.acceptance(25)
def test_a_job_that_changes_between_the_decision_and_the_write_is_decided_anew(desk: FrontDesk) -> None:
    job = desk.job()
    controller = desk.services().controller
    seen = desk.ledger(job)
    desk.ledgers.cancel(seen, reason=CancelReason.USER, actor="t")

    verdict, ledger = controller._decide(
        Control.PAUSE, seen, lambda stale: desk.ledgers.pause(stale, reason=PauseReason.USER, actor="t")
    )

    assert verdict is Verdict.REFUSED
    assert ledger is not None
    assert ledger.status is JobStatus.CANCELLING


@pytest.mark.acceptance(25)
def test_one_epoch_begins_when_twenty_resume_at_once(live_desk: FrontDesk) -> None:
    job = reach(live_desk, "paused", budget_usd=1)
    answers: list[HttpAnswer] = []
    gate = threading.Barrier(20)

    def resume() -> None:
        gate.wait()
        answers.append(ask(live_desk, job, "resume", {"budget_usd": 2}))

    threads = [threading.Thread(target=resume) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status for answer in answers] == [200] * 20
    ledger = live_desk.ledger(job)
    assert (ledger.epoch, ledger.raised_microusd, ledger.headroom_microusd) == (1, 1_000_000, 2_000_000)
    assert len(live_desk.messages()) == 2 + 2  # the creation's, and one batch


def bulk(desk: FrontDesk, *paths: str) -> HttpAnswer:
    return desk.client().post(f"{desk.jobs}/cancel", {"job_ids": [path.rpartition("/")[2] for path in paths]})


@pytest.mark.acceptance(27)
def test_bulk_cancel_tells_what_became_of_each_job(desk: FrontDesk) -> None:
    jobs = {status: reach(desk, status) for status in STATUSES}
    absent = new_id(JOB, START)
    final = {job: row(desk, job) for status, job in jobs.items() if status in ENDED}

    answer = bulk(desk, *jobs.values(), absent, "nonsense")

    told = {entry["job_id"]: entry["result"] for entry in answer.json["results"]}
    assert answer.status == 200
    assert [told[jobs[status].rpartition("/")[2]] for status in STATUSES] == ["cancelled"] * 4 + ["already_final"] * 4
    assert (told[absent], told["nonsense"]) == ("not_found", "not_found")
    assert answer.json["summary"] == {"cancelled": 4, "already_final": 4, "not_found": 2}
    assert {job: row(desk, job) for job in final} == final
    assert {desk.ledger(jobs[status]).status for status in STATUSES[:4]} == {JobStatus.CANCELLING}


@pytest.mark.acceptance(27)
def test_bulk_cancel_changes_nothing_when_it_is_repeated(desk: FrontDesk) -> None:
    jobs = [reach(desk, status) for status in ("queued", "cancelling", "completed")]
    first = bulk(desk, *jobs)
    rows = [row(desk, job) for job in jobs]

    second = bulk(desk, *jobs)

    assert second.json == first.json
    assert [row(desk, job) for job in jobs] == rows


def test_a_job_that_is_named_twice_counts_once(desk: FrontDesk) -> None:
    job = desk.job()

    answer = bulk(desk, job, job)

    assert len(answer.json["results"]) == 1
    assert answer.json["summary"] == {"cancelled": 1, "already_final": 0, "not_found": 0}


@pytest.mark.acceptance(27)
def test_bulk_cancel_takes_as_many_jobs_as_the_limit_says(desk: FrontDesk) -> None:
    desk.settings = {"bulk_cancel_max": 2}
    jobs = [desk.job() for _ in range(3)]

    refused, taken = bulk(desk, *jobs), bulk(desk, *jobs[:2])

    assert refused.pointers == {"/job_ids": "3 jobs; at most 2 are cancelled at once"}
    assert taken.json["summary"]["cancelled"] == 2
    assert desk.ledger(jobs[2]).status is JobStatus.QUEUED


def test_bulk_cancel_of_another_projects_job_finds_none(desk: FrontDesk) -> None:
    job = desk.job()
    other = desk.client().post("/v1/projects", {"name": "Other"}).json["id"]

    answer = desk.client().post(f"/v1/projects/{other}/jobs/cancel", {"job_ids": [job.rpartition("/")[2]]})

    assert answer.json["summary"] == {"cancelled": 0, "already_final": 0, "not_found": 1}
    assert desk.ledger(job).status is JobStatus.QUEUED


@pytest.mark.parametrize("ids", [[], None, "job", [1], ["x" * 101]])
def test_bulk_cancel_wants_ids(desk: FrontDesk, ids: object) -> None:
    assert desk.client().post(f"{desk.jobs}/cancel", {"job_ids": ids}).status == 422
