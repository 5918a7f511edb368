"""From a record of the stream to rows of the timeline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from shared.clock import milliseconds
from shared.errors import CorruptRowError
from shared.jobs.timeline import edited, events_of
from shared.store.attributes import from_attributes
from shared.store.events import Entry, EventStore, event_place, event_row
from shared.store.keys import job_id_of
from shared.store.ledger_rows import FORMAT, ledger_from_row
from shared.store.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.jobs.events import Event
    from shared.store.attributes import Row
    from shared.store.items import ItemStore

__all__ = ["Journal"]

_MAX_LISTS: Final = 500


@dataclass(frozen=True)
class Journal:
    """Tells what records of ledgers say. Everything may be repeated: a record always makes the same rows."""

    events: EventStore
    items: ItemStore
    _lists: dict[tuple[str, int, int], tuple[int, ...]] = field(default_factory=dict)
    """The lists of positions that were looked up; they never change, so remembering them decides nothing."""

    def rows(self, record: Mapping[str, Any]) -> list[Row]:
        """The rows that ``record`` makes.

        Args:
            record: of a DynamoDB stream with both images, of a ledger.

        Raises:
            CorruptRowError: it shows a new ledger that cannot be read, or one of a later version.
            StoreUnavailableError: a list of positions could not be read.
        """
        change = record["dynamodb"]
        new = from_attributes(change["NewImage"])
        old = from_attributes(change["OldImage"]) if "OldImage" in change else None
        recorded_at = milliseconds(datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC))
        job_id = job_id_of(new["sk"])
        return [
            event_row(
                job_id,
                Entry(event_place(recorded_at, change["SequenceNumber"], number), self._placed(job_id, event)),
                expires=new.get(TABLE.ttl_attribute),
            )
            for number, event in enumerate(_events(old, new, recorded_at))
        ]

    def write(self, rows: Sequence[Row]) -> None:
        """Write ``rows``.

        Raises:
            StoreUnavailableError: perhaps some of them; a repeat writes all.
        """
        self.events.write(rows)

    def _placed(self, job_id: str, event: Event) -> Event:
        """``event`` with the position of its item: a later generation has lists of its own."""
        if event.position is not None or event.lane is None or event.index is None or event.generation is None:
            return event
        positions = self._positions(job_id, event.generation, event.lane)
        return replace(event, position=positions[event.index]) if event.index < len(positions) else event

    def _positions(self, job_id: str, generation: int, lane: int) -> tuple[int, ...]:
        place = (job_id, generation, lane)
        if place not in self._lists:
            if len(self._lists) >= _MAX_LISTS:
                self._lists.clear()
            self._lists[place] = self.items.lane_positions(job_id, generation, lane)  # empty: it was deleted since
        return self._lists[place]


def _events(old: Row | None, new: Row, recorded_at: datetime) -> tuple[Event, ...]:
    try:
        before = None if old is None else ledger_from_row(old)
        return events_of(before, ledger_from_row(new), recorded_at=recorded_at)
    except CorruptRowError:
        # An edit by hand may leave what no version can read, and the next one mend it: that is told as what it is.
        # A row of a later version is not: this record waits until that version is back.
        if old is None or max(row.get("format", 0) for row in (old, new)) > FORMAT:
            raise
        names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        generation = new.get("generation")
        return (edited(names, recorded_at=recorded_at, generation=generation if isinstance(generation, int) else None),)
