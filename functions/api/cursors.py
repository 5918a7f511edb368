"""Cursors: where a list goes on. They are opaque, and good only for the project and the query that they came from.

A cursor carries no secret and opens nothing: what it points to is looked for in the caller's own project. So it is
bound by a digest, not signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Final

from functions.api.caller import is_name
from functions.api.validating import invalid, pointer
from shared.errors import BadField, RequestError
from shared.jobs.ids import JOB, PROJECT, TEMPLATE, is_id
from shared.store.events import is_event_place

__all__ = ["Listing"]

_DIGEST_CHARACTERS: Final = 16
_IDS: Final = (JOB, PROJECT, TEMPLATE)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as a cursor knows it: ``scope`` is all that makes it this list: route, project, job, filters."""

    scope: tuple[str, ...]

    def cursor(self, after: str | int) -> str:
        """The cursor of what comes behind ``after``: an id, a name, a position, or a place in a timeline."""
        # Not escaped: the longest name fits into a query's cursor.
        text = json.dumps([self._digest, after], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def after_id(self, cursor: str | None) -> str | None:
        """The id of a job, project or template that ``cursor`` stands behind.

        Raises:
            RequestError: 422, it is none of this list's.
        """
        after = self._read(cursor)
        if after is None or (
            isinstance(after, str) and any(is_id(prefix, after) for prefix in (JOB, PROJECT, TEMPLATE))
        ):
            return after
        raise _refused()

    def after_position(self, cursor: str | None) -> int:
        """The position that ``cursor`` stands behind; 0 without one.

        Raises:
            RequestError: 422, it is none of this list's.
        """
        after = self._read(cursor)
        if after is None:
            return 0
        if type(after) is int and after > 0:
            return after
        raise _refused()

    def after_event(self, cursor: str | None) -> str | None:
        """The place in a timeline that ``cursor`` stands behind.

        Raises:
            RequestError: 422, it is none of this list's.
        """
        after = self._read(cursor)
        if after is None or (isinstance(after, str) and is_event_place(after)):
            return after
        raise _refused()

    def after_name(self, cursor: str | None) -> str | None:
        """The member's name that ``cursor`` stands behind.

        Raises:
            RequestError: 422, it is none of this list's.
        """
        after = self._read(cursor)
        if after is None or (isinstance(after, str) and is_name(after)):
            return after
        raise _refused()

    @property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.scope).encode()).hexdigest()[:_DIGEST_CHARACTERS]

    def _read(self, cursor: str | None) -> object:
        if cursor is None:
            return None
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            digest, after = json.loads(text)
        except (binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise _refused() from error
        if digest != self._digest or after is None:
            raise _refused()
        return after


def _refused() -> RequestError:
    return invalid([BadField(pointer("query", "cursor"), "is no cursor of this list")])
