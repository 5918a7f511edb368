from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from pressroom.local.claude import CALLS_PATH, HEALTH_PATH, REFUSED_KEY, OfflineClaude
from pressroom.local.claude.server import MAX_BODY_BYTES, MESSAGES_PATH
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def claude() -> Iterator[OfflineClaude]:
    with OfflineClaude(clock=ManualClock()) as server:
        yield server


def address(claude: OfflineClaude) -> str:
    return claude.base_url.removeprefix("http://")


def call(
    claude: OfflineClaude, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection(address(claude), timeout=5)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        raw = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(raw) if raw else None, fields
    finally:
        connection.close()


def ask(claude: OfflineClaude, text: str = "Tea", *, key: str = "job_1:1:1") -> tuple[int, Any]:
    body = {
        "model": "m",
        "max_tokens": 5_000,
        "messages": [{"role": "user", "content": text}],
        "metadata": {"user_id": key},
    }
    status, document, _ = call(claude, "POST", MESSAGES_PATH, json.dumps(body).encode(), authorization="Bearer k")
    return status, document


def test_it_is_healthy(claude: OfflineClaude) -> None:
    assert call(claude, "GET", HEALTH_PATH)[:2] == (200, {"status": "ok"})


def test_it_listens_on_loopback_only(claude: OfflineClaude) -> None:
    assert claude.base_url.startswith("http://127.0.0.1:")


def test_it_lists_the_calls_it_received(claude: OfflineClaude) -> None:
    ask(claude, key="job_1:1:1")
    ask(claude, "[[claude: status=529]]", key="job_1:1:2")

    status, listed, _ = call(claude, "GET", CALLS_PATH)

    assert status == 200
    assert listed == {
        "items": [
            {"time": "2026-11-22T12:00:00.000Z", "key": "job_1:1:1", "status": 200},
            {"time": "2026-11-22T12:00:00.000Z", "key": "job_1:1:2", "status": 529},
        ]
    }


def test_a_thousand_calls_are_listed_in_one_page(claude: OfflineClaude) -> None:
    for number in range(1_000):
        claude.answered(claude.received(str(number)), 200)

    assert len(call(claude, "GET", CALLS_PATH)[1]["items"]) == 1_000


def test_the_list_can_be_emptied_and_goes_on(claude: OfflineClaude) -> None:
    before = claude.received("early")
    ask(claude)

    assert call(claude, "DELETE", CALLS_PATH)[:2] == (204, None)
    claude.answered(before, 200)
    ask(claude, key="later")

    assert [(one.key, one.status) for one in claude.calls] == [("later", 200)]


def test_emptying_the_list_does_not_bring_a_passed_fault_back(claude: OfflineClaude) -> None:
    text = "[[claude: status=529 times=1]]"
    assert ask(claude, text)[0] == 529

    claude.clear()

    assert ask(claude, text)[0] == 200


def test_a_request_without_a_key_counts_by_its_text(claude: OfflineClaude) -> None:
    text = "[[claude: status=529 times=1]]"

    assert [ask(claude, text, key="")[0] for _ in range(2)] == [529, 200]
    assert ask(claude, f"{text} another", key="")[0] == 529


def test_a_key_in_the_header_is_as_good(claude: OfflineClaude) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}).encode()
    call(claude, "POST", MESSAGES_PATH, body, **{"x-api-key": "k", "x-pressroom-item": "job_7:1:1"})

    assert [one.key for one in claude.calls] == ["job_7:1:1"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": f"Bearer {REFUSED_KEY}"}, {"x-api-key": REFUSED_KEY}, {"authorization": "Bearer "}],
)
def test_a_wrong_key_is_refused_and_listed(claude: OfflineClaude, headers: dict[str, str]) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}).encode()
    status, document, answered = call(claude, "POST", MESSAGES_PATH, body, **headers)

    assert (status, document["error"]["type"]) == (401, "authentication_error")
    assert document["request_id"] == answered["request-id"]
    assert [one.status for one in claude.calls] == [401]


def test_a_directive_that_makes_no_sense_is_a_bad_request(claude: OfflineClaude) -> None:
    status, document = ask(claude, "[[claude: explode]]")

    assert (status, document["error"]["type"]) == (400, "invalid_request_error")
    assert "explode" in document["error"]["message"]
    assert [one.status for one in claude.calls] == [400]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/nowhere", 404),
        ("DELETE", "/nowhere", 404),
        ("GET", MESSAGES_PATH, 405),
        ("POST", CALLS_PATH, 405),
        ("DELETE", HEALTH_PATH, 405),
    ],
)
def test_what_is_not_there_is_said(claude: OfflineClaude, method: str, path: str, status: int) -> None:
    assert call(claude, method, path, b"{}" if method == "POST" else None)[0] == status
    assert claude.calls == ()


@pytest.mark.parametrize(("length", "status"), [(None, 411), ("many", 411), (str(MAX_BODY_BYTES + 1), 413)])
def test_a_body_of_no_or_too_great_length_is_not_read(claude: OfflineClaude, length: str | None, status: int) -> None:
    connection = http.client.HTTPConnection(address(claude), timeout=5)
    connection.putrequest("POST", MESSAGES_PATH)
    if length is not None:
        connection.putheader("content-length", length)
    connection.endheaders()

    assert connection.getresponse().status == status
    connection.close()


def test_a_connection_is_kept(claude: OfflineClaude) -> None:
    connection = http.client.HTTPConnection(address(claude), timeout=5)
    connection.connect()
    socket = connection.sock
    for _ in range(3):
        connection.request("GET", HEALTH_PATH)
        connection.getresponse().read()
        assert connection.sock is socket
    connection.close()


def test_an_answer_takes_its_time_by_its_item() -> None:
    with OfflineClaude(latency_seconds=0.4) as slow:
        times = {slow.latency_seconds(f"job_1:1:{number}") for number in range(50)}
        again = slow.latency_seconds("job_1:1:7")

    assert again in times
    assert 0.2 <= min(times) < max(times) <= 0.6
    assert len(times) > 20


def test_without_latency_an_answer_comes_at_once(claude: OfflineClaude) -> None:
    assert claude.latency_seconds("any") == 0


def test_stopping_ends_a_call_that_hangs() -> None:
    claude = OfflineClaude()
    claude.start()
    ended: list[str] = []

    def hang() -> None:
        try:
            ask(claude, "[[claude: hang]]")
        except (OSError, http.client.HTTPException) as error:
            ended.append(type(error).__name__)

    thread = threading.Thread(target=hang)
    thread.start()
    while not claude.calls:
        time.sleep(0.01)
    claude.stop()
    thread.join(timeout=5)

    assert len(ended) == 1
    assert claude.calls[0].status is None


def test_stopping_closes_a_connection_that_is_idle() -> None:
    with OfflineClaude() as claude:
        connection = http.client.HTTPConnection(address(claude), timeout=5)
        connection.request("GET", HEALTH_PATH)
        connection.getresponse().read()

    assert connection.sock.recv(1) == b""
    connection.close()


def test_a_client_that_leaves_frees_the_thread_that_hung(claude: OfflineClaude) -> None:
    before = threading.active_count()
    connection = http.client.HTTPConnection(address(claude), timeout=0.3)
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "[[claude: hang]]"}],
    }
    connection.request("POST", MESSAGES_PATH, json.dumps(body), {"x-api-key": "k"})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()

    ends = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < ends:
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_many_clients_at_once_are_each_counted_once(claude: OfflineClaude) -> None:
    threads = [threading.Thread(target=ask, args=(claude,), kwargs={"key": f"k{n}"}) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.key for one in claude.calls) == sorted(f"k{n}" for n in range(40))
    assert {one.status for one in claude.calls} == {200}


def test_the_sdk_reads_a_streamed_answer(claude: OfflineClaude) -> None:
    request: dict[str, Any] = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 5_000,
        "messages": [{"role": "user", "content": "<topic>Tea</topic> about 400 words"}],
    }
    with anthropic.Anthropic(api_key="k", base_url=claude.base_url, max_retries=0) as sdk:
        whole = sdk.messages.create(**request)
        with sdk.messages.stream(**request) as stream:
            pieces = list(stream.text_stream)
            streamed = stream.get_final_message()

    assert len(pieces) > 3
    assert streamed.content[0].model_dump()["text"] == whole.content[0].model_dump()["text"] == "".join(pieces)
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.stop_reason == "end_turn"


@contextmanager
def streamed(claude: OfflineClaude, text: str, *, stream: bool = True) -> Iterator[http.client.HTTPResponse]:
    """An answer whose body is still to come; whoever leaves the block leaves it."""
    body = {"model": "m", "max_tokens": 5_000, "stream": stream, "messages": [{"role": "user", "content": text}]}
    connection = http.client.HTTPConnection(address(claude), timeout=5)
    connection.request("POST", MESSAGES_PATH, json.dumps(body | {"metadata": {"user_id": "k1"}}), {"x-api-key": "k"})
    answer = connection.getresponse()
    yield answer
    answer.close()
    connection.close()


def test_a_streamed_answer_takes_the_time_that_was_asked_for(claude: OfflineClaude) -> None:
    started = time.monotonic()
    with streamed(claude, "Tea [[claude: write=0.8]]") as answer:
        first = answer.readline()
        begun = time.monotonic() - started
        rest = answer.read()

    assert first == b"event: message_start\n"
    assert begun < 0.6 < time.monotonic() - started
    assert rest.endswith(b"\n\n")
    assert claude.left == ()


def test_a_client_that_leaves_a_stream_is_noted(claude: OfflineClaude) -> None:
    with streamed(claude, "Tea [[claude: write=60]]") as answer:
        answer.readline()

    eventually(lambda: claude.left == ("k1",))


@pytest.mark.parametrize(
    ("directive", "last"),
    [("interrupted", b"overloaded_error"), ("interrupted type=api_error", b"api_error"), ("empty", b"message_stop")],
)
def test_a_stream_ends_as_it_was_asked_to(claude: OfflineClaude, directive: str, last: bytes) -> None:
    with streamed(claude, f"Tea [[claude: {directive}]]") as answer:
        body = answer.read()

    assert last in body.rpartition(b"event: ")[2]
    assert (b"message_stop" in body) == (directive == "empty")


@pytest.mark.parametrize(("stream", "begin"), [(True, b"event: message_start"), (False, b'{"id": "msg_')])
def test_a_cut_answer_breaks_off(claude: OfflineClaude, stream: bool, begin: bytes) -> None:
    with streamed(claude, "Tea [[claude: cut]]", stream=stream) as answer:
        try:
            body = answer.read()
        except http.client.IncompleteRead as error:
            body = error.partial

    assert body.startswith(begin)
    assert not body.endswith((b"}", b"message_stop"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_trickling_answer_comes_a_byte_at_a_time(claude: OfflineClaude, stream: bool) -> None:
    started = time.monotonic()
    with streamed(claude, "Tea [[claude: trickle]]", stream=stream) as answer:
        answer.read(6)

    assert 0.4 < time.monotonic() - started < 3


def test_an_unstreamed_answer_that_nobody_asked_to_break_is_whole(claude: OfflineClaude) -> None:
    with streamed(claude, "Tea", stream=False) as answer:
        assert json.loads(answer.read())["stop_reason"] == "end_turn"


def test_more_calls_than_the_rate_are_refused_with_what_claude_says_then() -> None:
    with OfflineClaude(rate=2, clock=ManualClock()) as limited:
        answers = [call(limited, "POST", MESSAGES_PATH, SMALL, **{"x-api-key": "k"}) for _ in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    _, document, headers = answers[-1]
    assert document["error"]["type"] == "rate_limit_error"
    assert headers["retry-after"] == "1"
    assert headers["anthropic-ratelimit-requests-limit"] == "120"
    assert headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert "retry-after" not in answers[0][2]
    assert answers[0][2]["anthropic-ratelimit-requests-remaining"] == "1"
    assert [one.status for one in limited.calls] == [200, 200, 429]


SMALL = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}).encode()
