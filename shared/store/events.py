"""The timeline's rows. They are facts about writes that happened, and decide nothing.

A row's key is the stream's time of the write (whole seconds) and the stream's sequence number, so a record that is
delivered again writes the same row, and rows stand in the order of the writes. They stand in the job's own
partition and not where ledgers do, so that the stream's filter for ledgers never matches them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from shared.clock import from_iso, to_iso
from shared.jobs.events import Event, EventType
from shared.store.keys import EVENT_PREFIX, event_key, job_partition
from shared.store.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable

__all__ = ["Entry", "EventStore", "event_place", "event_row", "is_event_place"]

_DIGITS: Final = 40
"""The longest sequence number of a stream."""
_PLACE: Final = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ#\d{{{_DIGITS}}}(#\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event and its place in the timeline, which is also its name there."""

    place: str
    event: Event


def event_place(recorded_at: datetime, sequence_number: str, number: int) -> str:
    """The place of the event ``number`` (from 0) of one write. Places sort as text in the order of the writes."""
    # A longer text sorts behind the shorter one that it begins with.
    second = f"#{number}" if number else ""
    return f"{recorded_at:%Y-%m-%dT%H:%M:%SZ}#{sequence_number:0>{_DIGITS}}{second}"


def is_event_place(text: str) -> bool:
    """Whether ``text`` has the shape of a place."""
    return _PLACE.fullmatch(text) is not None


def event_row(job_id: str, entry: Entry, *, expires: int | None = None) -> Row:
    """The row of ``entry``; ``expires`` is when time to live deletes it, in seconds since 1970."""
    event = entry.event
    row: Row = {
        "type": event.type.value,
        "time": to_iso(event.time),
        "actor": event.actor,
        "generation": event.generation,
        "lane": event.lane,
        "position": event.position,
        "from": event.before,
        "to": event.after,
        "attempt": event.attempt,
        "detail": event.detail,
        TABLE.ttl_attribute: expires,
    }
    return {**event_key(job_id, entry.place), **{name: value for name, value in row.items() if value is not None}}


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        place=row["sk"].removeprefix(EVENT_PREFIX),
        event=Event(
            type=EventType(row["type"]),
            time=from_iso(row["time"]),
            actor=row.get("actor"),
            generation=row.get("generation"),
            lane=row.get("lane"),
            position=row.get("position"),
            before=row.get("from"),
            after=row.get("to"),
            attempt=row.get("attempt"),
            detail=row.get("detail"),
        ),
    )


@dataclass(frozen=True)
class EventStore:
    """Writes and reads timelines."""

    table: DynamoTable

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows of :func:`event_row`; a repeat changes nothing."""
        # A batch must not name a key twice, and a stream may deliver a record twice.
        self.table.put_many(list({(row["pk"], row["sk"]): row for row in rows}.values()))

    def page(
        self, job_id: str, *, after: str | None = None, limit: int, newest_first: bool = False
    ) -> tuple[Entry, ...]:
        """At most ``limit`` entries behind the place ``after``, oldest first unless asked otherwise."""
        rows = self.table.query(
            job_partition(job_id),
            prefix=EVENT_PREFIX,
            start=event_key(job_id, after) if after else None,
            limit=limit,
            newest_first=newest_first,
            consistent=True,
        )
        return tuple(map(_entry, islice(rows, limit)))
