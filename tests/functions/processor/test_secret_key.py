"""The key: when it is read, what a rotation costs, and what is told when there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel

from functions.processor.handler import claude_of
from functions.processor.secret_key import KeyedClaude, SecretKey
from functions.processor.settings import ProcessorSettings
from shared.errors import ErrorCode, ItemError, item_error
from shared.generation.answers import Generation
from shared.generation.prompts import Prompt
from tests.support.emulator import REGION

if TYPE_CHECKING:
    from tests.support.clock import ManualClock

NAME = "pressroom/dev/anthropic-api-key"
PROMPT = Prompt(system="S", user="U", schema={}, output_model=BaseModel, max_tokens=10)
WRITTEN = Generation(output="{}", model="m", claude_request_id="r", input_tokens=1, output_tokens=1, cost_microusd=1)


@dataclass
class Provider:
    """Claude's side: which key it takes now, and how long a refusal takes."""

    clock: ManualClock
    taken: str = "key-1"
    answer_seconds: float = 1.0
    calls: list[tuple[str, float]] = field(default_factory=list)

    def connect(self, key: str) -> Connected:
        return Connected(self, key)


@dataclass
class Connected:
    provider: Provider
    key: str

    def generate(self, prompt: Prompt, *, timeout_seconds: float, **_: Any) -> Generation:
        assert prompt is PROMPT
        self.provider.calls.append((self.key, timeout_seconds))
        self.provider.clock.advance(self.provider.answer_seconds)
        if self.key != self.provider.taken:
            raise item_error(ErrorCode.AUTHENTICATION, "invalid x-api-key", http_status=401)
        return WRITTEN


@dataclass
class Secret:
    """Secrets Manager's side."""

    key: str = "key-1"
    error: ItemError | None = None
    reads: int = 0

    def read(self) -> str:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.key


@pytest.fixture
def provider(clock: ManualClock) -> Provider:
    return Provider(clock)


def keyed(secret: Secret, provider: Provider) -> KeyedClaude:
    return KeyedClaude(secret.read, provider.connect, provider.clock, Logger(service="test", level="CRITICAL"))


def ask(claude: KeyedClaude) -> Generation:
    return claude.generate(PROMPT, model="m", idempotency_key="job:1:1", timeout_seconds=60, cancelled=lambda: False)


def test_key_is_read_once_when_it_holds(provider: Provider) -> None:
    secret = Secret()
    claude = keyed(secret, provider)
    assert secret.reads == 0  # a process that only looks at the brake needs none

    assert [ask(claude) for _ in range(3)] == [WRITTEN] * 3
    assert secret.reads == 1


def test_no_item_notices_when_the_key_is_rotated(provider: Provider) -> None:
    secret = Secret()
    claude = keyed(secret, provider)
    ask(claude)
    secret.key = provider.taken = "key-2"

    assert ask(claude) == WRITTEN
    assert ask(claude) == WRITTEN
    assert secret.reads == 2
    assert provider.calls[1:] == [("key-1", 60), ("key-2", 59), ("key-2", 60)]


def test_refusal_stands_when_the_secret_still_holds_the_refused_key(provider: Provider) -> None:
    secret = Secret()
    provider.taken = "key-2"
    claude = keyed(secret, provider)

    for reads in (2, 3):
        with pytest.raises(ItemError, match="invalid x-api-key"):
            ask(claude)
        assert (secret.reads, len(provider.calls)) == (reads, reads - 1)


def test_item_runs_out_of_time_when_none_is_left_for_a_second_call(provider: Provider) -> None:
    secret = Secret()
    claude = keyed(secret, provider)
    ask(claude)
    secret.key = provider.taken = "key-2"
    provider.answer_seconds = 60

    with pytest.raises(ItemError, match="left no time") as caught:
        ask(claude)
    assert caught.value.code is ErrorCode.TIMEOUT
    assert [key for key, _ in provider.calls] == ["key-1", "key-1"]


def test_call_has_less_time_when_reading_the_key_took_some(provider: Provider) -> None:
    def slow() -> str:
        provider.clock.advance(8)
        return "key-1"

    claude = KeyedClaude(slow, provider.connect, provider.clock, Logger(service="test", level="CRITICAL"))
    ask(claude)
    assert provider.calls == [("key-1", 52)]


def test_refusal_stands_when_the_secret_cannot_be_read_again(provider: Provider) -> None:
    secret = Secret()
    claude = keyed(secret, provider)
    ask(claude)
    provider.taken, secret.error = "key-2", item_error(ErrorCode.NETWORK, "Secrets Manager did not answer")

    with pytest.raises(ItemError, match="invalid x-api-key"):
        ask(claude)


def test_other_refusals_read_no_secret_when_they_are_met(provider: Provider) -> None:
    secret = Secret()

    class Busy:
        def generate(self, *_: object, **__: object) -> Generation:
            raise item_error(ErrorCode.RATE_LIMITED, "slow down")

    claude = keyed(secret, provider)
    claude.connect = lambda _: Busy()
    with pytest.raises(ItemError, match="slow down"):
        ask(claude)
    assert secret.reads == 1


def test_item_tells_of_the_secret_when_it_has_never_been_readable(provider: Provider) -> None:
    secret = Secret(error=item_error(ErrorCode.AUTHENTICATION, "the secret cannot be read"))
    claude = keyed(secret, provider)
    with pytest.raises(ItemError, match="the secret cannot be read"):
        ask(claude)

    secret.error = None
    assert ask(claude) == WRITTEN


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"SecretString": " sk-1\n"}, None),
        ({"SecretString": '{"ANTHROPIC_API_KEY": "sk-1"}'}, f"the secret {NAME} holds no key"),
        ({"SecretString": "sk-1 sk-2"}, f"the secret {NAME} holds no key"),
        ({"SecretString": " "}, f"the secret {NAME} holds no key"),
        ({"SecretBinary": b"sk-1"}, f"the secret {NAME} holds no key"),
        (None, f"the secret {NAME} with Claude's key cannot be read: ResourceNotFoundException"),
    ],
)
def test_key_is_the_secrets_whole_text_when_it_is_read(content: dict[str, Any] | None, told: str | None) -> None:
    if content is not None:
        boto3.client("secretsmanager", region_name=REGION).create_secret(Name=NAME, **content)
    if told is None:
        assert SecretKey.from_env(NAME).read() == "sk-1"
        return
    with pytest.raises(ItemError) as caught:
        SecretKey.from_env(NAME).read()
    assert caught.value.code is ErrorCode.AUTHENTICATION
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "x"),  # type: ignore[typeddict-item]
        ClientError({"Error": {"Code": "Strange"}, "ResponseMetadata": {"HTTPStatusCode": 503}}, "x"),  # type: ignore[typeddict-item]
        EndpointConnectionError(endpoint_url="https://secretsmanager"),
    ],
)
def test_item_is_put_back_when_secrets_manager_does_not_answer(error: Exception) -> None:
    class Silent:
        def get_secret_value(self, **_: str) -> dict[str, Any]:
            raise error

    with pytest.raises(ItemError) as caught:
        SecretKey(Silent(), NAME).read()
    assert caught.value.code is ErrorCode.NETWORK


def test_secret_is_asked_only_when_the_settings_name_one(clock: ManualClock) -> None:
    local = {"anthropic_base_url": "http://127.0.0.1:9", "table_name": "t", "queue_url": "q"}

    assert isinstance(claude_of(ProcessorSettings(**local, claude_key_secret=NAME), clock), KeyedClaude)
    assert not isinstance(claude_of(ProcessorSettings(**local, anthropic_api_key="sk-1"), clock), KeyedClaude)
