"""Claude's answer with status 200, judged: a generation, or the error that it is.

The body is read with models of our own. The SDK builds its objects without checking them, gives back a proxy's
HTML page as text and a cut body as a bare parse error; here each of these has its code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import ErrorCode, ItemError, item_error
from shared.generation.misfits import misfit
from shared.generation.pricing import Usage

if TYPE_CHECKING:
    from shared.generation.pricing import PriceTable
    from shared.generation.prompts import Prompt

__all__ = ["Generation", "HttpAnswer", "judge"]

_FINISHED: Final = frozenset({"end_turn", "stop_sequence"})
_CUT: Final = frozenset({"max_tokens", "model_context_window_exceeded"})

_Tokens = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Generation:
    """A call that succeeded: what Claude wrote, and what it cost.

    ``output`` is the JSON object of the kind's output model, as text; ``model`` is the one that answered.
    """

    output: str
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    model: str
    claude_request_id: str | None


class HttpAnswer(Protocol):
    """What is needed of an HTTP answer."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        ...

    @property
    def request_id(self) -> str | None:
        """Claude's id of the request."""
        ...

    @property
    def content(self) -> bytes:
        """The body."""
        ...


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Block(_Lenient):
    type: str
    text: str = ""


class _BilledUsage(_Lenient):
    input_tokens: _Tokens
    output_tokens: _Tokens
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None

    def usage(self) -> Usage:
        cached = (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)
        return Usage(self.input_tokens + cached, self.output_tokens)


class _StopDetails(_Lenient):
    category: str | None = None
    explanation: str | None = None


class _Message(_Lenient):
    model: str
    stop_reason: str
    stop_details: _StopDetails | None = None
    content: list[_Block]
    usage: _BilledUsage

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.content if block.type == "text").strip()


def judge(answer: HttpAnswer, prompt: Prompt, *, model: str, prices: PriceTable) -> Generation:
    """The generation that ``answer`` holds.

    Args:
        answer: an answer with a status of success.
        prompt: what was asked.
        model: the model that was asked for; its price holds.
        prices: what tokens cost.

    Raises:
        ItemError: refused, truncated, malformed_output (with what was billed), provider_error or network.
    """
    message = _read(answer)
    usage = message.usage.usage()
    cost = prices.cost_microusd(model, usage)

    def failed(code: ErrorCode, text: str) -> ItemError:
        return item_error(
            code,
            text,
            http_status=answer.status_code,
            claude_request_id=answer.request_id,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_microusd=cost,
            model=message.model,
        )

    if message.stop_reason == "refusal":
        raise failed(ErrorCode.REFUSED, _refusal(message.stop_details))
    if message.stop_reason in _CUT:
        raise failed(
            ErrorCode.TRUNCATED,
            f"the answer was cut after {usage.output_tokens} tokens ({message.stop_reason})",
        )
    if message.stop_reason not in _FINISHED:
        raise failed(ErrorCode.MALFORMED_OUTPUT, f"Claude stopped without an answer: {message.stop_reason}")
    if not message.text:
        raise failed(ErrorCode.MALFORMED_OUTPUT, "Claude's answer is empty")
    try:
        output = prompt.output_model.model_validate_json(message.text)
    except ValidationError as error:
        told = misfit(error, prompt.output_model)
        raise failed(ErrorCode.MALFORMED_OUTPUT, f"the output does not fit its schema: {told}") from None
    return Generation(
        output=output.model_dump_json(),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_microusd=cost,
        model=message.model,
        claude_request_id=answer.request_id,
    )


def _read(answer: HttpAnswer) -> _Message:
    try:
        return _Message.model_validate_json(answer.content)
    except ValidationError as error:
        if not answer.content_type.endswith("json"):
            code, text = ErrorCode.PROVIDER_ERROR, f"the answer is {answer.content_type or 'of no type'}, not JSON"
        elif any(detail["type"] == "json_invalid" for detail in error.errors(include_url=False)):
            code, text = ErrorCode.NETWORK, f"the answer ended in the middle, after {len(answer.content)} bytes"
        else:
            code, text = ErrorCode.PROVIDER_ERROR, f"the answer is no message: {misfit(error, _Message)}"
        raise item_error(code, text, http_status=answer.status_code, claude_request_id=answer.request_id) from None


def _refusal(details: _StopDetails | None) -> str:
    if details is None or not (details.category or details.explanation):
        return "Claude refused to write this"
    reasons = ": ".join(part for part in (details.category, details.explanation) if part)
    return f"Claude refused to write this: {reasons}"
