"""The values of templates and of a brand voice, checked by the kinds that will take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from functions.api.bodies import canonical
from functions.api.validating import bad_fields, invalid, pointer
from shared.errors import BadField

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.generation.kind import Kind

__all__ = ["template_values", "voice_values"]

_WHERE = "values"


def template_values(kind: Kind[Any, Any], values: Mapping[str, Any], *, most_bytes: int) -> dict[str, Any]:
    """``values`` as the kind writes them.

    Raises:
        RequestError: 422 with every bad field.
    """
    fitted, errors = _fitted(kind, values)
    errors += _too_large(values, most_bytes)
    if errors:
        raise invalid(errors)
    return fitted


def voice_values(kinds: Sequence[Kind[Any, Any]], values: Mapping[str, Any], *, most_bytes: int) -> dict[str, Any]:
    """``values`` as the kinds that have such fields write them: each must be right for all of these, one at least.

    Raises:
        RequestError: 422 with every bad field.
    """
    spoken: dict[str, Any] = {}
    errors = {bad.pointer: bad for bad in _too_large(values, most_bytes)}
    for kind in kinds:
        fitted, wrong = _fitted(kind, {name: value for name, value in values.items() if name in kind.fields})
        spoken |= fitted
        for bad in wrong:
            errors.setdefault(bad.pointer, bad)
    for name in values.keys() - frozenset().union(*(kind.fields for kind in kinds)):
        errors[pointer(_WHERE, name)] = BadField(pointer(_WHERE, name), "no kind has this field")
    if errors:
        raise invalid(list(errors.values()))
    return spoken


def _fitted(kind: Kind[Any, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[BadField]]:
    """``values`` in a whole input, the sample's beside them, and what is wrong with them."""
    try:
        whole = kind.validate({**kind.sample_input(), **values})
    except ValidationError as error:
        return {}, bad_fields(error, _WHERE)
    written = whole.model_dump(mode="json")
    return {name: written[name] for name in values}, []


def _too_large(values: Mapping[str, Any], most_bytes: int) -> list[BadField]:
    size = len(canonical(values))
    return [BadField(pointer(_WHERE), f"has {size} bytes; at most {most_bytes}")] if size > most_bytes else []
