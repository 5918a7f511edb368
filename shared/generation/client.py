"""Claude, at Anthropic or on Bedrock: one call for one item, every error mapped once.

Only this module and :mod:`shared.generation.bedrock_client` import anthropic.

The SDK is used without its retries (it sleeps any ``retry-after``; here the queue waits) and without its parsing
of structured output (it raises on a refusal and loses the usage); :mod:`shared.generation.answers` reads the answer.
It is streamed, so that a call which nobody wants any more can be stopped and is paid only as far as it came.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Final, Protocol, Self

import httpx2
from anthropic import Anthropic, AnthropicError, APIConnectionError, APIStatusError, Omit, Stream, omit

from shared.clock import SystemClock
from shared.errors import CallCancelledError, ErrorCode, ItemError, SettingsError, item_error
from shared.generation.answers import Generation, judge
from shared.generation.bedrock import Bedrock
from shared.generation.claude_errors import code_of, exception_of, rate_limits, request_id, retry_after_seconds
from shared.generation.pricing import PriceTable, parse_price_table
from shared.generation.streams import (
    AWS_EVENT_STREAM,
    EVENT_STREAM,
    BrokenStreamError,
    Transcript,
    WholeAnswer,
    media_type,
)
from shared.generation.thinking import Thinking, answer_tokens, thinking_of
from shared.generation.transport import AbandonedError, DeadlineTransport, never

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from anthropic.types import MetadataParam, ThinkingConfigParam

    from shared.clock import Clock
    from shared.generation.bedrock_client import SignedClaude
    from shared.generation.pricing import Usage
    from shared.generation.prompts import Prompt

__all__ = [
    "FORBID_PAID_CALLS",
    "ITEM_HEADER",
    "REAL_BASE_URL",
    "ClaudeClient",
    "ClaudeSettings",
    "Generation",
    "PaidCallsForbiddenError",
    "load_sdk",
    "paid_calls_forbidden",
]

REAL_BASE_URL: Final = "https://api.anthropic.com"
ITEM_HEADER: Final = "x-pressroom-item"
"""Carries the item's idempotency key, as ``metadata.user_id`` does at Anthropic."""
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
    def bedrock_models_json(self) -> str:
        """Bedrock's ids (:meth:`shared.generation.bedrock.Bedrock.parse`); empty is Claude at Anthropic."""
        ...

    @property
    def bedrock_region(self) -> str:
        """Where Bedrock is called."""
        ...

    @property
    def price_table_json(self) -> str:
        """Prices (:func:`shared.generation.pricing.parse_price_table`); empty are the built-in ones."""
        ...


def load_sdk() -> None:
    """Load all of Claude's SDK that a call needs: in a bundle it loads only what is asked for. Nothing is sent.

    A function that starts is given more of a processor than one that answers, and a snapshot holds what was loaded
    before it; but where the key stands in a secret, there is no client before the first call.
    """
    # Without the environment: a proxy or a certificate that is wrong must fail a call, which is told, not a start.
    with httpx2.Client(transport=httpx2.BaseTransport(), trust_env=False) as http_client:
        client = Anthropic(
            api_key="none", base_url=REAL_BASE_URL, max_retries=0, http_client=http_client, open_telemetry=False
        )
        _ = client.messages.with_raw_response


class ClaudeClient:
    """Calls Claude. May be shared by threads.

    Args:
        api_key: the key; where it is empty, only a Claude on this machine is asked. Bedrock needs none.
        base_url: where Claude is; empty is the real one.
        prices: what tokens cost.
        bedrock: where Claude is called on Bedrock; None is Claude at Anthropic.
        clock: for a ``retry-after`` that is a date.

    Raises:
        PaidCallsForbiddenError: the environment forbids calls that could cost money, and ``base_url`` is not on
            this machine.
    """

    def __init__(
        self,
        *,
        api_key: str = "",
        base_url: str = "",
        prices: PriceTable,
        bedrock: Bedrock | None = None,
        clock: Clock | None = None,
    ) -> None:
        url = httpx2.URL(base_url or (REAL_BASE_URL if bedrock is None else bedrock.base_url))
        local = url.host in _LOOPBACK
        if not local and paid_calls_forbidden():
            raise PaidCallsForbiddenError(f"{FORBID_PAID_CALLS} is set: no client for {url}")
        self._key = api_key.strip() or ("offline" if local else "")
        self._bedrock = bedrock
        self._prices = prices if bedrock is None else bedrock.priced(prices)
        self._clock: Clock = clock or SystemClock()
        self._transport = DeadlineTransport(url)
        http_client = httpx2.Client(transport=self._transport, base_url=url, follow_redirects=False)
        self._signed = None if bedrock is None else _signed(bedrock, url, http_client)
        self._claude = self._signed or Anthropic(
            api_key=self._key, base_url=url, max_retries=0, http_client=http_client, open_telemetry=False
        )
        # Here and not at the first call: in its bundle the SDK loads a resource when it is asked for, and a function
        # that starts is given more of a processor than one that answers.
        self._messages = self._claude.messages.with_raw_response

    @classmethod
    def from_settings(cls, settings: ClaudeSettings, *, clock: Clock | None = None) -> Self:
        """The client that ``settings`` describe.

        Raises:
            SettingsError: the price table or Bedrock's ids are wrong, or paid calls are forbidden.
        """
        return cls(
            api_key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url,
            prices=parse_price_table(settings.price_table_json),
            bedrock=Bedrock.parse(settings.bedrock_models_json, settings.bedrock_region),
            clock=clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._claude.close()

    def generate(
        self,
        prompt: Prompt,
        *,
        model: str,
        idempotency_key: str,
        timeout_seconds: float,
        cancelled: Callable[[], bool] = never,
    ) -> Generation:
        """One call.

        Args:
            prompt: what is asked.
            model: the model's id; it must have a price.
            idempotency_key: names the item and generation to Claude and its logs; Claude does not act on it.
            timeout_seconds: for the whole call, from connecting to the last byte.
            cancelled: whether nobody wants the text any more. Asked about twice a second, whether Claude writes or
                is silent; it must be quick.

        Raises:
            ItemError: whatever went wrong, in the class that decides what happens to the item. Where Claude
                answered, it carries status, request id, and the tokens and cost that were billed.
            CallCancelledError: ``cancelled`` said so; the connection is closed.
        """
        self._check(model)
        call = _Call(self, prompt, model, timeout_seconds)
        try:
            with self._transport.within(timeout_seconds, cancelled):
                answer = call.answer(idempotency_key)
        except (AnthropicError, httpx2.HTTPError, AbandonedError, BrokenStreamError) as error:
            raise call.failure(error) from error
        return judge(answer, prompt, model=model, prices=self._prices)

    def _check(self, model: str) -> None:
        """Refuse what would cost money that nobody counts, or cannot succeed, before anything is sent."""
        if self._bedrock is not None and model not in self._bedrock.ids:
            raise item_error(
                ErrorCode.INVALID_REQUEST,
                f"bedrock_models has no id for model {model!r}; it has {', '.join(sorted(self._bedrock.ids))}",
            )
        if not self._prices.known(model):
            raise item_error(
                ErrorCode.INVALID_REQUEST,
                f"model {model!r} has no price; known are {', '.join(self._prices.models)}",
            )
        if self._bedrock is not None:
            return
        if not self._key:
            raise item_error(ErrorCode.AUTHENTICATION, "no API key for Claude is configured")
        if not (self._key.isascii() and self._key.isprintable()):
            raise item_error(ErrorCode.AUTHENTICATION, "the API key for Claude contains characters that no key has")

    def send(self, prompt: Prompt, model: str, idempotency_key: str, timeout_seconds: float) -> httpx2.Response:
        """The answer's head; its body is still to be read."""
        response = self._messages.create(
            model=model if self._bedrock is None else self._bedrock.ids[model],
            max_tokens=answer_tokens(prompt.max_tokens, model),
            system=prompt.system,
            messages=[{"role": "user", "content": prompt.user}],
            output_config={"format": {"type": "json_schema", "schema": dict(prompt.schema)}},
            thinking=_thinking(model),
            metadata=self._metadata(idempotency_key),
            stream=True,
            extra_headers={ITEM_HEADER: idempotency_key},
            timeout=httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        )
        return response.http_response

    def _metadata(self, idempotency_key: str) -> MetadataParam | Omit:
        """Names the item; Bedrock's body has no such member, and refuses what it does not know."""
        return {"user_id": idempotency_key} if self._bedrock is None else omit

    def events(self, response: httpx2.Response) -> Iterator[str] | None:
        """The events of a streamed answer as they arrive, each as JSON; None where the answer is not streamed.

        Raises:
            BrokenStreamError: while it is read: it is no stream.
        """
        kind = media_type(response)
        if self._signed is not None:
            return self._signed.events(response) if kind == AWS_EVENT_STREAM else None
        return _text_events(response) if kind == EVENT_STREAM else None

    def cost_microusd(self, model: str, usage: Usage) -> int:
        """What ``usage`` costs."""
        return self._prices.cost_microusd(model, usage)

    def refused_by_status(self, error: APIStatusError) -> ItemError:
        """An answer that is no success."""
        message = error.api_message if isinstance(error.api_message, str) else error.message
        headers = error.response.headers
        return item_error(
            code_of(error.status_code, error.type or exception_of(headers), error.error_code),
            message[:MESSAGE_CHARACTERS],
            http_status=error.status_code,
            claude_request_id=request_id(headers),
            retry_after_seconds=retry_after_seconds(headers.get("retry-after"), self._clock.now()),
            rate_limits=rate_limits(headers),
        )


class _Call:
    """One call: what has arrived of its answer, and what it means if no more does."""

    def __init__(self, client: ClaudeClient, prompt: Prompt, model: str, timeout_seconds: float) -> None:
        self._client = client
        self._prompt = prompt
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._transcript = Transcript(max_tokens=answer_tokens(prompt.max_tokens, model))
        self._response: httpx2.Response | None = None

    def answer(self, idempotency_key: str) -> WholeAnswer:
        """The whole answer, once it is there. The connection is closed where it does not become whole."""
        response = self._client.send(self._prompt, self._model, idempotency_key, self._timeout_seconds)
        self._response = response
        with closing(response):
            events = self._client.events(response)
            if events is None:
                return WholeAnswer(response, response.read())  # a gateway that does not stream, or a proxy's page
            for event in events:
                self._transcript.feed(event)
            return WholeAnswer(response, self._transcript.document())

    def failure(self, error: Exception) -> ItemError | CallCancelledError:
        """What the end of the call by ``error`` means, with what it used so far."""
        if isinstance(error, APIStatusError):
            return self._client.refused_by_status(error)
        used = self._transcript.used()
        cost = self._client.cost_microusd(self._model, used)
        cause = error.__cause__ if isinstance(error, APIConnectionError) else error
        if isinstance(cause, AbandonedError):
            return CallCancelledError(
                input_tokens=used.input_tokens, output_tokens=used.output_tokens, cost_microusd=cost
            )
        code, text = _meaning(error, cause, self._timeout_seconds)
        return item_error(
            code,
            text[:MESSAGE_CHARACTERS],
            http_status=None if self._response is None else self._response.status_code,
            claude_request_id=None if self._response is None else request_id(self._response.headers),
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost_microusd=cost,
            model=self._transcript.model,
        )


def _signed(bedrock: Bedrock, url: httpx2.URL, http_client: httpx2.Client) -> SignedClaude:
    # Only where it is asked for: the SDK's client of Bedrock brings much that a call at Anthropic never needs.
    from shared.generation.bedrock_client import SignedClaude  # noqa: PLC0415

    return SignedClaude(
        aws_region=bedrock.region, base_url=url, max_retries=0, http_client=http_client, open_telemetry=False
    )


def _text_events(response: httpx2.Response) -> Iterator[str]:
    try:
        for event in Stream.raw_events(response):
            if event.data:
                yield event.data
    except UnicodeDecodeError as error:
        raise BrokenStreamError(ErrorCode.NETWORK, "the stream is no text") from error


def _thinking(model: str) -> ThinkingConfigParam | Omit:
    thinking = thinking_of(model)
    if thinking is Thinking.DISABLED:
        return {"type": "disabled"}
    if thinking is Thinking.BETWEEN_TOOLS:
        return {"type": "between_tools"}
    return omit


def _meaning(error: Exception, cause: BaseException | None, timeout_seconds: float) -> tuple[ErrorCode, str]:
    """Code and message of a call that ended without a whole answer."""
    match cause:
        case BrokenStreamError():
            return cause.code, str(cause)
        case httpx2.ConnectTimeout():
            return ErrorCode.NETWORK, "Claude could not be reached in time"
        case httpx2.TimeoutException():
            return ErrorCode.TIMEOUT, f"Claude did not finish its answer within {timeout_seconds:g} s"
    if isinstance(error, APIConnectionError | httpx2.HTTPError):
        return ErrorCode.NETWORK, f"the connection to Claude broke: {type(cause).__name__}: {str(cause) or error}"
    return ErrorCode.PROVIDER_ERROR, f"{type(error).__name__}: {error}"
