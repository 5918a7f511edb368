"""process-next: one item a call at most, whoever else works."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ResponseStreamingError

from functions.api.invoker import LambdaInvoker
from shared.contracts.messages import LaneMessage
from shared.errors import ErrorCode, RequestError, item_error
from shared.jobs.statuses import CancelReason, PauseReason
from tests.support.clock import START, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer


class ActingClock(ManualClock):
    """A clock during whose sleeps other things happen."""

    def __init__(self) -> None:
        super().__init__(START)
        self.during: dict[int, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.during.get(len(self.slept), lambda: None)()


@pytest.fixture
def clock() -> ActingClock:
    return ActingClock()


@pytest.fixture
def driven(desk: FrontDesk) -> FrontDesk:
    """An api whose processor works at once when it is invoked."""
    desk.invoker.run = desk.workshop.advance
    return desk


def next_of(desk: FrontDesk, job: str, **body: Any) -> HttpAnswer:
    return desk.client().post(f"{job}/process-next", body or None)


def hold(desk: FrontDesk, job: str, lane: int = 0) -> Any:
    return desk.workshop.processor().settler.claimer.acquire(desk.workshop.message(desk.ledger(job), lane))


@pytest.mark.acceptance(23)
def test_a_job_is_driven_to_its_end_one_item_a_call(driven: FrontDesk) -> None:
    job = driven.job(3, options={"drive": "client"})

    for position in (1, 2, 3):
        answer = next_of(driven, job)
        assert answer.status == 200
        assert answer.json["outcome"] == "processed"
        assert (answer.json["item"]["position"], answer.json["item"]["status"]) == (position, "completed")
        assert answer.json["item"]["output"]["title"]
        assert answer.json["job"]["progress"]["done"] == position
        assert answer.json["retry_after_seconds"] == 0
    done = next_of(driven, job)

    assert (done.status, done.json["outcome"], done.json["item"]) == (200, "done", None)
    assert len(driven.invoker.asked) == len(driven.workshop.claude.calls) == 3


def test_the_processor_is_asked_for_exactly_the_lanes_next_item(driven: FrontDesk) -> None:
    job = driven.job(3, options={"item_timeout_seconds": 60, "budget_usd": 5})
    next_of(driven, job)
    next_of(driven, job)

    ledger = driven.ledger(job)
    assert driven.invoker.asked == [
        LaneMessage(driven.project, ledger.job_id, 0, 0, 60, est=ledger.est_microusd, next=index) for index in (0, 1)
    ]


def test_a_failed_item_is_processed_too(driven: FrontDesk) -> None:
    job = driven.job(1)
    driven.workshop.claude.errors[1].append(item_error(ErrorCode.REFUSED, "No."))

    answer = next_of(driven, job)

    assert (answer.status, answer.json["item"]["error"]["code"]) == (200, "refused")


@pytest.mark.acceptance(23)
def test_the_answer_waits_for_an_item_that_takes_its_time(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)
    clock.during[4] = lambda: desk.settle(job)

    answer = next_of(desk, job)

    assert (answer.status, answer.json["outcome"]) == (200, "processed")
    assert len(clock.slept) == 4


@pytest.mark.acceptance(23)
@pytest.mark.acceptance(39)
def test_the_answer_comes_in_time_with_the_item_that_still_runs(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)
    desk.invoker.run = lambda _: hold(desk, job)

    answer = next_of(desk, job)

    assert answer.status == 202
    assert answer.json["outcome"] == "in_progress"
    assert (answer.json["item"]["position"], answer.json["item"]["status"]) == (1, "processing")
    assert answer.headers["retry-after"] == str(answer.json["retry_after_seconds"]) == "2"
    assert sum(clock.slept) == pytest.approx(20, abs=0.01)


def test_the_wait_is_what_was_asked_and_never_reaches_the_gateways_limit(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)

    next_of(desk, job, wait_seconds=1)
    assert sum(clock.slept) == pytest.approx(1, abs=0.01)
    clock.slept.clear()
    at_once = next_of(desk, job, wait_seconds=0)
    assert (clock.slept, at_once.status, at_once.json["item"]["status"]) == ([], 202, "queued")
    desk.client(milliseconds_left=5_000).post(f"{job}/process-next", {"wait_seconds": 25})
    assert sum(clock.slept) == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("wait", [-1, 26, "1", 1.5, True, None])
def test_a_wait_out_of_bounds_is_refused_and_nothing_is_started(desk: FrontDesk, wait: object) -> None:
    answer = desk.client().post(f"{desk.job()}/process-next", {"wait_seconds": wait})

    assert list(answer.pointers) == ["/wait_seconds"]
    assert desk.invoker.asked == []


def test_a_lost_invocation_costs_a_second_call_and_nothing_else(desk: FrontDesk) -> None:
    job = desk.job(1)

    lost = next_of(desk, job, wait_seconds=2)
    desk.invoker.run = desk.workshop.advance
    found = next_of(desk, job)

    assert (lost.status, lost.json["item"]["status"], lost.headers["retry-after"]) == (202, "queued", "1")
    assert found.json["outcome"] == "processed"


@pytest.mark.acceptance(23)
def test_a_doubled_invocation_processes_one_item(desk: FrontDesk) -> None:
    job = desk.job(3)

    def twice(message: LaneMessage) -> None:
        desk.workshop.advance(message)
        desk.workshop.advance(message)

    desk.invoker.run = twice
    next_of(desk, job)

    assert desk.ledger(job).completed == 1
    assert len(desk.workshop.claude.calls) == 1


def test_the_call_returns_early_when_the_item_is_put_back(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.OVERLOADED, "Busy.", retry_after_seconds=30))
    desk.invoker.run = desk.workshop.advance

    answer = next_of(desk, job)
    waiting = next_of(desk, job)

    assert len(clock.slept) == 1
    assert (answer.status, answer.json["item"]["status"]) == (202, "queued")
    assert 28 <= int(answer.headers["retry-after"]) <= 31
    assert (waiting.status, waiting.json["item"]) == (202, None)
    assert len(desk.invoker.asked) == 1


def test_the_longest_wait_asked_of_a_client_is_a_minute(desk: FrontDesk) -> None:
    job = desk.job(2)
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.OVERLOADED, "Busy.", retry_after_seconds=600))
    desk.invoker.run = desk.workshop.advance

    assert next_of(desk, job).headers["retry-after"] == "60"


def test_another_lane_is_taken_when_one_is_busy_or_waits(driven: FrontDesk) -> None:
    job = driven.job(4, options={"concurrency": 2})
    hold(driven, job, 0)

    for position in (2, 4):
        assert next_of(driven, job).json["item"]["position"] == position
    busy = next_of(driven, job)

    assert (busy.status, busy.json["item"], busy.headers["retry-after"]) == (202, None, "2")


def test_a_dead_workers_lane_is_free_when_its_lease_is_over(driven: FrontDesk, clock: ActingClock) -> None:
    job = driven.job(1)
    hold(driven, job)
    clock.advance(136)

    answer = next_of(driven, job)

    assert answer.json["outcome"] == "processed"
    assert answer.json["item"]["attempts"][0]["possible_duplicate_spend"] is True


def test_a_paused_job_answers_409_with_its_status(driven: FrontDesk) -> None:
    job = driven.job(2)
    hold(driven, job)
    driven.ledgers.pause(driven.ledger(job), reason=PauseReason.USER, actor="t")

    answer = next_of(driven, job)

    assert answer.status == 409
    assert (answer.json["code"], answer.json["job_status"], answer.json["status"]) == (
        "illegal_transition",
        "pausing",
        409,
    )


def test_a_cancelling_job_answers_202_and_a_cancelled_one_done(driven: FrontDesk) -> None:
    job = driven.job(2)
    hold(driven, job)
    driven.ledgers.cancel(driven.ledger(job), reason=CancelReason.USER, actor="t")

    cancelling = next_of(driven, job)
    assert (cancelling.status, cancelling.json["item"]) == (202, None)
    driven.ledgers.close(driven.ledger(job), lane=0, now=START + timedelta(seconds=200), actor="t")
    closed = next_of(driven, job)
    driven.workshop.finalizer().close(driven.ledger(job))
    cancelled = next_of(driven, job)

    assert closed.status == 202
    assert (cancelled.status, cancelled.json["outcome"]) == (200, "done")
    assert driven.invoker.asked == []


def test_the_call_returns_when_the_job_is_paused_under_it(desk: FrontDesk, clock: ActingClock) -> None:
    job = desk.job(2)
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.BILLING, "No credit."))
    desk.invoker.run = desk.workshop.advance

    answer = next_of(desk, job)

    assert (answer.status, answer.json["job"]["pause_reason"]) == (202, "billing")
    assert next_of(desk, job).status == 409
    assert len(clock.slept) == 1


def test_the_call_says_done_when_the_job_ends_under_it(desk: FrontDesk) -> None:
    job = desk.job(2)

    def cancel(_: LaneMessage) -> None:
        desk.ledgers.cancel(desk.ledger(job), reason=CancelReason.USER, actor="t")
        desk.workshop.finalizer().close(desk.ledger(job))

    desk.invoker.run = cancel

    assert next_of(desk, job).json["outcome"] == "done"


def test_a_later_generation_is_driven_by_its_own_list(driven: FrontDesk) -> None:
    job = driven.job(4)
    driven.workshop.claude.errors[3].append(item_error(ErrorCode.REFUSED, "No."))
    driven.finish(job)
    ledger = driven.ledger(job)
    if ledger.notified_generation < ledger.generation:
        ledger = driven.ledgers.notified(ledger, actor="t")
    driven.ledgers.retry(
        ledger,
        work=[[3]],
        errors={},
        firsts={},
        deadline_at=None,
        usage_period="2026-11",
        now=START,
        check_at=START,
        actor="t",
    )

    answer = next_of(driven, job)

    assert (answer.json["item"]["position"], answer.json["item"]["status"]) == (3, "completed")


def test_a_processor_that_cannot_be_started_is_told() -> None:
    class Refusing:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def invoke(self, **_: Any) -> dict[str, Any]:
            if isinstance(self.error, ResponseStreamingError):
                return {"Payload": self}
            raise self.error

        def read(self) -> bytes:
            raise self.error

    message = LaneMessage("p", "j", 0, 0, 5)
    for error in (
        ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"),
        EndpointConnectionError(endpoint_url="https://lambda"),
        ResponseStreamingError(error="the connection was reset"),
    ):
        with pytest.raises(RequestError) as caught:
            LambdaInvoker(lambda error=error: Refusing(error), "processor").invoke(message)  # type: ignore[misc, arg-type]
        assert (caught.value.status, caught.value.retry_after_seconds) == (503, 1)


def test_the_processor_is_invoked_asynchronously_with_the_message() -> None:
    class Recording:
        asked: dict[str, Any]
        payload = io.BytesIO(b"{}")

        def invoke(self, **request: Any) -> dict[str, Any]:
            self.asked = request
            return {"StatusCode": 202, "Payload": self.payload}

    client, message = Recording(), LaneMessage("p", "j", 0, 0, 5, next=3)

    LambdaInvoker(lambda: client, "processor").invoke(message)  # type: ignore[arg-type, return-value]

    assert client.asked == {
        "FunctionName": "processor",
        "InvocationType": "Event",
        "Payload": message.to_json().encode(),
    }
    assert client.payload.read() == b""  # read to its end: the connection is free again
