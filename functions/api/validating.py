"""Checking what callers send against a model, and telling every bad field by its JSON pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import BadField, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["bad_fields", "checked", "checked_query", "invalid", "pointer"]

_MAX_TOLD_BYTES: Final = 2_000_000
"""Of bad fields in one answer: a body can be made to have far more than an answer can carry."""
_OVERHEAD_BYTES: Final = 32
_WORDS: Final = {
    "extra_forbidden": "this field is unknown",
    "missing": "this field is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "string_pattern_mismatch": "must be one line without control characters",
}

ModelT = TypeVar("ModelT", bound=BaseModel)


def pointer(*path: str | int) -> str:
    """The RFC 6901 JSON pointer to ``path``."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def bad_fields(error: ValidationError, *prefix: str | int) -> list[BadField]:
    """Every bad field of ``error``, whose model stands at ``prefix`` of the body."""
    return [
        BadField(pointer(*prefix, *detail["loc"]), _WORDS.get(detail["type"], detail["msg"]))
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def invalid(errors: Sequence[BadField]) -> RequestError:
    """The 422 that tells ``errors``, as many as an answer can carry."""
    told = list(_within(errors, _MAX_TOLD_BYTES))
    detail = "One field is invalid." if len(errors) == 1 else f"{len(errors)} fields are invalid."
    if len(told) < len(errors):
        detail = f"{detail} The first {len(told)} are listed."
    return RequestError(422, "invalid", detail, errors=told)


def _within(errors: Iterable[BadField], budget: int) -> Iterable[BadField]:
    for error in errors:
        budget -= len(error.pointer.encode()) + len(error.detail.encode()) + _OVERHEAD_BYTES
        if budget < 0:
            return
        yield error


def checked(model: type[ModelT], values: Mapping[str, Any]) -> ModelT:
    """A body as its model.

    Raises:
        RequestError: 422 with every bad field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(bad_fields(error)) from error


def checked_query(model: type[ModelT], values: Mapping[str, str]) -> ModelT:
    """A query as its model. Its pointers begin with ``/query``, where no body has a field.

    Raises:
        RequestError: 422 with every bad parameter.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(bad_fields(error, "query")) from error
