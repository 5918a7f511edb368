"""JSON Schemas as Claude's structured output takes them.

Structured output knows a part of JSON Schema: closed objects, no lengths, no bounds, ``minItems`` of 0 or 1 only.
What it does not know moves into the description, where the model may still heed it; the answer is checked against
the model in full afterwards. The SDK does the same (``anthropic.transform_schema``), but the api must not load it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

__all__ = ["wire_schema"]

_KEPT: Final = frozenset({"$ref", "anyOf", "const", "description", "enum", "items", "properties", "required", "type"})
_DROPPED: Final = frozenset({"additionalProperties", "default", "title"})


@cache
def wire_schema(model: type[BaseModel]) -> Mapping[str, object]:
    """The schema of ``model`` that goes to Claude. Shared: do not change it."""
    schema = model.model_json_schema()
    definitions = {name: _strict(part) for name, part in schema.pop("$defs", {}).items()}
    strict = _strict(schema)
    return {"$defs": definitions, **strict} if definitions else strict


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    strict = {key: value for key, value in schema.items() if key in _KEPT}
    limits = {key: value for key, value in schema.items() if key not in _KEPT | _DROPPED}
    if "properties" in strict:
        strict["properties"] = {name: _strict(part) for name, part in strict["properties"].items()}
        strict["additionalProperties"] = False
    if "anyOf" in strict:
        strict["anyOf"] = [_strict(part) for part in strict["anyOf"]]
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
        if limits.get("minItems", 0) > 0:
            strict["minItems"] = 1
    if limits:
        notes = ", ".join(f"{key}: {value}" for key, value in limits.items())
        strict["description"] = f"{strict.get('description', '')} {{{notes}}}".strip()
    return strict
