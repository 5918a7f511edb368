"""What does not fit a model, in words that repeat none of it: they go to errors and the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["misfit"]

_FIELDS_NAMED: Final = 5
_STRANGE: Final = "(unknown)"
_TELLS_WHAT_IT_FOUND: Final = "union_tag_invalid"


def misfit(error: ValidationError, *models: type[BaseModel]) -> str:
    """Where and why ``error``, the first few fields; neither a value nor a key that was made up is repeated.

    Args:
        error: what pydantic said.
        models: whose fields may be named: what was validated against.
    """
    details = error.errors(include_url=False, include_input=False, include_context=False)
    known = {name for model in models for name in _fields(model.model_json_schema())}
    named = [f"{_place(detail, known)}: {_reason(detail)}" for detail in details[:_FIELDS_NAMED]]
    more = len(details) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _place(detail: ErrorDetails, known: set[str]) -> str:
    parts = [str(part) if isinstance(part, int) or part in known else _STRANGE for part in detail["loc"]]
    return ".".join(parts) or "(whole)"


def _reason(detail: ErrorDetails) -> str:
    return "Unknown tag" if detail["type"] == _TELLS_WHAT_IT_FOUND else detail["msg"]


def _fields(schema: object) -> Iterator[str]:
    """Every name that a JSON Schema has for a property, wherever it stands."""
    if isinstance(schema, dict):
        parts: dict[str, Any] = schema
        for name, part in parts.items():
            if name == "properties" and isinstance(part, dict):
                yield from part
            yield from _fields(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _fields(part)
