"""JSON to frozen records: by the record's annotations, strict about what the contract promises, blind to the rest."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from pressroom.client.errors import UnexpectedAnswerError
from shared.clock import from_iso

__all__ = ["KEY", "count_of", "decode", "json_object", "text_of"]

_Record = TypeVar("_Record")

KEY: Final = "key"
"""In a field's metadata: its name in the JSON, where Python has another use for that word."""


def decode(record: type[_Record], data: object, /, **known: object) -> _Record:
    """``data`` as a ``record``; ``known`` are fields that do not stand in the JSON.

    Raises:
        UnexpectedAnswerError: a field is missing or of another type; the message names it.
    """
    return _record(record, data, "", known)


def count_of(data: object, name: str) -> int:
    """How many there are: the contract counts them in one answer and may list them in another."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(value, list):
        return len(value)
    if not isinstance(value, int):
        raise _mismatch(f"/{name}", "a number", value)
    return value


def text_of(data: object, name: str) -> str:
    """One text of an answer."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, str):
        raise _mismatch(f"/{name}", "text", value)
    return value


def json_object(line: bytes) -> dict[str, Any]:
    """One line of NDJSON."""
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UnexpectedAnswerError("a line of the results is not JSON") from error
    if not isinstance(value, dict):
        raise _mismatch("a line of the results", "an object", value)
    return value


def _record(record: type[_Record], data: object, where: str, known: Mapping[str, object]) -> _Record:
    if not isinstance(data, Mapping):
        raise _mismatch(where, "an object", data)
    values = dict(known)
    record_class: Any = record
    for field, annotation in _fields(record_class):
        if field.name in values:
            continue
        if field.name == "raw":
            values["raw"] = data
            continue
        key = field.metadata.get(KEY, field.name)
        if key in data:
            values[field.name] = _value(annotation, data[key], f"{where}/{key}")
        elif _is_required(field):
            raise _mismatch(f"{where}/{key}", "a value", None)
    return record(**values)


def _value(annotation: Any, data: object, where: str) -> object:  # noqa: ANN401  an annotation is any object
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return data
    if origin in {Union, types.UnionType}:
        if data is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _value(inner, data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise _mismatch(where, "a list", data)
        return tuple(_value(arguments[0], entry, f"{where}/{index}") for index, entry in enumerate(data))
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return _record(annotation, data, where, {})
    return _plain(origin or annotation, data, where)


def _plain(wanted: Any, data: object, where: str) -> object:  # noqa: ANN401  an annotation is any object
    if wanted is datetime and isinstance(data, str):
        try:
            return from_iso(data)
        except ValueError:
            raise _mismatch(where, "a time", data) from None
    if wanted is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, wanted) or (isinstance(data, bool) and wanted is not bool):
        raise _mismatch(where, getattr(wanted, "__name__", str(wanted)), data)
    return data


@functools.cache
def _fields(record: Any) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:  # noqa: ANN401  a dataclass
    hints = get_type_hints(record)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(record))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _mismatch(where: str, wanted: str, data: object) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"the answer is not Pressroom's: {where or 'the body'} should be {wanted}, not {type(data).__name__}"
    )
