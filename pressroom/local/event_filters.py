"""Lambda's event filters, as far as we use them.

A pattern is an object shaped like the event; its leaves are lists of what a value may be: a literal, or one of
``{"prefix": …}``, ``{"anything-but": …}``, ``{"exists": …}``. All keys must match, one entry of a list is enough,
and one pattern of several. See
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pressroom.local.errors import FilterPatternError

__all__ = ["EventFilters"]

_OPERATORS: Final = frozenset({"prefix", "anything-but", "exists"})
_ABSENT: Final = object()


class EventFilters:
    """Patterns of which one must match; no pattern at all matches everything."""

    def __init__(self, patterns: Sequence[Mapping[str, Any]]) -> None:
        """Takes the patterns.

        Raises:
            FilterPatternError: a pattern says something that this class does not match.
        """
        for pattern in patterns:
            _check(pattern)
        self._patterns = patterns

    def match(self, event: Mapping[str, Any]) -> bool:
        """Whether the event passes."""
        return not self._patterns or any(_matches(pattern, event) for pattern in self._patterns)


def _check(pattern: object) -> None:
    if not isinstance(pattern, Mapping) or not pattern:
        raise FilterPatternError(f"a filter pattern is an object that is not empty, not {pattern!r}")
    for value in pattern.values():
        if isinstance(value, list):
            for rule in value:
                if isinstance(rule, Mapping) and (len(rule) != 1 or not rule.keys() <= _OPERATORS):
                    raise FilterPatternError(f"a filter rule is one of {sorted(_OPERATORS)}, not {rule!r}")
        else:
            _check(value)


def _matches(pattern: Mapping[str, Any], event: object) -> bool:
    for key, wanted in pattern.items():
        value = event.get(key, _ABSENT) if isinstance(event, Mapping) else _ABSENT
        if isinstance(wanted, list):
            if not any(_allows(rule, value) for rule in wanted):
                return False
        elif not _matches(wanted, value):
            return False
    return True


def _allows(rule: object, value: object) -> bool:
    if isinstance(rule, Mapping):
        ((operator, operand),) = rule.items()
        if operator == "exists":
            # An object or list is no leaf: "exists" asks for leaves only.
            return (value is not _ABSENT and not isinstance(value, Mapping)) is bool(operand)
        if operator == "prefix":
            return isinstance(value, str) and value.startswith(operand)
        return value is not _ABSENT and not _is_excluded(operand, value)
    if value is _ABSENT:
        return False
    if isinstance(value, list):
        return any(_equal(rule, entry) for entry in value)
    return _equal(rule, value)


def _is_excluded(operand: object, value: object) -> bool:
    if isinstance(operand, Mapping):
        return _allows(operand, value)
    excluded = operand if isinstance(operand, list) else [operand]
    return any(_equal(entry, value) for entry in excluded)


def _equal(left: object, right: object) -> bool:
    """Numbers compare as their text: a stream carries them as text."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    return str(left) == str(right)
