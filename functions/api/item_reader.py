"""Reading items by the rule: the ledger first, the items after, and believe the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from shared.errors import RequestError, StoreUnavailableError
from shared.jobs.items import Outcome, WorkPlace, effective_status, find_in_work
from shared.jobs.statuses import ItemStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from functions.api.job_reader import JobReader
    from shared.jobs.ledger import Lease, Ledger
    from shared.store.item_rows import ItemRow
    from shared.store.items import ItemStore

__all__ = ["FINISHED", "ItemPage", "ItemReader", "Reading", "ShownItem"]

FINISHED: Final = frozenset({ItemStatus.COMPLETED, ItemStatus.FAILED, ItemStatus.CANCELLED})
"""What will not change in this generation."""
_TRIES: Final = 4
_MAX_EVALUATED: Final = 500
"""Rows that one call of a filtered list reads; the cursor goes on behind them."""
_ROWS_A_READ: Final = 100

T = TypeVar("T")


class _OvertakenError(Exception):
    """An item has an outcome of a later generation than the ledger that was read."""


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as a reader sees it. ``outcome`` is there only where it *is* the item's state."""

    row: ItemRow
    status: ItemStatus
    outcome: Outcome | None
    lease: Lease | None


@dataclass(frozen=True)
class Reading:
    """A ledger and its generation's work, both read before any item."""

    ledger: Ledger
    work: Mapping[int, WorkPlace]

    def show(self, row: ItemRow) -> ShownItem:
        """What the item is."""
        if row.outcome is not None and row.outcome.generation > self.ledger.generation:
            raise _OvertakenError
        place = find_in_work(self.ledger, row.position, self.work)
        status = effective_status(self.ledger, place, None if row.outcome is None else row.outcome.status)
        lease = None
        if place is not None and status is ItemStatus.PROCESSING:
            lease = self.ledger.lanes[place.lane].lease
        return ShownItem(row, status, row.outcome if status in FINISHED else None, lease)

    def show_all(self, rows: Iterable[ItemRow]) -> Iterator[ShownItem]:
        """Likewise, one by one."""
        return map(self.show, rows)

    @property
    def last_finished(self) -> int:
        """No position behind this one can be finished: 0 where none is."""
        ledger, n = self.ledger, len(self.ledger.lanes)
        if ledger.final or ledger.open == 0 or ledger.generation > 1 or ledger.counts.cancelled:
            return ledger.total
        return max(lane + 1 + (state.next - 1) * n if state.next else 0 for lane, state in enumerate(ledger.lanes))


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of items, and the position behind which the list goes on (None: nowhere)."""

    reading: Reading
    items: tuple[ShownItem, ...]
    after: int | None


@dataclass(frozen=True)
class ItemReader:
    """Reads the items of visible jobs. Every method raises what :meth:`JobReader.visible` raises."""

    jobs: JobReader
    items: ItemStore

    def consistently(self, project_id: str, job_id: str, look: Callable[[Reading], T]) -> T:
        """What ``look`` makes of the job; it is called again, with both read again, when it was overtaken.

        Raises:
            StoreUnavailableError: it was overtaken again and again.
        """
        for _ in range(_TRIES):
            ledger = self.jobs.visible(project_id, job_id)
            try:
                return look(Reading(ledger, self.items.work(ledger)))
            except _OvertakenError:
                continue
        raise StoreUnavailableError(f"the job {job_id} began a new generation {_TRIES} times while it was read")

    def one(self, project_id: str, job_id: str, position: int) -> tuple[Reading, ShownItem]:
        """One item, output included.

        Raises:
            RequestError: 404, there is no such position.
        """

        def look(reading: Reading) -> tuple[Reading, ShownItem]:
            row = self.items.read(job_id, position) if 1 <= position <= reading.ledger.total else None
            if row is None:
                raise RequestError(404, "not_found", "The job has no such item.")
            return reading, reading.show(row)

        return self.consistently(project_id, job_id, look)

    def page(self, project_id: str, job_id: str, *, status: ItemStatus | None, after: int, limit: int) -> ItemPage:
        """At most ``limit`` items behind the position ``after``, in order, without outputs."""

        def look(reading: Reading) -> ItemPage:
            found: list[ShownItem] = []
            last = after
            most = limit if status is None else _MAX_EVALUATED
            rows = self.items.after(job_id, after, page=min(most, _ROWS_A_READ), outputs=False)
            for _, shown in zip(range(most), reading.show_all(rows), strict=False):
                last = shown.row.position
                if status in {None, shown.status}:
                    found.append(shown)
                    if len(found) == limit:
                        break
            more = after < last < reading.ledger.total
            return ItemPage(reading, tuple(found), last if more else None)

        return self.consistently(project_id, job_id, look)
