from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.errors import ErrorCode, ItemError
from shared.generation.answers import judge
from shared.generation.pricing import BUILT_IN
from shared.generation.prompts import Prompt
from tests.support.claude_answers import MODEL, Answer, answer, message


class Note(BaseModel):
    text: str
    stars: int


PROMPT = Prompt(system="s", user="u", schema={}, output_model=Note, max_tokens=100)


def error_of(given_answer: Answer) -> ItemError:
    with pytest.raises(ItemError) as raised:
        judge(given_answer, PROMPT, model=MODEL, prices=BUILT_IN)
    return raised.value


def test_a_fitting_answer_is_a_generation_priced_by_the_model_that_was_asked_for() -> None:
    generation = judge(answer(message()), PROMPT, model=MODEL, prices=BUILT_IN)

    assert json.loads(generation.output) == {"text": "fine", "stars": 4}
    assert (generation.input_tokens, generation.output_tokens) == (100, 20)
    assert generation.cost_microusd == 100 * 2 + 20 * 10
    assert generation.model == "claude-sonnet-5-5-20261001"
    assert generation.claude_request_id == "req_1"


def test_cached_tokens_count_as_input() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 1,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 7,
    }
    generation = judge(answer(message(usage=usage)), PROMPT, model=MODEL, prices=BUILT_IN)

    assert generation.input_tokens == 22


def test_only_text_blocks_make_the_text() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "text": "not this"},
        {"type": "text", "text": '{"text": "a",'},
        {"type": "text", "text": ' "stars": 1}'},
    ]
    generation = judge(answer(message(content=content)), PROMPT, model=MODEL, prices=BUILT_IN)

    assert json.loads(generation.output) == {"text": "a", "stars": 1}


@pytest.mark.acceptance(19)
@pytest.mark.parametrize(
    ("document", "code"),
    [
        (message(None, stop_reason="refusal"), ErrorCode.REFUSED),
        (message('{"text": "cu', stop_reason="max_tokens"), ErrorCode.TRUNCATED),
        (message('{"text": "cu', stop_reason="model_context_window_exceeded"), ErrorCode.TRUNCATED),
        (message(stop_reason="pause_turn"), ErrorCode.MALFORMED_OUTPUT),
        (message(stop_reason="tool_use"), ErrorCode.MALFORMED_OUTPUT),
        (message(None), ErrorCode.MALFORMED_OUTPUT),
        (message(" \n"), ErrorCode.MALFORMED_OUTPUT),
        (message("Here you are:"), ErrorCode.MALFORMED_OUTPUT),
        (message('{"text": "fine"}'), ErrorCode.MALFORMED_OUTPUT),
    ],
)
def test_an_answer_that_is_none_fails_with_what_it_cost(document: dict[str, Any], code: ErrorCode) -> None:
    error = error_of(answer(document))

    assert error.code is code
    assert (error.input_tokens, error.output_tokens, error.cost_microusd) == (100, 20, 400)
    assert error.model == "claude-sonnet-5-5-20261001"
    assert (error.http_status, error.claude_request_id) == (200, "req_1")


def test_a_truncated_answer_that_happens_to_fit_is_still_truncated() -> None:
    assert error_of(answer(message(stop_reason="max_tokens"))).code is ErrorCode.TRUNCATED


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (None, "Claude refused to write this"),
        ({"type": "refusal", "category": None, "explanation": None}, "Claude refused to write this"),
        ({"category": "bio"}, "Claude refused to write this: bio"),
        ({"category": "bio", "explanation": "No."}, "Claude refused to write this: bio: No."),
    ],
)
def test_a_refusal_says_why_where_claude_does(details: dict[str, Any] | None, said: str) -> None:
    assert error_of(answer(message(None, stop_reason="refusal", stop_details=details))).message == said


@pytest.mark.acceptance(17)
def test_a_misfit_names_its_fields_and_not_what_was_written() -> None:
    error = error_of(answer(message('{"text": 5, "stars": "secret words"}')))

    assert "text: " in error.message
    assert "stars: " in error.message
    assert "secret words" not in error.message


def test_a_misfit_of_many_fields_stays_short() -> None:
    class Wide(BaseModel):
        a: int
        b: int
        c: int
        d: int
        e: int
        f: int
        g: int

    prompt = Prompt(system="s", user="u", schema={}, output_model=Wide, max_tokens=1)
    with pytest.raises(ItemError, match="and 2 more"):
        judge(answer(message("{}")), prompt, model=MODEL, prices=BUILT_IN)


@pytest.mark.acceptance(17)
@pytest.mark.parametrize(
    ("given_answer", "code"),
    [
        (Answer(b'{"type": "mess'), ErrorCode.NETWORK),
        (Answer(b""), ErrorCode.NETWORK),
        (Answer(b"\xff\xfe"), ErrorCode.NETWORK),
        (Answer(b"<html>", "text/html"), ErrorCode.PROVIDER_ERROR),
        (Answer(b"", ""), ErrorCode.PROVIDER_ERROR),
        (answer(None), ErrorCode.PROVIDER_ERROR),
        (answer([]), ErrorCode.PROVIDER_ERROR),
        (answer({"ok": True}), ErrorCode.PROVIDER_ERROR),
        (answer(message(usage=None)), ErrorCode.PROVIDER_ERROR),
        (answer(message(usage={"input_tokens": -1, "output_tokens": 0})), ErrorCode.PROVIDER_ERROR),
        (answer(message(stop_reason=None)), ErrorCode.PROVIDER_ERROR),
        (answer(message(content="text")), ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_body_that_is_no_message_is_a_transient_error(given_answer: Answer, code: ErrorCode) -> None:
    error = error_of(given_answer)

    assert error.code is code
    assert error.retryable
    assert (error.http_status, error.claude_request_id) == (200, "req_1")
    assert error.cost_microusd == 0


@given(content=st.binary(), content_type=st.sampled_from(["application/json", "text/plain", ""]))
def test_no_body_breaks_anything(content: bytes, content_type: str) -> None:
    assert error_of(Answer(content, content_type)).code in {ErrorCode.NETWORK, ErrorCode.PROVIDER_ERROR}
