"""How a model is told not to think before it writes, where it can be told.

Thinking is paid as output and counts towards ``max_tokens``. Writing from a brief needs none, so it is switched
off wherever the model allows it; a model that always thinks gets room for it. Models differ in the word for "off"
and answer a wrong one with 400 (Claude documentation, "Troubleshooting thinking", read 2026-11-22).
"""

from __future__ import annotations

from enum import StrEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["THINKING_TOKENS", "Thinking", "answer_tokens", "thinking_of"]

THINKING_TOKENS: Final = 8_000
"""Room for the thinking of a model that cannot be told not to."""


@unique
class Thinking(StrEnum):
    """What has to be said so that a model does not think."""

    UNSAID = "unsaid"
    """It does not think unless it is told to."""
    DISABLED = "disabled"
    """``thinking: {"type": "disabled"}``."""
    BETWEEN_TOOLS = "between_tools"
    """``thinking: {"type": "between_tools"}``: without tools, it does not think."""
    ALWAYS = "always"
    """It always thinks."""


_THINKING: Final[Mapping[str, Thinking]] = MappingProxyType(
    {
        "claude-haiku-4-5": Thinking.UNSAID,
        "claude-haiku-5-5": Thinking.DISABLED,
        "claude-opus-4-5": Thinking.UNSAID,
        "claude-opus-4-6": Thinking.UNSAID,
        "claude-opus-4-7": Thinking.UNSAID,
        "claude-opus-4-8": Thinking.UNSAID,
        "claude-opus-5": Thinking.DISABLED,
        "claude-sonnet-4-6": Thinking.UNSAID,
        "claude-sonnet-5": Thinking.DISABLED,
        "claude-sonnet-5-5": Thinking.BETWEEN_TOOLS,
    }
)


def thinking_of(model: str) -> Thinking:
    """How ``model`` is told not to think. One that is not known here is taken to think always: nothing is said."""
    return _THINKING.get(model, Thinking.ALWAYS)


def answer_tokens(max_tokens: int, model: str) -> int:
    """The ``max_tokens`` of a request: the answer's own and, where the model always thinks, room for that."""
    return max_tokens + (THINKING_TOKENS if thinking_of(model) is Thinking.ALWAYS else 0)
