from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressroom.local.claude.directives import Fault
from pressroom.local.claude.messages import BadRequestError, error_body, message_body, read_request


def body(**fields: Any) -> bytes:
    request = {"model": "m", "max_tokens": 10_000, "messages": [{"role": "user", "content": "Tea"}], **fields}
    return json.dumps(request).encode()


def test_a_request_is_read() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    request = read_request(
        body(
            metadata={"user_id": "job_1:1:1"},
            output_config={"format": {"type": "json_schema", "schema": schema}},
            stream=True,
        )
    )

    assert (request.model, request.text, request.user_id) == ("m", "Tea", "job_1:1:1")
    assert request.schema == schema
    assert request.stream
    assert request.input_tokens > 0


def test_text_blocks_are_read_like_text() -> None:
    content = [{"type": "text", "text": "Green"}, {"type": "image"}, 7, {"type": "text", "text": "tea"}]
    messages = [{"role": "user", "content": content}, {"role": "user", "content": 3}, "?"]

    assert read_request(body(messages=messages)).text.split() == ["Green", "tea"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        body(model=7),
        body(max_tokens=0),
        body(max_tokens="many"),
        body(messages=[]),
        body(messages="Tea"),
        body(output_config={"format": {"type": "yaml"}}),
        body(output_config={"format": {"type": "json_schema", "schema": 3}}),
    ],
)
def test_what_is_no_request_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_request(raw)


@given(raw=st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_no_body_breaks_anything(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_request(raw)


def test_the_same_request_has_the_same_answer() -> None:
    one, other = (message_body(read_request(body()), "req_1") for _ in range(2))

    assert one == other
    assert one["stop_reason"] == "end_turn"
    assert one["id"] == "msg_1"


def test_a_directive_is_no_part_of_the_topic() -> None:
    messages = [{"role": "user", "content": "<topic>\nGreen tea [[claude: delay=1]]\n</topic> about 500 words"}]
    text = message_body(read_request(body(messages=messages)), "req_1")["content"][0]["text"]

    assert "green tea" in text
    assert "claude" not in text


def test_an_answer_longer_than_max_tokens_is_cut() -> None:
    answer = message_body(read_request(body(max_tokens=5)), "req_1")

    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["output_tokens"] == 5
    assert len(answer["content"][0]["text"]) == 20


@pytest.mark.parametrize(
    ("fault", "stop_reason", "blocks"),
    [
        (Fault.REFUSAL, "refusal", 0),
        (Fault.EMPTY, "end_turn", 0),
        (Fault.MALFORMED, "end_turn", 1),
        (Fault.MAX_TOKENS, "max_tokens", 1),
        (Fault.CUT, "end_turn", 1),
    ],
)
def test_a_fault_makes_another_message_that_is_paid(fault: Fault, stop_reason: str, blocks: int) -> None:
    answer = message_body(read_request(body()), "req_1", fault)

    assert answer["stop_reason"] == stop_reason
    assert len(answer["content"]) == blocks
    assert (answer["stop_details"] is not None) == (fault is Fault.REFUSAL)
    assert answer["usage"]["output_tokens"] >= 1


@pytest.mark.parametrize(
    ("status", "error_type"),
    [(429, "rate_limit_error"), (529, "overloaded_error"), (503, "api_error"), (418, "invalid_request_error")],
)
def test_an_error_has_the_type_of_its_status(status: int, error_type: str) -> None:
    assert error_body(status, "no", "req_1")["error"] == {"type": error_type, "message": "no"}


def test_an_error_can_carry_another_type_and_a_code() -> None:
    error = error_body(429, "no", "req_1", error_type="billing_error", error_code="x")["error"]

    assert (error["type"], error["details"]) == ("billing_error", {"error_code": "x"})
