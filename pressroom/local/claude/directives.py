"""Faults that an item's text asks for: ``[[claude: status=529 times=2]]``.

A directive names at most one fault, and may slow the answer down::

    delay=SECONDS                     answer later
    write=SECONDS                     take so long to write the answer, evenly, where it is streamed
    status=CODE                       an error answer; with it: retry_after=TEXT type=TEXT code=TEXT
    refusal  max_tokens  malformed  empty        an answer of status 200 that is none
    hang  disconnect  trickle                    the connection: silent, closed, or a byte now and then
    html  cut                                    a proxy's page; a body that ends in the middle
    interrupted                                  a stream that ends with an error event; with it: type=TEXT
    times=K                           only for the first K calls of the same item; later ones go on to the next fault
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Directive", "DirectiveError", "Fault", "Plan", "parse", "plan", "without"]

MAX_DELAY_SECONDS: Final = 3_600.0
_DIRECTIVE: Final = re.compile(r"\[\[claude:([^\[\]]*)\]\]", re.IGNORECASE)
_STATUS_ONLY: Final = ("retry_after", "type", "code")
_PACES: Final = ("delay", "write")


@unique
class Fault(StrEnum):
    """What goes wrong instead of an answer."""

    STATUS = "status"
    REFUSAL = "refusal"
    MAX_TOKENS = "max_tokens"
    MALFORMED = "malformed"
    EMPTY = "empty"
    HANG = "hang"
    DISCONNECT = "disconnect"
    TRICKLE = "trickle"
    HTML = "html"
    CUT = "cut"
    INTERRUPTED = "interrupted"


_FAULTS: Final = frozenset(fault.value for fault in Fault)


class DirectiveError(ValueError):
    """A directive that nobody understands; the message says which."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive. ``times`` is None where it holds for every call; ``status`` is set for ``Fault.STATUS`` only."""

    fault: Fault | None = None
    delay_seconds: float = 0.0
    write_seconds: float = 0.0
    times: int | None = None
    status: int | None = None
    retry_after: str | None = None
    error_type: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one call: how much later, how slowly, and which fault if any."""

    delay_seconds: float
    fault: Directive | None
    write_seconds: float = 0.0


def parse(text: str) -> tuple[Directive, ...]:
    """The directives in ``text``, in order.

    Raises:
        DirectiveError: one of them makes no sense.
    """
    return tuple(_directive(match.group(1)) for match in _DIRECTIVE.finditer(text))


def without(text: str) -> str:
    """``text`` without its directives, as a writer should read it."""
    return _DIRECTIVE.sub("", text)


def plan(directives: Sequence[Directive], number: int) -> Plan:
    """What happens to call ``number`` (from 1) of an item.

    Faults queue up: each takes its ``times`` calls, then the next one has its turn. Mere delays do not queue.
    """
    delay = write = 0.0
    for directive in directives:
        if directive.fault is None and (directive.times is None or number <= directive.times):
            delay += directive.delay_seconds
            write += directive.write_seconds
    for directive in directives:
        if directive.fault is None:
            continue
        if directive.times is None or number <= directive.times:
            return Plan(delay + directive.delay_seconds, directive, write + directive.write_seconds)
        number -= directive.times
    return Plan(delay, None, write)


def _directive(text: str) -> Directive:
    words = _words(text.split())
    faults = [Fault(name) for name in words if name in _FAULTS]
    if len(faults) > 1:
        raise DirectiveError(f"[[claude:{text}]] names two faults")
    if not faults and not any(name in words for name in _PACES):
        raise DirectiveError(f"[[claude:{text}]] names no fault and no delay")
    status_only = _STATUS_ONLY if Fault.INTERRUPTED not in faults else ("retry_after", "code")
    if Fault.STATUS not in faults and any(name in words for name in status_only):
        raise DirectiveError(f"[[claude:{text}]]: {', '.join(_STATUS_ONLY)} go with status only")
    return Directive(
        fault=faults[0] if faults else None,
        delay_seconds=_seconds("delay", words["delay"]) if "delay" in words else 0.0,
        write_seconds=_seconds("write", words["write"]) if "write" in words else 0.0,
        times=_whole("times", words["times"], 0, 1_000_000) if "times" in words else None,
        status=_whole("status", words["status"], 400, 599) if "status" in words else None,
        retry_after=words.get("retry_after"),
        error_type=words.get("type"),
        error_code=words.get("code"),
    )


def _words(tokens: Iterable[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for token in tokens:
        name, equals, value = token.partition("=")
        valued = name in {*_PACES, "status", "times", *_STATUS_ONLY}
        if not valued and name not in _FAULTS:
            raise DirectiveError(f"unknown word {token!r}")
        if valued != bool(equals and value):
            raise DirectiveError(f"{name!r} {'needs a value' if valued else 'takes no value'}")
        if name in words:
            raise DirectiveError(f"{name!r} stands twice")
        words[name] = value
    return words


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise DirectiveError(f"{name}={text} is no number of seconds") from error
    if not (math.isfinite(seconds) and 0 <= seconds <= MAX_DELAY_SECONDS):
        raise DirectiveError(f"{name}={text} is not between 0 and {MAX_DELAY_SECONDS:g} s")
    return seconds


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text[:10]) <= most):
        raise DirectiveError(f"{name}={text} is no whole number from {least} to {most}")
    return int(text[:10])
