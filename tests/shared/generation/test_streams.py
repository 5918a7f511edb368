"""A stream put together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ErrorCode
from shared.generation.pricing import Usage
from shared.generation.streams import BrokenStreamError, Transcript

START = {
    "type": "message_start",
    "message": {"model": "claude-1", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}},
}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
STOP = {"type": "message_stop"}


def text(words: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": words}}


def transcript(*events: dict[str, Any], max_tokens: int = 1_000) -> Transcript:
    made = Transcript(max_tokens=max_tokens)
    for event in events:
        made.feed(json.dumps(event))
    return made


def test_events_make_up_the_message_that_an_unstreamed_answer_is() -> None:
    whole = transcript(START, BLOCK, {"type": "ping"}, text("Green "), text("tea"), END, STOP)

    assert json.loads(whole.document()) == {
        "model": "claude-1",
        "content": [{"type": "text", "text": "Green tea"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }
    assert whole.model == "claude-1"
    assert whole.used() == Usage(7, 5)


def test_blocks_stand_in_order_however_they_came() -> None:
    second = {**BLOCK, "index": 1, "content_block": {"type": "text", "text": "b"}}
    thinking = {"type": "content_block_start", "index": 2, "content_block": {"type": "thinking", "thinking": ""}}
    whole = transcript(START, second, BLOCK, thinking, text("c", 1), text("a"), END, STOP)

    blocks = json.loads(whole.document())["content"]
    assert [block.get("text") for block in blocks] == ["a", "bc", None]


@pytest.mark.parametrize("missing", [STOP, END])
def test_an_answer_is_none_before_it_has_ended(missing: dict[str, Any]) -> None:
    events = [event for event in (START, BLOCK, text("Green"), END, STOP) if event is not missing]
    if missing is STOP:
        with pytest.raises(BrokenStreamError, match="after 5 bytes") as raised:
            transcript(*events).document()
        assert raised.value.code is ErrorCode.NETWORK
    else:
        assert "stop_reason" not in json.loads(transcript(*events).document())


def test_what_was_written_is_estimated_generously_until_claude_counts() -> None:
    assert transcript().used() == Usage(0, 0)
    assert transcript(START).used() == Usage(7, 1)
    assert transcript(START, BLOCK, text("x" * 401)).used() == Usage(7, 201)
    assert transcript(START, BLOCK, text("x" * 401), max_tokens=50).used() == Usage(7, 50)
    assert transcript(START, BLOCK, text("茶" * 10)).used() == Usage(7, 15)
    assert transcript(START, BLOCK, text("x" * 401), END).used() == Usage(7, 5)


def test_thinking_is_paid_though_nobody_reads_it() -> None:
    thought = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "y" * 40}}

    assert transcript(START, thought).used() == Usage(7, 20)


def test_cached_tokens_are_read_tokens_and_a_later_null_changes_nothing() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
    begun = {"type": "message_start", "message": {"model": "m", "usage": usage}}
    ended = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4, "cache_read_input_tokens": None}}

    assert transcript(begun, ended).used() == Usage(321, 4)


def test_a_beginning_without_counts_counts_nothing() -> None:
    assert transcript({"type": "message_start", "message": {"model": 7, "usage": None}}).used() == Usage(0, 0)
    assert transcript({"type": "message_start", "message": {"model": 7}}).model is None


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ErrorCode.OVERLOADED, "Overloaded"),
        ({"type": "rate_limit_error", "message": "Slow"}, ErrorCode.RATE_LIMITED, "Slow"),
        ({"type": "api_error", "message": "Oops"}, ErrorCode.PROVIDER_ERROR, "Oops"),
        ({"type": "invalid_request_error", "message": ""}, ErrorCode.PROVIDER_ERROR, "ended with an error"),
        ({}, ErrorCode.PROVIDER_ERROR, "ended with an error"),
        (
            {"type": "rate_limit_error", "message": "x", "details": {"error_code": "enforced_spend_limit_reached"}},
            ErrorCode.BILLING,
            "x",
        ),
    ],
)
def test_an_error_in_the_stream_is_mapped_by_its_type(error: dict[str, Any], code: ErrorCode, message: str) -> None:
    with pytest.raises(BrokenStreamError, match=message) as raised:
        transcript(START, {"type": "error", "error": error})

    assert raised.value.code is code


@given(st.text() | st.dictionaries(st.text(), st.none() | st.integers() | st.text()).map(json.dumps))
def test_no_event_breaks_anything(data: str) -> None:
    made = transcript(START)
    code = ErrorCode.PROVIDER_ERROR
    try:
        made.feed(data)
    except BrokenStreamError as error:
        code = error.code

    assert code is ErrorCode.PROVIDER_ERROR
    assert made.used().input_tokens == 7
