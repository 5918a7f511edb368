from __future__ import annotations

import pytest

from shared.generation.pricing import BUILT_IN
from shared.generation.thinking import THINKING_TOKENS, Thinking, answer_tokens, thinking_of


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("claude-sonnet-5-5", Thinking.BETWEEN_TOOLS),
        ("claude-haiku-5-5", Thinking.DISABLED),
        ("claude-sonnet-4-6", Thinking.UNSAID),
        ("claude-opus-5-5", Thinking.ALWAYS),
    ],
)
def test_each_model_is_told_in_its_own_word(model: str, thinking: Thinking) -> None:
    assert thinking_of(model) is thinking


def test_a_model_that_is_not_known_gets_room_to_think() -> None:
    assert thinking_of("claude-next") is Thinking.ALWAYS
    assert answer_tokens(100, "claude-next") == 100 + THINKING_TOKENS


def test_a_model_that_does_not_think_gets_the_answers_tokens_only() -> None:
    quiet = [model for model in BUILT_IN.models if thinking_of(model) is not Thinking.ALWAYS]

    assert quiet
    assert {answer_tokens(100, model) for model in quiet} == {100}
