"""What Claude answers, as HTTP brings it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["MODEL", "Answer", "answer", "message"]

MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True)
class Answer:
    """An answer of status 200, unless something else is said."""

    content: bytes
    content_type: str = "application/json"
    status_code: int = 200
    request_id: str | None = "req_1"


def message(text: str | None = '{"text": "fine", "stars": 4}', **fields: Any) -> dict[str, Any]:
    """A message that says ``text``; no block at all where that is None."""
    return {
        "type": "message",
        "model": "claude-sonnet-5-5-20261001",
        "stop_reason": "end_turn",
        "content": [] if text is None else [{"type": "text", "text": text}],
        "usage": {"input_tokens": 100, "output_tokens": 20},
        **fields,
    }


def answer(document: object) -> Answer:
    """``document`` as an answer's body."""
    return Answer(json.dumps(document).encode())
