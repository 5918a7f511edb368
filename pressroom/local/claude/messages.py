"""The Messages API's side of the offline Claude: reading a request, and the documents that answer it.

An answer follows from the request alone: the same request is answered with the same words.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pressroom.local.claude.directives import Fault, without
from pressroom.local.claude.prose import Author
from pressroom.local.claude.shapes import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BadRequestError", "MessageRequest", "error_body", "events", "message_body", "read_request"]

_DEFAULT_WORDS: Final = 300
_CHARACTERS_A_TOKEN: Final = 4
_STREAMED_CHARACTERS: Final = 400
_TOPIC: Final = re.compile(r"<topic>\s*(.*?)\s*</topic>", re.DOTALL)
_LENGTH: Final = re.compile(r"about (\d{1,6}) words")
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERROR: Final = 500


class BadRequestError(ValueError):
    """The request is not one that the Messages API takes; the message says why."""


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A request, as far as it matters. ``text`` is what the user turns say; ``schema`` may be missing."""

    model: str
    max_tokens: int
    text: str
    input_tokens: int
    schema: Mapping[str, Any] | None
    user_id: str
    stream: bool


def read_request(body: bytes) -> MessageRequest:
    """The request in ``body``.

    Raises:
        BadRequestError: it is not one.
    """
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequestError("the body must be an object")
    model, max_tokens, messages = (document.get(name) for name in ("model", "max_tokens", "messages"))
    if not (isinstance(model, str) and model):
        raise BadRequestError("model: must be a string")
    if type(max_tokens) is not int or max_tokens < 1:
        raise BadRequestError("max_tokens: must be a whole number above 0")
    if not (isinstance(messages, list) and messages):
        raise BadRequestError("messages: must be a list with at least one message")
    output = _mapping(_mapping(document.get("output_config")).get("format"))
    if output and (output.get("type") != "json_schema" or not isinstance(output.get("schema"), dict)):
        raise BadRequestError("output_config.format: must be a JSON schema")
    return MessageRequest(
        model=model,
        max_tokens=max_tokens,
        text="\n".join(_texts(messages)),
        input_tokens=_tokens(json.dumps([document.get("system"), messages, output])),
        schema=output.get("schema"),
        user_id=str(_mapping(document.get("metadata")).get("user_id") or ""),
        stream=document.get("stream") is True,
    )


def message_body(request: MessageRequest, request_id: str, fault: Fault | None = None) -> dict[str, Any]:
    """The message that answers ``request``, or the one that ``fault`` makes of it."""
    text, stop_reason = _text(request), "end_turn"
    tokens = _tokens(text)
    if tokens > request.max_tokens:
        text, stop_reason = text[: request.max_tokens * _CHARACTERS_A_TOKEN], "max_tokens"
    match fault:
        case Fault.MAX_TOKENS:
            text, stop_reason = text[: len(text) // 2], "max_tokens"
        case Fault.REFUSAL:
            text, stop_reason = "", "refusal"
        case Fault.EMPTY:
            text = ""
        case Fault.MALFORMED:
            # As a model's may: with the item's own words, for a value and for a key.
            topic = _topic(request)
            text = json.dumps({"note": topic, topic: "this is not what the schema asks for"}, ensure_ascii=False)
        case _:
            pass
    return {
        "id": request_id.replace("req_", "msg_", 1),
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": _refusal(request) if stop_reason == "refusal" else None,
        "usage": {"input_tokens": request.input_tokens, "output_tokens": max(1, _tokens(text))},
    }


def error_body(
    status: int, message: str, request_id: str, *, error_type: str | None = None, error_code: str | None = None
) -> dict[str, Any]:
    """The body of an error answer."""
    by_status = _TYPES.get(status, "api_error" if status >= _SERVER_ERROR else "invalid_request_error")
    error: dict[str, Any] = {"type": error_type or by_status, "message": message}
    if error_code is not None:
        error["details"] = {"error_code": error_code}
    return {"type": "error", "error": error, "request_id": request_id}


def events(message: Mapping[str, Any], *, interrupted: bool = False, error_type: str | None = None) -> Iterator[bytes]:
    """``message`` as the server-sent events of a streamed answer.

    Where it is ``interrupted``, an error event of ``error_type`` stands where the last block would have ended.
    """
    usage = message["usage"]
    opening = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield _event("message_start", message=opening)
    for index, block in enumerate(message["content"]):
        yield _event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        text = block["text"]
        for start in range(0, len(text), _STREAMED_CHARACTERS):
            delta = {"type": "text_delta", "text": text[start : start + _STREAMED_CHARACTERS]}
            yield _event("content_block_delta", index=index, delta=delta)
        if interrupted:
            yield _event("error", error={"type": error_type or "overloaded_error", "message": "Overloaded"})
            return
        yield _event("content_block_stop", index=index)
    closing = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    yield _event("message_delta", delta=closing, usage={"output_tokens": usage["output_tokens"]})
    yield _event("message_stop")


def _event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def _text(request: MessageRequest) -> str:
    length = _LENGTH.search(request.text)
    words = int(length.group(1)) if length else _DEFAULT_WORDS
    seed = int.from_bytes(hashlib.sha256(request.text.encode("utf-8", "replace")).digest()[:8])
    author = Author(_topic(request), seed)
    if request.schema is None:
        return author.paragraphs(words)
    return json.dumps(fill(request.schema, author, words=words), ensure_ascii=False)


def _refusal(request: MessageRequest) -> dict[str, str]:
    told = f"The item's text asked the offline Claude to refuse {_topic(request)!r}."
    return {"type": "refusal", "category": "general_harms", "explanation": told}


def _topic(request: MessageRequest) -> str:
    topic = _TOPIC.search(request.text)
    return without(topic.group(1) if topic else request.text[:80])


def _texts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        content = _mapping(message).get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (str(_mapping(block).get("text") or "") for block in content)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_A_TOKEN)
