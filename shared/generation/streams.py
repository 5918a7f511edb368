"""A streamed answer of Claude, put together event by event.

The events are read with a model of our own, and what they make up is the same document that an unstreamed answer is,
so that :func:`shared.generation.answers.judge` judges both. Whenever the stream ends, it is known what was used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import ErrorCode
from shared.generation.claude_errors import code_of, request_id
from shared.generation.pricing import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

__all__ = ["AWS_EVENT_STREAM", "EVENT_STREAM", "BrokenStreamError", "Transcript", "WholeAnswer", "media_type"]

AWS_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
EVENT_STREAM: Final = "text/event-stream"
_BYTES_A_TOKEN: Final = 2
"""A token is three to four bytes of text on average: an estimate by this is generous."""
_INPUT_TOKENS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class BrokenStreamError(Exception):
    """The stream says that it failed, ended too early, or is none; ``code`` says what that means for the item."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer that is whole, as :func:`shared.generation.answers.judge` reads it.

    ``content`` is a message however it came: put together from a stream, or the body itself.
    """

    response: httpx2.Response
    content: bytes

    @property
    def status_code(self) -> int:
        """The status."""
        return self.response.status_code

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return media_type(self.response)

    @property
    def request_id(self) -> str | None:
        """Claude's id of the request."""
        return request_id(self.response.headers)


def media_type(response: httpx2.Response) -> str:
    """The response's media type, without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


class _Event(BaseModel):
    """Any event; which members stand there depends on its type."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    type: str
    index: int = 0
    message: dict[str, Any] = {}
    content_block: dict[str, Any] = {}
    delta: dict[str, Any] = {}
    usage: dict[str, Any] | None = None
    error: dict[str, Any] = {}


class Transcript:
    """What has arrived of one answer. ``max_tokens`` is the most that was asked for."""

    def __init__(self, *, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, list[str]] = {}
        self._bytes = 0
        self._counted = False
        self._complete = False

    @property
    def model(self) -> str | None:
        """The model that answers, once it has said so."""
        model = self._message.get("model")
        return model if isinstance(model, str) else None

    def feed(self, data: str) -> None:
        """Take one event in.

        Raises:
            BrokenStreamError: it is an error event, or none that the Messages API has.
        """
        try:
            event = _Event.model_validate_json(data)
        except ValidationError as error:
            raise BrokenStreamError(ErrorCode.PROVIDER_ERROR, "the stream holds an event that is none") from error
        match event.type:
            case "message_start":
                self._message, self._usage = event.message, _numbers(event.message.get("usage"))
            case "content_block_start":
                self._blocks[event.index] = event.content_block
                self._write(event.index, event.content_block.get("text"))
            case "content_block_delta":
                self._delta(event.index, event.delta)
            case "message_delta":
                self._message |= event.delta
                self._usage |= _numbers(event.usage)
                self._counted = True
            case "message_stop":
                self._complete = True
            case "error":
                raise _told(event.error)
            case _:
                pass  # a ping, the end of a block, or an event of tomorrow, which the API asks to pass over

    def document(self) -> bytes:
        """The whole answer as the JSON of a message.

        Raises:
            BrokenStreamError: the stream has ended before the answer did.
        """
        if not self._complete:
            raise BrokenStreamError(ErrorCode.NETWORK, f"the answer ended in the middle, after {self._bytes} bytes")
        content = [
            {**block, "text": "".join(self._texts[index])} if index in self._texts else block
            for index, block in sorted(self._blocks.items())
        ]
        return json.dumps({**self._message, "content": content, "usage": self._usage}).encode()

    def used(self) -> Usage:
        """Tokens so far: what Claude counted, and where it has not yet, an estimate that is rather too high."""
        read = sum(self._usage.get(name, 0) for name in _INPUT_TOKENS)
        written = self._usage.get("output_tokens", 0)
        if not self._counted:
            written = max(written, min(self._max_tokens, -(-self._bytes // _BYTES_A_TOKEN)))
        return Usage(read, written)

    def _delta(self, index: int, delta: Mapping[str, Any]) -> None:
        if delta.get("type") == "text_delta":
            self._write(index, delta.get("text"))
            return
        # Thinking and the like is written and paid as well, though nobody reads it here.
        self._bytes += sum(_size(text) for name, text in delta.items() if name != "type")

    def _write(self, index: int, text: object) -> None:
        if isinstance(text, str):
            self._texts.setdefault(index, []).append(text)
            self._bytes += _size(text)


def _size(text: object) -> int:
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0


def _numbers(usage: object) -> dict[str, Any]:
    """The counts in ``usage``; later events leave out, or null, what they do not change."""
    if not isinstance(usage, dict):
        return {}
    return {name: count for name, count in usage.items() if type(count) is int and count >= 0}


def _told(error: Mapping[str, Any]) -> BrokenStreamError:
    details = error.get("details")
    detail = details.get("error_code") if isinstance(details, dict) else None
    message = error.get("message")
    return BrokenStreamError(
        code_of(0, error.get("type"), detail),
        message if isinstance(message, str) and message else "Claude's stream ended with an error",
    )
