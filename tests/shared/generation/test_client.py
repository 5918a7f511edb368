"""The real SDK against the offline Claude, over HTTP."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from pressroom.local.claude import REFUSED_KEY, OfflineClaude
from shared.errors import (
    AccountError,
    CallCancelledError,
    ErrorCode,
    ItemError,
    PermanentError,
    SettingsError,
    TransientError,
)
from shared.generation.client import (
    FORBID_PAID_CALLS,
    REAL_BASE_URL,
    ClaudeClient,
    PaidCallsForbiddenError,
    paid_calls_forbidden,
)
from shared.generation.kinds import KINDS
from shared.generation.pricing import BUILT_IN, Price, PriceTable
from tests.shared.generation.scripted import scripted

if TYPE_CHECKING:
    from shared.generation.answers import Generation
    from shared.generation.prompts import Prompt
    from tests.support.clock import ManualClock

MODEL = "claude-sonnet-5-5"


def prompt_for(topic: str) -> Prompt:
    kind = KINDS["outline"]
    return kind.prompt(kind.validate({"topic": topic}))


def ask(client: ClaudeClient, topic: str = "Tea", *, key: str = "job_1:1:1", seconds: float = 10) -> Generation:
    return client.generate(prompt_for(topic), model=MODEL, idempotency_key=key, timeout_seconds=seconds)


def failure(client: ClaudeClient, topic: str, *, key: str = "job_1:1:1", seconds: float = 10) -> ItemError:
    with pytest.raises(ItemError) as raised:
        ask(client, topic, key=key, seconds=seconds)
    return raised.value


def test_a_call_gives_an_output_that_fits_and_what_it_cost(client: ClaudeClient) -> None:
    generation = ask(client, "The history of tea")

    assert json.loads(generation.output).keys() == {"title", "summary", "sections", "keywords"}
    assert generation.model == MODEL
    assert generation.cost_microusd == generation.input_tokens * 2 + generation.output_tokens * 10
    assert generation.claude_request_id


def test_the_items_key_reaches_claude(client: ClaudeClient, claude: OfflineClaude) -> None:
    ask(client, key="job_9:2:17")

    assert [(call.key, call.status) for call in claude.calls] == [("job_9:2:17", 200)]


@pytest.mark.acceptance(17)
@pytest.mark.parametrize(
    ("directive", "kind", "code", "status"),
    [
        ("status=400", PermanentError, ErrorCode.INVALID_REQUEST, 400),
        ("status=401", AccountError, ErrorCode.AUTHENTICATION, 401),
        ("status=402", AccountError, ErrorCode.BILLING, 402),
        ("status=403", AccountError, ErrorCode.PERMISSION, 403),
        ("status=404", PermanentError, ErrorCode.INVALID_REQUEST, 404),
        ("status=408", TransientError, ErrorCode.TIMEOUT, 408),
        ("status=409", TransientError, ErrorCode.PROVIDER_ERROR, 409),
        ("status=413", PermanentError, ErrorCode.TOO_LARGE, 413),
        ("status=422", PermanentError, ErrorCode.INVALID_REQUEST, 422),
        ("status=429", TransientError, ErrorCode.RATE_LIMITED, 429),
        ("status=429 type=billing_error", AccountError, ErrorCode.BILLING, 429),
        ("status=429 code=enforced_spend_limit_reached", AccountError, ErrorCode.BILLING, 429),
        ("status=400 code=organization_on_hold", AccountError, ErrorCode.PERMISSION, 400),
        ("status=500", TransientError, ErrorCode.PROVIDER_ERROR, 500),
        ("status=502", TransientError, ErrorCode.PROVIDER_ERROR, 502),
        ("status=503", TransientError, ErrorCode.PROVIDER_ERROR, 503),
        ("status=504", TransientError, ErrorCode.TIMEOUT, 504),
        ("status=529", TransientError, ErrorCode.OVERLOADED, 529),
        ("html", TransientError, ErrorCode.PROVIDER_ERROR, 200),
    ],
)
def test_an_error_answer_is_mapped_once_with_all_that_is_known(  # noqa: PLR0917  the table has four columns
    client: ClaudeClient,
    claude: OfflineClaude,
    directive: str,
    kind: type[ItemError],
    code: ErrorCode,
    status: int,
) -> None:
    error = failure(client, f"Tea [[claude: {directive}]]")

    assert type(error) is kind
    assert (error.code, error.http_status) == (code, status)
    assert error.claude_request_id is not None
    assert error.claude_request_id.startswith("req_")
    assert len(error.message) > 10
    assert error.cost_microusd == 0
    assert len(claude.calls) == 1, "the SDK must not retry"


@pytest.mark.acceptance(19)
@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("refusal", ErrorCode.REFUSED),
        ("max_tokens", ErrorCode.TRUNCATED),
        ("malformed", ErrorCode.MALFORMED_OUTPUT),
        ("empty", ErrorCode.MALFORMED_OUTPUT),
    ],
)
def test_an_answer_that_is_none_fails_at_once_and_is_paid(
    client: ClaudeClient, directive: str, code: ErrorCode
) -> None:
    error = failure(client, f"Tea [[claude: {directive}]]")

    assert type(error) is PermanentError
    assert error.code is code
    assert error.http_status == 200
    assert error.claude_request_id is not None
    assert error.input_tokens > 0
    assert error.output_tokens > 0
    assert error.cost_microusd == error.input_tokens * 2 + error.output_tokens * 10
    assert error.model == MODEL


@pytest.mark.acceptance(17)
def test_a_closed_connection_is_a_network_error(client: ClaudeClient, claude: OfflineClaude) -> None:
    error = failure(client, "Tea [[claude: disconnect]]")

    assert (type(error), error.code, error.http_status) == (TransientError, ErrorCode.NETWORK, None)
    assert [call.status for call in claude.calls] == [None]


def test_a_claude_that_is_not_there_is_a_network_error() -> None:
    with OfflineClaude() as gone:
        url = gone.base_url
    with ClaudeClient(api_key="key", base_url=url, prices=BUILT_IN) as client:
        error = failure(client, "Tea")

    assert error.code is ErrorCode.NETWORK
    assert "ConnectError" in error.message


@pytest.mark.acceptance(20)
@pytest.mark.parametrize("directive", ["hang", "delay=30", "trickle"])
def test_a_call_ends_at_its_time_limit_whatever_claude_does(client: ClaudeClient, directive: str) -> None:
    started = time.monotonic()

    error = failure(client, f"Tea [[claude: {directive}]]", seconds=0.4)

    assert (type(error), error.code) == (TransientError, ErrorCode.TIMEOUT)
    assert 0.3 < time.monotonic() - started < 3
    assert "0.4 s" in error.message


def test_a_call_is_good_again_after_one_that_timed_out(client: ClaudeClient) -> None:
    failure(client, "Tea [[claude: trickle times=1]]", seconds=0.3)

    assert ask(client, "Tea").output


@pytest.mark.acceptance(17)
@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("cut", ErrorCode.NETWORK),
        ("interrupted", ErrorCode.OVERLOADED),
        ("interrupted type=overloaded_error", ErrorCode.OVERLOADED),
        ("interrupted type=rate_limit_error", ErrorCode.RATE_LIMITED),
        ("interrupted type=api_error", ErrorCode.PROVIDER_ERROR),
        ("interrupted type=timeout_error", ErrorCode.TIMEOUT),
    ],
)
def test_an_answer_that_breaks_off_is_transient_and_paid_as_far_as_it_came(
    client: ClaudeClient, claude: OfflineClaude, directive: str, code: ErrorCode
) -> None:
    error = failure(client, f"Tea [[claude: {directive}]]")

    assert (type(error), error.code, error.http_status) == (TransientError, code, 200)
    assert error.claude_request_id is not None
    assert error.model == MODEL
    assert error.input_tokens > 0
    assert 0 < error.output_tokens <= 11_250
    assert error.cost_microusd == error.input_tokens * 2 + error.output_tokens * 10
    assert len(claude.calls) == 1


@pytest.mark.parametrize("directive", ["interrupted", "cut", "html", "malformed", "write=30", "hang"])
def test_no_connection_is_left_in_use_by_a_call_that_ended(client: ClaudeClient, directive: str) -> None:
    # The errors are kept: what their tracebacks hold is not tidied up by the way.
    errors = [failure(client, f"Tea [[claude: {directive}]]", key=f"job_1:1:{n}", seconds=0.5) for n in range(3)]

    assert len(errors) == 3
    connections = client._transport._pool.connections
    assert [one for one in connections if not (one.is_idle() or one.is_closed())] == []


@pytest.mark.acceptance(20)
def test_a_call_that_runs_out_of_time_while_claude_writes_is_paid_as_far_as_it_came(client: ClaudeClient) -> None:
    error = failure(client, "Tea [[claude: write=30]]", seconds=1.5)

    assert error.code is ErrorCode.TIMEOUT
    assert error.cost_microusd >= error.input_tokens * 2 > 0


@pytest.mark.acceptance(26)
@pytest.mark.parametrize("directive", ["write=30", "trickle", "hang", "delay=30"])
def test_a_call_ends_when_nobody_wants_it_any_more_whatever_claude_does(client: ClaudeClient, directive: str) -> None:
    started = time.monotonic()
    threads = threading.active_count()
    with pytest.raises(CallCancelledError) as raised:
        client.generate(
            prompt_for(f"Tea [[claude: {directive}]]"),
            model=MODEL,
            idempotency_key="job_1:1:1",
            timeout_seconds=30,
            cancelled=lambda: time.monotonic() > started + 1,
        )

    assert 1 <= time.monotonic() - started < 2.5
    error = raised.value
    assert error.cost_microusd == error.input_tokens * 2 + error.output_tokens * 10
    assert (error.input_tokens > 0) == (directive == "write=30")
    assert threading.active_count() <= threads + 1  # the server's own for this connection may still say goodbye
    assert ask(client, "Tea").output


def test_a_call_that_is_not_cancelled_is_asked_about_and_goes_on(client: ClaudeClient) -> None:
    asked: list[float] = []

    def cancelled() -> bool:
        asked.append(time.monotonic())
        return False

    generation = client.generate(
        prompt_for("Tea [[claude: delay=1.2]]"),
        model=MODEL,
        idempotency_key="job_1:1:1",
        timeout_seconds=10,
        cancelled=cancelled,
    )

    assert generation.output
    assert max(after - before for before, after in itertools.pairwise(asked)) < 0.9


def test_an_answer_that_came_unstreamed_is_as_good() -> None:
    with OfflineClaude() as claude, client_at(claude.base_url) as client:
        streamed = ask(client, "Tea")
    document = {
        "model": MODEL,
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": streamed.output}],
        "usage": {"input_tokens": streamed.input_tokens, "output_tokens": streamed.output_tokens},
    }
    with scripted(200, json.dumps(document).encode()) as server, client_at(server.url) as client:
        assert replace(ask(client, "Tea"), claude_request_id=None) == replace(streamed, claude_request_id=None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.NETWORK),
        (b"event: x\n\n", ErrorCode.NETWORK),
        (b"data: {\n\n", ErrorCode.PROVIDER_ERROR),
        (b"event: x\ndata: [1]\n\n", ErrorCode.PROVIDER_ERROR),
        (b"event: x\ndata: \xff\xfe\n\n", ErrorCode.NETWORK),
        (b'event: ping\ndata: {"type": "ping"}\n\n', ErrorCode.NETWORK),
        (b'event: message_stop\ndata: {"type": "message_stop"}\n\n', ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_stream_that_is_none_is_a_transient_error(body: bytes, code: ErrorCode) -> None:
    with scripted(200, body, {"content-type": "text/event-stream"}) as server, client_at(server.url) as client:
        error = failure(client, "Tea")

    assert (type(error), error.code, error.http_status, error.cost_microusd) == (TransientError, code, 200, 0)


@pytest.mark.acceptance(16)
def test_a_refused_call_carries_what_claude_said_about_our_rate() -> None:
    with OfflineClaude(rate=0.5) as claude, client_at(claude.base_url) as client:
        ask(client)
        error = failure(client, "Tea", key="job_1:1:2")

    assert (error.code, error.http_status, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 429, 2.0)
    assert error.rate_limits is not None
    assert error.rate_limits.requests_a_minute == 30
    assert error.rate_limits.resets_at is not None


@pytest.mark.acceptance(16)
@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.5", 0.5), ("soon", None), ("-3", None)])
def test_retry_after_is_kept_where_it_makes_sense(client: ClaudeClient, text: str, seconds: float | None) -> None:
    assert failure(client, f"Tea [[claude: status=429 retry_after={text}]]").retry_after_seconds == seconds


@pytest.mark.acceptance(16)
def test_a_retry_after_that_is_a_date_counts_from_the_injected_clock(
    clock: ManualClock,
) -> None:
    date = format_datetime(clock.now() + timedelta(seconds=40), usegmt=True)
    with scripted(503, headers={"retry-after": date}) as server, client_at(server.url, clock=clock) as client:
        error = failure(client, "Tea")

    assert (error.code, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, 40.0)


@pytest.mark.acceptance(16)
def test_a_fault_that_passes_is_gone_on_the_next_call_of_the_same_item(client: ClaudeClient) -> None:
    topic = "Tea [[claude: status=529 times=2]]"

    codes = [failure(client, topic).code for _ in range(2)]

    assert codes == [ErrorCode.OVERLOADED] * 2
    assert ask(client, topic).output
    assert failure(client, topic, key="job_1:1:2").code is ErrorCode.OVERLOADED


@pytest.mark.acceptance(18)
def test_a_refused_key_is_an_authentication_error(claude: OfflineClaude) -> None:
    with client_at(claude.base_url, api_key=REFUSED_KEY) as client:
        error = failure(client, "Tea")

    assert (type(error), error.code, error.http_status) == (AccountError, ErrorCode.AUTHENTICATION, 401)


@pytest.mark.parametrize("key", ["ключ", "two\nlines"])
def test_a_key_that_cannot_be_one_is_never_sent(claude: OfflineClaude, key: str) -> None:
    with client_at(claude.base_url, api_key=key) as client:
        error = failure(client, "Tea")

    assert error.code is ErrorCode.AUTHENTICATION
    assert key not in error.message
    assert claude.calls == ()


def test_blanks_around_a_key_are_no_part_of_it(claude: OfflineClaude) -> None:
    with client_at(claude.base_url, api_key=f" {REFUSED_KEY}\n") as client:
        assert failure(client, "Tea").http_status == 401


def test_a_claude_on_this_machine_needs_no_key(claude: OfflineClaude) -> None:
    with client_at(claude.base_url, api_key="") as client:
        assert ask(client).output


def test_the_real_claude_is_not_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORBID_PAID_CALLS)
    with client_at("", api_key="") as client:
        error = failure(client, "Tea")

    assert (type(error), error.code) == (AccountError, ErrorCode.AUTHENTICATION)


def test_a_model_without_a_price_is_never_asked(claude: OfflineClaude) -> None:
    prices = PriceTable({"claude-other": Price(1, 1)}, "today")
    with client_at(claude.base_url, prices=prices) as client:
        error = failure(client, "Tea")

    assert (error.code, claude.calls) == (ErrorCode.INVALID_REQUEST, ())


@pytest.mark.parametrize("url", ["", REAL_BASE_URL, "https://gateway.example/claude", "http://127.0.0.1.example"])
def test_no_client_is_made_for_a_claude_that_costs_money_while_that_is_forbidden(url: str) -> None:
    assert paid_calls_forbidden()
    with pytest.raises(PaidCallsForbiddenError, match=FORBID_PAID_CALLS):
        client_at(url)


def test_the_environment_cannot_point_the_client_elsewhere(
    claude: OfflineClaude, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", REFUSED_KEY)

    with client_at(claude.base_url) as client:
        assert ask(client).output


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (500, b"", ErrorCode.PROVIDER_ERROR, "Error code: 500"),
        (502, b"<html>" + b"x" * 100_000, ErrorCode.PROVIDER_ERROR, "<html>xxx"),
        (400, b"[1, 2]", ErrorCode.INVALID_REQUEST, "Error code: 400"),
        (400, b'{"error": "text"}', ErrorCode.INVALID_REQUEST, "Error code: 400"),
        (400, b'{"error": {"type": 7, "message": ["no"], "details": 3}}', ErrorCode.INVALID_REQUEST, "Error code"),
        (529, b'{"error": {"type": "overloaded_error", "message": "Overloaded"}}', ErrorCode.OVERLOADED, "Overloaded"),
        (302, b"", ErrorCode.PROVIDER_ERROR, "Error code: 302"),
    ],
)
def test_an_error_answer_of_any_form_has_a_code_and_a_message(
    status: int, body: bytes, code: ErrorCode, message: str
) -> None:
    with scripted(status, body, {"location": "http://127.0.0.1:9/"}) as server, client_at(server.url) as client:
        error = failure(client, "Tea")

    assert (error.code, error.http_status) == (code, status)
    assert error.message.startswith(message)
    assert len(error.message) <= 8_000


def test_a_body_that_cannot_be_unpacked_is_a_network_error() -> None:
    with scripted(200, b"no gzip at all", {"content-encoding": "gzip"}) as server, client_at(server.url) as client:
        assert failure(client, "Tea").code is ErrorCode.NETWORK


@pytest.mark.acceptance(17)
def test_an_error_of_the_sdk_that_nobody_foresaw_has_a_code(
    client: ClaudeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise anthropic.AnthropicError("something new")

    monkeypatch.setattr(client, "send", break_down)
    error = failure(client, "Tea")

    assert (error.code, error.message) == (ErrorCode.PROVIDER_ERROR, "AnthropicError: something new")


def test_a_connection_that_is_not_made_in_time_costs_nothing_and_is_a_network_error(
    client: ClaudeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpcore2  # noqa: PLC0415

    def nobody(*_: object, **__: object) -> None:
        raise httpcore2.ConnectTimeout("timed out")

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", nobody)

    assert failure(client, "Tea").code is ErrorCode.NETWORK


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-sonnet-5-5", {"type": "between_tools"}),
        ("claude-haiku-5-5", {"type": "disabled"}),
        ("claude-sonnet-4-6", None),
        ("claude-opus-5-5", None),
    ],
)
def test_a_request_asks_for_the_schema_and_for_no_thinking(model: str, thinking: dict[str, str] | None) -> None:
    prompt = prompt_for("Tea")
    with scripted(500) as server, client_at(server.url) as client, pytest.raises(ItemError):
        client.generate(prompt, model=model, idempotency_key="job_1:1:1", timeout_seconds=5)

    (request,) = server.requests
    body = json.loads(request.body)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": prompt.schema}}
    assert body.get("thinking") == thinking
    assert (body["model"], body["system"]) == (model, prompt.system)
    assert body["messages"] == [{"role": "user", "content": prompt.user}]
    assert body["metadata"] == {"user_id": "job_1:1:1"}
    assert request.headers["x-pressroom-item"] == "job_1:1:1"
    assert request.headers["authorization"] == "Bearer key"
    assert body["stream"] is True
    assert not {"temperature", "top_p", "top_k"} & body.keys()


def test_threads_share_a_client_and_each_keeps_its_own_time_limit(client: ClaudeClient) -> None:
    codes: dict[int, str] = {}

    def one(number: int) -> None:
        slow = number % 2 == 0
        topic = "Tea [[claude: hang]]" if slow else "Tea"
        try:
            ask(client, topic, key=f"job_1:1:{number}", seconds=0.5 if slow else 20)
            codes[number] = "completed"
        except ItemError as error:
            codes[number] = error.code

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == {number: "completed" if number % 2 else "timeout" for number in range(10)}


@dataclass(frozen=True)
class Settings:
    anthropic_api_key: str = "key"
    anthropic_base_url: str = ""
    price_table_json: str = ""
    bedrock_models_json: str = ""
    bedrock_region: str = ""


def test_settings_make_a_client(claude: OfflineClaude) -> None:
    prices = json.dumps({MODEL: {"input": 1_000_000, "output": 0}})
    with ClaudeClient.from_settings(Settings(anthropic_base_url=claude.base_url, price_table_json=prices)) as client:
        generation = ask(client)

    assert generation.cost_microusd == generation.input_tokens


def test_settings_with_a_wrong_price_table_make_no_client() -> None:
    with pytest.raises(SettingsError, match="price table"):
        ClaudeClient.from_settings(Settings(price_table_json="[]"))


def client_at(url: str, *, api_key: str = "key", prices: PriceTable = BUILT_IN, **more: Any) -> ClaudeClient:
    return ClaudeClient(api_key=api_key, base_url=url, prices=prices, **more)
