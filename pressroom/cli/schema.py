"""An item's input against its kind's JSON Schema, as ``GET /v1/kinds`` serves it.

The server checks everything again and has the last word. Checking here as well means that a wrong file is told
with its line numbers before anything is sent, and turns the text of a CSV cell into the number that a field wants.
Only what such schemas use is looked at; what is not understood is left to the server.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["InputSchema"]

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SHOWN_CHOICES: Final = 12
_SHOWN_TEXT: Final = 40


class InputSchema:
    """The fields of a kind's input.

    Attributes:
        fields: every field's name, in the schema's order.
        required: those that have no default.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        self._properties: Mapping[str, Any] = schema.get("properties", {})
        self._is_closed = schema.get("additionalProperties") is False
        self.fields = tuple(self._properties)
        self.required = tuple(schema.get("required", ()))

    def knows(self, field: str) -> bool:
        """Whether an input may have the field."""
        return field in self._properties or not self._is_closed

    def from_text(self, field: str, text: str) -> object:
        """What a cell's or an option's ``text`` means for the field; the text itself where that is unclear."""
        for option in self._options(self._properties.get(field, {})):
            value = _read_as(option.get("type"), text)
            if value is not None:
                return value
        return text

    def faults(self, values: Mapping[str, object], *, provided: frozenset[str] = frozenset()) -> Iterator[str]:
        """Everything that is wrong with an input, a sentence each that begins with the field's name.

        Args:
            values: the input.
            provided: fields that the job's defaults give, so that the input need not.
        """
        for name in self.required:
            if name not in values and name not in provided:
                yield f"{name} is missing"
        for name, value in values.items():
            if not self.knows(name):
                yield f"{name} is no field of this kind; it takes {', '.join(self.fields)}"
            elif name in self._properties:
                yield from (f"{name} {fault}" for fault in self._faults_of(self._properties[name], value))

    def _faults_of(self, schema: Mapping[str, Any], value: object) -> list[str]:
        """What is wrong by the option that comes closest: one without faults, else one of the value's type."""
        faults: list[list[str]] = []
        for option in self._options(schema):
            found = list(_faults(option, value))
            if not found:
                return []
            if _has_type(option.get("type"), value):
                return found
            faults.append(found)
        return faults[0] if faults else []

    def _options(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The schema's alternatives, references resolved."""
        if "$ref" in schema:
            return self._options(self._definitions.get(str(schema["$ref"]).rpartition("/")[2], {}))
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if alternatives:
            return [option for alternative in alternatives for option in self._options(alternative)]
        return [schema]


def _faults(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    wanted = schema.get("type")
    if not _has_type(wanted, value):
        if isinstance(value, str) and _read_as(wanted, value) is not None:
            return  # "900" for a number: whether that will do is the server's to say
        yield f"should be {_WORDS.get(str(wanted), wanted)}, not {_shown(value)}"
        return
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if choices is not None and value not in choices:
        shown = ", ".join(str(choice) for choice in choices[:_SHOWN_CHOICES])
        more = ", …" if len(choices) > _SHOWN_CHOICES else ""
        yield f"should be one of {shown}{more}, not {_shown(value)}"
    if isinstance(value, str):
        yield from _faults_of_text(schema, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = schema.get("minimum"), schema.get("maximum")
        if (least is not None and value < least) or (most is not None and value > most):
            yield f"should be {_range(least, most)}, not {_shown(value)}"
    elif isinstance(value, list):
        least, most = schema.get("minItems"), schema.get("maxItems")
        if (least is not None and len(value) < least) or (most is not None and len(value) > most):
            yield f"should have {_range(least, most)} entries, not {len(value)}"


def _faults_of_text(schema: Mapping[str, Any], text: str) -> Iterator[str]:
    length, least, most = len(text.strip()), schema.get("minLength"), schema.get("maxLength")
    if least is not None and length < least:
        yield "is empty" if length == 0 else f"should have at least {least:,} characters, not {length:,}"
    if most is not None and length > most:
        yield f"should have at most {most:,} characters, not {length:,}"


def _has_type(wanted: object, value: object) -> bool:
    types = _TYPES.get(str(wanted))
    if types is None:
        return True
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _read_as(wanted: object, text: str) -> object:
    try:
        if wanted == "integer":
            return int(text)
        if wanted == "number":
            return float(text) if math.isfinite(float(text)) else None
    except ValueError:
        return None
    if wanted == "boolean":
        return _BOOLEANS.get(text.lower())
    if wanted == "array":
        return [part.strip() for part in text.split(";") if part.strip()]
    return text if wanted == "string" else None


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return f"at most {most:,}"
    return f"at least {least:,}" if most is None else f"{least:,} to {most:,}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_TEXT else text[:_SHOWN_TEXT] + "…"
