"""What an operator types, on rows as the functions write them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest

from shared.clock import SystemClock
from shared.jobs.quotas import Amount
from shared.jobs.statuses import CancelReason, JobStatus
from shared.store.attributes import attributes
from shared.store.erasures import ErasureStore
from shared.store.keys import job_partition, ledger_key, spec_key
from shared.store.projects import Project, ProjectStore
from shared.store.usages import UsageStore
from shared.turns.claiming import Held
from tests.support.clock import ManualClock
from tests.support.workshop import Workshop

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from tests.pressroom.cli.conftest import Command
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def workshop(moto_table: TableHandle, moto_work_queue: QueueHandle, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A deployment whose jobs were made ten minutes ago."""
    monkeypatch.setenv("PRESSROOM_TABLE_NAME", moto_table.name)
    monkeypatch.setenv("PRESSROOM_QUEUE_URL", moto_work_queue.url)
    topic = boto3.client("sns", region_name="us-east-1").create_topic(Name="jobs")["TopicArn"]
    monkeypatch.setenv("PRESSROOM_TOPIC_ARN", topic)
    clock = ManualClock(SystemClock().now() - timedelta(minutes=10))
    return Workshop.over(moto_table, moto_work_queue, clock=clock)


def wedged(workshop: Workshop) -> Ledger:
    """A job whose worker died, and whose messages are gone."""
    job = workshop.dispatch(workshop.job(3))
    while workshop.receive() is not None:
        pass
    held = workshop.processor().settler.claimer.acquire(workshop.message(job))
    assert isinstance(held, Held)
    return workshop.ledger(job)


def test_job_is_told_as_it_is_stored_when_it_is_inspected(workshop: Workshop, command: Command) -> None:
    job = wedged(workshop)
    lease = job.lanes[0].lease
    assert lease is not None

    ran = command("admin", "inspect", job.job_id)
    document = json.loads(command("admin", "inspect", job.job_id, "--json").out)

    assert ran.code == 0
    assert "status: processing" in ran.out
    assert "cursor: 3 of 3 that may be sent now" in ran.out
    assert lease.token in ran.out
    assert "the sweeper would: SendAgain(lane=0, count=3)" in ran.out
    assert document["ledger"]["lanes"]["0"]["lease"]["token"] == lease.token
    assert (document["cursor_limit"], document["sweeper_would"]) == (3, ["SendAgain(lane=0, count=3)"])
    assert workshop.ledger(job) == job


def test_mismatch_is_told_when_a_job_is_inspected(workshop: Workshop, command: Command) -> None:
    job = workshop.job(2)
    row = workshop.table.get(ledger_key(job.project_id, job.job_id))
    assert row is not None
    workshop.table.client.put_item(TableName=workshop.table.name, Item=attributes(row | {"open": 9}))

    assert "mismatch: open is 9" in command("admin", "inspect", job.job_id).err


@pytest.mark.acceptance(34)
def test_wedged_job_stops_when_an_operator_cancels_it(workshop: Workshop, command: Command) -> None:
    job = wedged(workshop)

    ran = command("admin", "cancel", job.job_id)

    assert (ran.code, ran.out) == (0, "")
    assert "its last lease ends at" in ran.err
    cancelled = workshop.ledger(job)
    assert (cancelled.status, cancelled.cancel_reason) == (JobStatus.CANCELLING, CancelReason.USER)
    assert cancelled.actor == "operator:alice"
    swept = command("admin", "sweep", "--json")
    assert json.loads(swept.out)["repaired"] == {"CloseLane": 1}
    workshop.finalizer().close(workshop.ledger(job))
    after = workshop.ledger(job)
    assert (after.status, after.counts.cancelled, after.held) == (JobStatus.CANCELLED, 3, 0)


@pytest.mark.acceptance(34)
def test_job_is_cancelled_by_its_project_when_its_spec_is_lost(workshop: Workshop, command: Command) -> None:
    job = workshop.job(2)
    key = {name: {"S": value} for name, value in spec_key(job.job_id).items()}
    workshop.table.client.delete_item(TableName=workshop.table.name, Key=key)

    assert command("admin", "cancel", job.job_id).code == 4
    assert command("admin", "cancel", job.job_id, "--project", job.project_id).code == 0

    assert workshop.ledger(job).status is JobStatus.CANCELLING


def test_cancel_is_refused_with_its_reason_when_the_job_has_ended(workshop: Workshop, command: Command) -> None:
    job = workshop.job(1)
    workshop.advance(workshop.message(job))
    workshop.finalizer().close(workshop.ledger(job))

    ran = command("admin", "cancel", job.job_id)

    assert ran.code == 4
    assert "is completed" in ran.err


def test_sweep_tells_what_it_did_when_it_is_run_by_hand(workshop: Workshop, command: Command) -> None:
    wedged(workshop)

    ran = command("admin", "sweep")

    assert (ran.code, ran.out) == (0, "REPAIR\tJOBS\nSendAgain\t1\n")
    assert "Jobs that were due: 1 looked at, 0 of them in vain. Rows erased: 0." in ran.err
    assert workshop.receive() is not None


@pytest.mark.parametrize("by", ["a person", "age"])
def test_sweep_erases_as_the_scheduled_run_does_when_it_is_run_by_hand(
    workshop: Workshop, command: Command, by: str
) -> None:
    workshop.clock = long_ago = ManualClock(SystemClock().now() - timedelta(days=2))
    job = workshop.job(2)
    for _ in range(2):
        workshop.advance(workshop.message(job))
    workshop.finalizer().close(workshop.ledger(job))
    if by == "a person":
        ErasureStore(workshop.table).delete_job(workshop.ledger(job), now=long_ago.now(), actor="user:test")

    runs = [("--retention-days", days) for days in ("0", "1", "1")]
    erased = [json.loads(command("admin", "sweep", "--json", *options).out)["erased"] for options in runs]

    # What is too old is deleted by one run, and erased by the next.
    gone = {"jobs": 1, "rows": 3}
    assert erased == ([gone, {}, {}] if by == "a person" else [{}, {"jobs_retired": 1}, gone])
    assert list(workshop.table.query(job_partition(job.job_id))) == []


def test_project_keeps_a_quota_of_its_own_until_the_default_holds_again(workshop: Workshop, command: Command) -> None:
    project_id = workshop.project_id
    ProjectStore(workshop.table).create(Project(project_id, "Blog", workshop.clock.now()), owner="alice")
    store, default = UsageStore(workshop.table), Amount(10, 10)

    shown = command("admin", "quota", project_id)
    command("admin", "quota", project_id, "--items", "5", "--usd", "2.5")
    assert store.quota(project_id, default) == Amount(5, 2_500_000)
    ran = command("admin", "quota", project_id, "--items", "6", "--json")
    assert store.quota(project_id, default) == Amount(6, 2_500_000)
    command("admin", "quota", project_id, "--default")

    assert store.quota(project_id, default) == default
    assert shown.out.splitlines()[1:] == ["items\tdefault\t0\t0", "usd\tdefault\t0.0\t0.0"]
    assert json.loads(ran.out)["items"] == {"own": 6, "reserved": 0, "used": 0}
    assert json.loads(ran.out)["usd"]["own"] == 2.5


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("quota", "tea"), 2),
        (("quota", "prj_01JDA4Y2Z7QK3M8N5P6R9S0T1V", "--items", "5"), 4),
        (("inspect", "tea"), 2),
        (("cancel", "job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "--project", "tea"), 2),
        (("inspect", "job_01JDA4Y3C0D1E2F3G4H5J6K7M8"), 4),
        (("inspect", "job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "--project", "prj_01JDA4Y2Z7QK3M8N5P6R9S0T1V"), 4),
        (("inspect", "job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "--table", "no-such-table"), 5),
    ],
)
@pytest.mark.usefixtures("workshop")
def test_command_ends_with_a_line_and_a_code_when_it_cannot_be_done(
    command: Command, arguments: tuple[str, ...], code: int
) -> None:
    ran = command("admin", *arguments)

    assert ran.code == code
    assert ran.err


def test_command_says_how_to_get_it_when_no_account_is_reached(command: Command) -> None:
    ran = command("admin", "inspect", "job_01JDA4Y3C0D1E2F3G4H5J6K7M8", "--table", "t")

    assert ran.code == 5
    assert "AWS credentials" in ran.err
