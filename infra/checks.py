"""What a setting must be. Each check stands beside its field, as in ``Annotated[int, Whole(2, 1_000)]``.

A check answers with what it wants instead of a value that it does not take, for :mod:`infra.stage` to say beside the
field's name. Values come from JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Check", "Each", "Members", "OneOf", "Optional", "Text", "Whole", "YesNo"]


@runtime_checkable
class Check(Protocol):
    """Takes a value, or says what it wants."""

    def wanted(self, value: object) -> str | None:
        """What ``value`` should be, or None where it is fine; ``such as`` is followed by an example."""
        ...


@dataclass(frozen=True, slots=True)
class YesNo:
    """A JSON boolean; 0, 1 and "true" are none."""

    def wanted(self, value: object) -> str | None:
        """None for true and false."""
        return None if isinstance(value, bool) else "true or false"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of a range, both ends included."""

    least: int
    most: int

    def wanted(self, value: object) -> str | None:
        """None for a number of the range."""
        fits = isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most
        return None if fits else f"a whole number from {self.least:,} to {self.most:,}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some texts."""

    choices: tuple[str, ...]

    def wanted(self, value: object) -> str | None:
        """None for one of them."""
        return None if value in self.choices else f"one of {', '.join(self.choices)}"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a regular expression matches whole; ``example`` shows people what that is."""

    pattern: str
    example: str

    def wanted(self, value: object) -> str | None:
        """None for a text that matches."""
        fits = isinstance(value, str) and re.fullmatch(self.pattern, value)
        return None if fits else f"such as {self.example}"


@dataclass(frozen=True, slots=True)
class Optional:
    """A text that may also be empty."""

    check: Check

    def wanted(self, value: object) -> str | None:
        """None for an empty text and for what the check takes."""
        wanted = None if value == "" else self.check.wanted(value)
        return None if wanted is None else f'"" or {wanted}'


@dataclass(frozen=True, slots=True)
class Each:
    """A list of different values, each of which a check takes."""

    check: Check
    most: int

    def wanted(self, value: object) -> str | None:
        """None for such a list, an empty one included."""
        if not isinstance(value, list) or len(value) > self.most or any(value.count(each) > 1 for each in value):
            return f"a list of at most {self.most} different values, each {self.check.wanted(None)}"
        wanted = next(filter(None, map(self.check.wanted, value)), None)
        return None if wanted is None else f"a list, each {wanted}"


@dataclass(frozen=True, slots=True)
class Members:
    """A mapping from some names to values that a check takes; None as names takes any."""

    names: tuple[str, ...] | None
    check: Check | None

    def wanted(self, value: object) -> str | None:
        """None for such a mapping, an empty one included."""
        if not isinstance(value, dict):
            return "an object"
        unknown = [name for name in value if self.names is not None and name not in self.names]
        if unknown:
            return f"an object with members of {', '.join(self.names or ())}"
        check = self.check
        wanted = None if check is None else next(filter(None, map(check.wanted, value.values())), None)
        return None if wanted is None else f"an object whose members are each {wanted}"
