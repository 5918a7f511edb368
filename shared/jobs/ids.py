"""Ids: a prefix that tells what is named, and a ULID (https://github.com/ulid/spec), which sorts by creation."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["JOB", "PROJECT", "TEMPLATE", "ULID_PATTERN", "is_id", "new_id", "new_token", "new_ulid", "ulid_of"]

PROJECT: Final = "prj_"
JOB: Final = "job_"
TEMPLATE: Final = "tpl_"

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
ULID_PATTERN: Final = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
_ULID: Final = re.compile(ULID_PATTERN)


def new_ulid(now: datetime) -> str:
    """26 characters: 48 bits of milliseconds since 1970, then 80 random bits."""
    # Whole milliseconds, not timestamp() * 1000: a float falls a millisecond short now and then, and order is lost.
    number = (now - _UNIX) // timedelta(milliseconds=1) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def new_id(prefix: str, now: datetime) -> str:
    """A new id of the kind that ``prefix`` names."""
    return prefix + new_ulid(now)


def is_id(prefix: str, text: str) -> bool:
    """Whether ``text`` has the shape of an id of that kind."""
    return text.startswith(prefix) and _ULID.fullmatch(text[len(prefix) :]) is not None


def ulid_of(identifier: str) -> str:
    """The ULID inside an id: what keys carry, where the row's place tells the kind."""
    return identifier.partition("_")[2]


def new_token() -> str:
    """A lease's token: 16 characters, 96 random bits; short because the ledger carries one a lane."""
    return secrets.token_urlsafe(12)
