"""The real SDK's client of Bedrock against AWS's event stream, over HTTP."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from functions.processor.handler import claude_of
from functions.processor.settings import ProcessorSettings
from pressroom.local.claude.messages import events, message_body, read_request
from shared.errors import (
    AccountError,
    CallCancelledError,
    ErrorCode,
    ItemError,
    PermanentError,
    SettingsError,
    TransientError,
)
from shared.generation.bedrock import Bedrock
from shared.generation.client import ClaudeClient, PaidCallsForbiddenError
from shared.generation.kinds import KINDS
from shared.generation.pricing import BUILT_IN
from tests.shared.generation.scripted import Scripted, scripted
from tests.support.clock import ManualClock
from tests.support.event_stream import CONTENT_TYPE, chunks, exception

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.generation.answers import Generation

MODEL = "claude-sonnet-5-5"
BEDROCK = Bedrock("eu-central-1", {MODEL: "eu.anthropic.claude-sonnet-5-5"})
STREAM = {"content-type": CONTENT_TYPE, "x-amzn-requestid": "8d1c"}
KIND = KINDS["outline"]
PROMPT = KIND.prompt(KIND.validate({"topic": "The history of tea"}))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "AKTEST", "SECRET_ACCESS_KEY": "test", "SESSION_TOKEN": "of-the-role"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def answer() -> list[bytes]:
    """What Claude answers to the prompt, as Bedrock's frames."""
    body = {
        "model": MODEL,
        "max_tokens": PROMPT.max_tokens,
        "messages": [{"role": "user", "content": PROMPT.user}],
        "output_config": {"format": {"type": "json_schema", "schema": PROMPT.schema}},
    }
    request = read_request(json.dumps(body, default=dict).encode())
    return chunks(events(message_body(request, "req_1")))


@contextmanager
def answering(
    body: bytes, headers: dict[str, str] = STREAM, *, status: int = 200, seconds_a_byte: float = 0
) -> Iterator[tuple[ClaudeClient, Scripted]]:
    with (
        scripted(status, body, headers, seconds_a_byte=seconds_a_byte) as server,
        ClaudeClient(base_url=server.url, prices=BUILT_IN, bedrock=BEDROCK) as client,
    ):
        yield client, server


def ask(client: ClaudeClient, model: str = MODEL, **options: Any) -> Generation:
    return client.generate(PROMPT, model=model, idempotency_key="job_1:1:1", timeout_seconds=10, **options)


def failure(client: ClaudeClient, **options: Any) -> ItemError:
    with pytest.raises(ItemError) as raised:
        ask(client, **options)
    return raised.value


def test_bedrock_streams_a_whole_generation_when_the_settings_name_its_models() -> None:
    with scripted(200, b"".join(answer()), STREAM) as server:
        settings = ProcessorSettings(
            table_name="t",
            queue_url="q",
            anthropic_base_url=server.url,
            bedrock_models_json=json.dumps(BEDROCK.ids),
            bedrock_region=BEDROCK.region,
        )
        claude = claude_of(settings, ManualClock())
        generation = claude.generate(
            PROMPT, model=MODEL, idempotency_key="job_9:2:17", timeout_seconds=10, cancelled=lambda: False
        )

    assert json.loads(generation.output).keys() == {"title", "summary", "sections", "keywords"}
    assert (generation.model, generation.claude_request_id) == (MODEL, "8d1c")
    # A profile of one part of the world costs a tenth more than the list price of 2 and 10 dollars.
    tenths = generation.input_tokens * 22 + generation.output_tokens * 110
    assert generation.output_tokens > 100
    assert generation.cost_microusd == -(-tenths // 10)

    (sent,) = server.requests
    assert sent.path == "/model/eu.anthropic.claude-sonnet-5-5/invoke-with-response-stream"
    assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKTEST/")
    assert "/eu-central-1/bedrock/aws4_request" in sent.headers["authorization"]
    assert sent.headers["x-amz-security-token"] == "of-the-role"
    assert sent.headers["x-pressroom-item"] == "job_9:2:17"
    assert "x-api-key" not in sent.headers
    body = json.loads(sent.body)
    assert body["anthropic_version"]
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body.keys().isdisjoint({"metadata", "model", "stream"})


@pytest.mark.parametrize(
    ("status", "name", "kind", "code"),
    [
        (429, "ThrottlingException", TransientError, ErrorCode.RATE_LIMITED),
        (429, "ModelNotReadyException:", TransientError, ErrorCode.OVERLOADED),
        (400, "ServiceQuotaExceededException", TransientError, ErrorCode.RATE_LIMITED),
        (408, "ModelTimeoutException", TransientError, ErrorCode.TIMEOUT),
        (424, "ModelErrorException", TransientError, ErrorCode.PROVIDER_ERROR),
        (503, "ServiceUnavailableException:http://internal.amazon.com/", TransientError, ErrorCode.OVERLOADED),
        (403, "AccessDeniedException", AccountError, ErrorCode.PERMISSION),
        (403, "ExpiredTokenException", AccountError, ErrorCode.AUTHENTICATION),
        (404, "ResourceNotFoundException", AccountError, ErrorCode.PERMISSION),
        (400, "ValidationException", PermanentError, ErrorCode.INVALID_REQUEST),
        (403, "", AccountError, ErrorCode.PERMISSION),
    ],
)
def test_error_is_mapped_by_its_exception_when_bedrock_refuses(
    status: int, name: str, kind: type[ItemError], code: ErrorCode
) -> None:
    headers = {"x-amzn-errortype": name, "x-amzn-requestid": "8d1c"}
    with answering(b'{"message": "You may not, or not now."}', headers, status=status) as (client, server):
        error = failure(client)

    assert type(error) is kind
    assert (error.code, error.http_status, error.claude_request_id) == (code, status, "8d1c")
    assert "You may not, or not now." in error.message
    assert error.cost_microusd == 0
    assert len(server.requests) == 1, "the SDK must not retry"


def test_what_was_used_is_counted_when_an_exception_ends_the_stream() -> None:
    body = b"".join(answer()[:3]) + exception("throttlingException", "Too many tokens, please wait.")
    with answering(body) as (client, _):
        error = failure(client)

    assert type(error) is TransientError
    assert (error.code, error.message) == (ErrorCode.RATE_LIMITED, "Too many tokens, please wait.")
    assert (error.http_status, error.claude_request_id, error.model) == (200, "8d1c", MODEL)
    assert error.input_tokens > 0
    assert error.cost_microusd > 0


def test_item_is_tried_again_when_the_event_stream_is_damaged() -> None:
    whole = b"".join(answer())
    middle = len(whole) // 2
    with answering(whole[:middle]) as (client, _):
        cut = failure(client)
    with answering(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]) as (client, _):
        flipped = failure(client)

    assert [(type(error), error.code) for error in (cut, flipped)] == [(TransientError, ErrorCode.NETWORK)] * 2
    assert "ended in the middle" in cut.message
    assert "event stream cannot be read: ChecksumMismatch" in flipped.message
    assert min(cut.cost_microusd, flipped.cost_microusd) > 0


def test_call_is_stopped_when_it_is_cancelled_while_it_streams() -> None:
    looks = itertools.count()
    with answering(b"".join(answer()), seconds_a_byte=0.001) as (client, _), pytest.raises(CallCancelledError):
        ask(client, cancelled=lambda: next(looks) > 2)


def test_nothing_is_sent_when_the_model_has_no_id_of_bedrock() -> None:
    with answering(b"") as (client, server):
        error = failure(client, model="claude-opus-5")

    assert (type(error), error.code) == (PermanentError, ErrorCode.INVALID_REQUEST)
    assert error.message == f"bedrock_models has no id for model 'claude-opus-5'; it has {MODEL}"
    assert server.requests == []


def test_account_is_to_be_mended_when_nothing_signs_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    # The SDK keeps a session a region: this one has found no credentials yet.
    elsewhere = Bedrock("eu-north-1", BEDROCK.ids)
    with scripted(200) as server, ClaudeClient(base_url=server.url, prices=BUILT_IN, bedrock=elsewhere) as client:
        error = failure(client)

    assert (type(error), error.code) == (AccountError, ErrorCode.AUTHENTICATION)
    assert "cannot be signed" in error.message
    assert server.requests == []


def test_no_client_of_the_real_bedrock_is_made_when_paid_calls_are_forbidden() -> None:
    with pytest.raises(PaidCallsForbiddenError, match=r"https://bedrock-runtime\.eu-central-1\.amazonaws\.com"):
        ClaudeClient(prices=BUILT_IN, bedrock=BEDROCK)


def test_neither_boto3_nor_bedrocks_client_is_loaded_when_claude_is_at_anthropic() -> None:
    script = (
        "import sys; from shared.generation.client import ClaudeClient; from shared.generation.pricing import BUILT_IN;"
        "ClaudeClient(base_url='http://127.0.0.1:9', prices=BUILT_IN);"
        "print({'boto3', 'shared.generation.bedrock_client'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "PRESSROOM_BEDROCK_MODELS_JSON is not JSON"),
        ("[]", "must be a JSON object with at least one model"),
        ('{"claude-opus-5": 1}', "claude-opus-5: must be an id of Bedrock, not 1"),
    ],
)
def test_settings_are_refused_when_the_ids_are_none(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Bedrock.parse(text)


def test_only_models_with_an_id_have_a_price_when_claude_is_on_bedrock() -> None:
    worldwide = Bedrock("us-east-1", {MODEL: "global.anthropic.claude-sonnet-5-5"})

    assert worldwide.priced(BUILT_IN).prices == {MODEL: BUILT_IN.prices[MODEL]}
    with pytest.raises(SettingsError, match="no price for claude-sonet"):
        Bedrock("us-east-1", {"claude-sonet": "anthropic.claude-sonet"}).priced(BUILT_IN)
