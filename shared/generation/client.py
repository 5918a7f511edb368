"""Claude: one call for one item, every error mapped once. The only module that imports anthropic.

The SDK is used without its retries (it sleeps any ``retry-after``; here the queue waits) and without its parsing
of structured output (it raises on a refusal and loses the usage); :mod:`shared.generation.answers` reads the answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import anthropic
import httpx2

from shared.clock import SystemClock
from shared.errors import ErrorCode, ItemError, SettingsError, item_error
from shared.generation.answers import Generation, judge
from shared.generation.claude_errors import code_of, retry_after_seconds
from shared.generation.pricing import PriceTable, parse_price_table
from shared.generation.thinking import Thinking, answer_tokens, thinking_of
from shared.generation.transport import DeadlineTransport

if TYPE_CHECKING:
    from types import TracebackType

    from anthropic import APIResponse
    from anthropic.types import Message, ThinkingConfigParam

    from shared.clock import Clock
    from shared.generation.prompts import Prompt

__all__ = [
    "FORBID_PAID_CALLS",
    "ITEM_HEADER",
    "REAL_BASE_URL",
    "ClaudeClient",
    "ClaudeSettings",
    "Generation",
    "PaidCallsForbiddenError",
    "paid_calls_forbidden",
]

REAL_BASE_URL: Final = "https://api.anthropic.com"
ITEM_HEADER: Final = "x-pressroom-item"
"""Carries the item's idempotency key, as ``metadata.user_id`` does."""
FORBID_PAID_CALLS: Final = "PRESSROOM_FORBID_PAID_CALLS"
"""Set to anything: no client can be made for any Claude but one on this machine. Every test runs with it."""
CONNECT_SECONDS: Final = 5.0
MESSAGE_CHARACTERS: Final = 8_000
"""A proxy in between may answer with a page of any length; a row holds no more than this of it."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class PaidCallsForbiddenError(SettingsError):
    """A client for a Claude that costs money was asked for where that is forbidden."""


def paid_calls_forbidden() -> bool:
    """Whether the environment forbids every call that could cost money."""
    return bool(os.environ.get(FORBID_PAID_CALLS))


class ClaudeSettings(Protocol):
    """What a function's settings must hold for a client."""

    @property
    def anthropic_api_key(self) -> str:
        """The key; may be empty."""
        ...

    @property
    def anthropic_base_url(self) -> str:
        """Where Claude is; empty is the real one."""
        ...

    @property
    def price_table_json(self) -> str:
        """Prices (:func:`shared.generation.pricing.parse_price_table`); empty are the built-in ones."""
        ...


class ClaudeClient:
    """Calls Claude. May be shared by threads.

    Args:
        api_key: the key; where it is empty, only a Claude on this machine is asked.
        base_url: where Claude is; empty is the real one.
        prices: what tokens cost.
        clock: for a ``retry-after`` that is a date.

    Raises:
        PaidCallsForbiddenError: the environment forbids calls that could cost money, and ``base_url`` is not on
            this machine.
    """

    def __init__(self, *, api_key: str, base_url: str = "", prices: PriceTable, clock: Clock | None = None) -> None:
        url = httpx2.URL(base_url or REAL_BASE_URL)
        local = url.host in _LOOPBACK
        if not local and paid_calls_forbidden():
            raise PaidCallsForbiddenError(f"{FORBID_PAID_CALLS} is set: no client for {url}")
        self._key = api_key.strip() or ("offline" if local else "")
        self._prices = prices
        self._clock: Clock = clock or SystemClock()
        self._transport = DeadlineTransport(url)
        self._claude = anthropic.Anthropic(
            api_key=self._key,
            base_url=url,
            max_retries=0,
            http_client=httpx2.Client(transport=self._transport, base_url=url, follow_redirects=False),
            open_telemetry=False,
        )

    @classmethod
    def from_settings(cls, settings: ClaudeSettings, *, clock: Clock | None = None) -> Self:
        """The client that ``settings`` describe.

        Raises:
            SettingsError: the price table is wrong, or paid calls are forbidden.
        """
        return cls(
            api_key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url,
            prices=parse_price_table(settings.price_table_json),
            clock=clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._claude.close()

    def generate(self, prompt: Prompt, *, model: str, idempotency_key: str, timeout_seconds: float) -> Generation:
        """One call.

        Args:
            prompt: what is asked.
            model: the model's id; it must have a price.
            idempotency_key: names the item and generation to Claude and its logs; Claude does not act on it.
            timeout_seconds: for the whole call, from connecting to the last byte.

        Raises:
            ItemError: whatever went wrong, in the class that decides what happens to the item. Where Claude
                answered, it carries status, request id, and the tokens and cost that were billed.
        """
        self._check(model)
        try:
            with self._transport.within(timeout_seconds):
                response = self._send(prompt, model, idempotency_key, timeout_seconds)
        except anthropic.APIStatusError as error:
            raise self._refused_by_status(error) from error
        except anthropic.APITimeoutError as error:
            raise _timed_out(error, timeout_seconds) from error
        except anthropic.APIConnectionError as error:
            raise _not_reached(error) from error
        except anthropic.AnthropicError as error:
            raise item_error(ErrorCode.PROVIDER_ERROR, f"{type(error).__name__}: {error}") from error
        return judge(_Response(response), prompt, model=model, prices=self._prices)

    def _check(self, model: str) -> None:
        """Refuse what would cost money that nobody counts, or cannot succeed, before anything is sent."""
        if not self._prices.known(model):
            raise item_error(
                ErrorCode.INVALID_REQUEST,
                f"model {model!r} has no price; known are {', '.join(self._prices.models)}",
            )
        if not self._key:
            raise item_error(ErrorCode.AUTHENTICATION, "no API key for Claude is configured")
        if not (self._key.isascii() and self._key.isprintable()):
            raise item_error(ErrorCode.AUTHENTICATION, "the API key for Claude contains characters that no key has")

    def _send(self, prompt: Prompt, model: str, idempotency_key: str, timeout_seconds: float) -> APIResponse[Message]:
        return self._claude.messages.with_raw_response.create(
            model=model,
            max_tokens=answer_tokens(prompt.max_tokens, model),
            system=prompt.system,
            messages=[{"role": "user", "content": prompt.user}],
            output_config={"format": {"type": "json_schema", "schema": dict(prompt.schema)}},
            thinking=_thinking(model),
            metadata={"user_id": idempotency_key},
            extra_headers={ITEM_HEADER: idempotency_key},
            timeout=httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        )

    def _refused_by_status(self, error: anthropic.APIStatusError) -> ItemError:
        message = error.api_message if isinstance(error.api_message, str) else error.message
        return item_error(
            code_of(error.status_code, error.type, error.error_code),
            message[:MESSAGE_CHARACTERS],
            http_status=error.status_code,
            claude_request_id=error.request_id,
            retry_after_seconds=retry_after_seconds(error.response.headers.get("retry-after"), self._clock.now()),
        )


@dataclass(frozen=True, slots=True)
class _Response:
    """The SDK's raw response, as :func:`judge` reads it."""

    raw: APIResponse[Message]

    @property
    def status_code(self) -> int:
        return self.raw.status_code

    @property
    def content_type(self) -> str:
        return self.raw.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def request_id(self) -> str | None:
        return self.raw.request_id

    @property
    def content(self) -> bytes:
        return self.raw.http_response.content


def _thinking(model: str) -> ThinkingConfigParam | anthropic.Omit:
    thinking = thinking_of(model)
    if thinking is Thinking.DISABLED:
        return {"type": "disabled"}
    if thinking is Thinking.BETWEEN_TOOLS:
        return {"type": "between_tools"}
    return anthropic.omit


def _timed_out(error: anthropic.APITimeoutError, timeout_seconds: float) -> ItemError:
    if isinstance(error.__cause__, httpx2.ConnectTimeout):
        return item_error(ErrorCode.NETWORK, "Claude could not be reached in time")
    return item_error(ErrorCode.TIMEOUT, f"Claude did not finish its answer within {timeout_seconds:g} s")


def _not_reached(error: anthropic.APIConnectionError) -> ItemError:
    cause = error.__cause__
    return item_error(
        ErrorCode.NETWORK,
        f"the connection to Claude broke: {type(cause).__name__}: {str(cause) or error.message}",
    )
