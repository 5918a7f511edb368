"""A function's settings as environment variables, both ways.

A settings class is a frozen dataclass; the field ``table_name`` is the variable ``PRESSROOM_TABLE_NAME``. The
functions read themselves from it at cold start; the infrastructure and the local runtime write it from the same
class, so that a missing variable fails there, not at night.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_type_hints

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    S = TypeVar("S", bound=DataclassInstance)
else:
    S = TypeVar("S")

__all__ = ["PREFIX", "read", "variables"]

PREFIX: Final = "PRESSROOM_"


def _name(field_name: str) -> str:
    return PREFIX + field_name.upper()


def read(settings_class: type[S], environ: Mapping[str, str]) -> S:
    """The settings that ``environ`` holds. Fields are ``str``, ``int`` or ``float``.

    Raises:
        SettingsError: a variable without a default is missing, or is not of its field's type.
    """
    types = get_type_hints(settings_class)
    values: dict[str, Any] = {}
    for field in fields(settings_class):
        text = environ.get(_name(field.name))
        if text is None:
            if field.default is MISSING:
                raise SettingsError(f"{_name(field.name)} is not set")
            continue
        try:
            values[field.name] = types[field.name](text)
        except ValueError as error:
            raise SettingsError(f"{_name(field.name)} is no {types[field.name].__name__}: {text!r}") from error
    return settings_class(**values)


def variables(settings: DataclassInstance) -> dict[str, str]:
    """The environment variables that :func:`read` turns into ``settings`` again."""
    return {_name(field.name): str(getattr(settings, field.name)) for field in fields(settings)}
