"""A project's brand voice: inputs that hold for every kind that has them. Versions are kept, as those of templates."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.clock import from_iso, to_iso
from shared.errors import NoProjectError, PreconditionError
from shared.store.dynamodb import RefusedError
from shared.store.expressions import Check, Insert
from shared.store.keys import voice_key, voice_version_key
from shared.store.templates import still_there

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable

__all__ = ["SILENCE", "Voice", "VoiceStore", "voice_from_row"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A brand voice at one of its versions; version 0 says nothing and was never written."""

    version: int
    values: Mapping[str, Any]
    updated_at: datetime | None


SILENCE: Final = Voice(0, MappingProxyType({}), None)


@dataclass(frozen=True)
class VoiceStore:
    """The brand voices of all projects."""

    table: DynamoTable

    def read(self, project_id: str) -> Voice:
        """The voice as it stands now."""
        row = self.table.get(voice_key(project_id), consistent=True)
        return SILENCE if row is None else voice_from_row(row)

    def read_version(self, project_id: str, version: int) -> Voice | None:
        """One version, as it was written."""
        if version == SILENCE.version:
            return SILENCE
        row = self.table.get(voice_version_key(project_id, version), consistent=True)
        return None if row is None else voice_from_row(row)

    def put(self, project_id: str, values: Mapping[str, Any], *, old: int, now: datetime) -> Voice:
        """Write the version after ``old``.

        Raises:
            PreconditionError: ``old`` is not the version that stands.
            NoProjectError: the project is gone.
        """
        body = {"version": old + 1, "values": dict(values), "updated_at": to_iso(now)}
        condition = "version = :old" if old else "attribute_not_exists(pk)"
        members: list[Check | Insert] = [
            still_there(project_id),
            Insert({**voice_key(project_id), **body}, condition, {"old": old}),
            Insert({**voice_version_key(project_id, old + 1), **body}),
        ]
        try:
            self.table.transact("put_voice", members)
        except RefusedError as refused:
            if 0 in refused.failed:
                raise NoProjectError("put_voice", "there is no such project") from refused
            raise PreconditionError("put_voice", "the voice has changed") from refused
        return Voice(old + 1, MappingProxyType(dict(values)), now)


def voice_from_row(row: Row) -> Voice:
    """The voice that ``row``, of the voice or of one of its versions, holds."""
    return Voice(row["version"], MappingProxyType(row["values"]), from_iso(row["updated_at"]))
