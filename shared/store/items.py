"""Items, specs and lists of work: everything in a job's own partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.clock import from_iso
from shared.errors import CorruptRowError, ErrorCode
from shared.jobs.items import WorkPlace, work_places
from shared.jobs.lanes import position_of
from shared.jobs.statuses import ItemStatus
from shared.store.item_rows import ItemRow, item_from_row
from shared.store.keys import (
    ITEM_PREFIX,
    item_key,
    job_partition,
    position_of_key,
    spec_key,
    work_key,
    work_prefix,
)
from shared.store.spec_rows import spec_from_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.dynamodb import DynamoTable

__all__ = ["ItemStore", "LastSettled"]

_FAILURES_A_PAGE: Final = 500
_WITHOUT_OUTPUT: Final = (
    "sk",
    "input",
    "custom_id",
    "status",
    "generation",
    "token",
    "started_at",
    "completed_at",
    "attempts",
    "input_tokens",
    "output_tokens",
    "cost",
    "model",
    "error",
)


@dataclass(frozen=True, slots=True)
class LastSettled:
    """The item that a lane settled last. Generation and time are None where its row tells no outcome."""

    position: int
    generation: int | None
    completed_at: datetime | None


@dataclass(frozen=True)
class ItemStore:
    """Reads. Readers read the ledger first and believe it ★; items are read consistently, so they are not older."""

    table: DynamoTable

    def read(self, job_id: str, position: int) -> ItemRow | None:
        """One item, output included."""
        row = self.table.get(item_key(job_id, position), consistent=True)
        return None if row is None else item_from_row(row)

    def read_with_spec(self, job_id: str, position: int) -> tuple[ItemRow | None, JobSpec | None]:
        """What a worker needs after its claim, in one call."""
        item, spec = self.table.get_many([item_key(job_id, position), spec_key(job_id)], consistent=True)
        return (
            None if item is None else item_from_row(item),
            None if spec is None else spec_from_row(spec),
        )

    def spec(self, job_id: str) -> JobSpec | None:
        """The job's immutable part. It never changes, so only its absence is asked twice."""
        key = spec_key(job_id)
        row = self.table.get(key) or self.table.get(key, consistent=True)
        return None if row is None else spec_from_row(row)

    def require_spec(self, job_id: str) -> JobSpec:
        """The spec of a job that exists.

        Raises:
            CorruptRowError: there is none.
        """
        row = self.table.get(spec_key(job_id), consistent=True)  # the job may be a moment old
        if row is None:
            raise CorruptRowError(f"the job {job_id} has a ledger but no spec")
        return spec_from_row(row)

    def after(self, job_id: str, position: int, *, page: int, outputs: bool) -> Iterator[ItemRow]:
        """The items behind ``position``, in order, read in pages of ``page`` rows as they are asked for."""
        rows = self.table.query(
            job_partition(job_id),
            prefix=ITEM_PREFIX,
            start=item_key(job_id, position) if position else None,
            limit=page,
            consistent=True,
            projection=() if outputs else _WITHOUT_OUTPUT,
        )
        return map(item_from_row, rows)

    def failures(self, job_id: str, *, page: int = _FAILURES_A_PAGE) -> Iterator[tuple[int, ErrorCode]]:
        """Position and code of every item whose row tells a failure, in order; nothing else of them is sent over.

        Of a job that has ended these are the failed items. ``page`` rows are read a call.
        """
        rows = self.table.query(
            job_partition(job_id),
            prefix=ITEM_PREFIX,
            limit=page,
            consistent=True,
            projection=("sk", "error.code"),
            where=("status", ItemStatus.FAILED.value),
        )
        for row in rows:
            yield position_of_key(row["sk"]), ErrorCode(row["error"]["code"])

    def work_mark(self, ledger: Ledger, generation: int) -> str | None:
        """The mark of whoever opened ``generation`` of the job: it stands on the list of every lane that has one."""
        rows = self.table.query(
            job_partition(ledger.job_id),
            prefix=work_prefix(generation),
            limit=1,
            consistent=True,
            projection=("sk", "mark"),
        )
        row = next(rows, None)
        return None if row is None else row.get("mark")

    def last_settled(self, ledger: Ledger) -> dict[int, LastSettled]:
        """What stands on the item before each lane's ``next``, for the lanes that have moved: one a lane, at most 32.

        Read after ``ledger``, so every one of them must have an outcome of its generation or of a later one.
        """
        moved = [number for number, lane in enumerate(ledger.lanes) if lane.next > 0]
        if not moved:
            return {}
        positions = self._positions_before_next(ledger, moved)
        rows = self.table.get_many(
            [item_key(ledger.job_id, position) for position in positions.values()], consistent=True
        )
        return {
            lane: LastSettled(
                position,
                None if row is None else row.get("generation"),
                from_iso(row["completed_at"]) if row is not None and "completed_at" in row else None,
            )
            for (lane, position), row in zip(positions.items(), rows, strict=True)
        }

    def _positions_before_next(self, ledger: Ledger, lanes: Sequence[int]) -> dict[int, int]:
        if ledger.generation == 1:
            n = len(ledger.lanes)
            return {lane: position_of(lane, n, ledger.lanes[lane].next - 1) for lane in lanes}
        rows = self.table.get_many(
            [work_key(ledger.job_id, ledger.generation, lane) for lane in lanes], consistent=True
        )
        found: dict[int, int] = {}
        for lane, row in zip(lanes, rows, strict=True):
            index = ledger.lanes[lane].next - 1
            if row is None or index >= len(row["positions"]):
                raise CorruptRowError(f"the job {ledger.job_id} lacks work {index} of lane {lane}")
            found[lane] = row["positions"][index]
        return found

    def lane_positions(self, job_id: str, generation: int, lane: int) -> tuple[int, ...]:
        """The list of positions of one lane in a generation after the first."""
        row = self.table.get(work_key(job_id, generation, lane), consistent=True)
        return () if row is None else tuple(row["positions"])

    def work(self, ledger: Ledger) -> dict[int, WorkPlace]:
        """Where every position of the current generation stands; empty in the first, where the rule tells it."""
        if ledger.generation == 1:
            return {}
        lists: list[tuple[int, ...]] = [()] * len(ledger.lanes)
        prefix = work_prefix(ledger.generation)
        for row in self.table.query(job_partition(ledger.job_id), prefix=prefix, consistent=True):
            lists[int(row["sk"].removeprefix(prefix))] = tuple(row["positions"])
        return work_places(lists)
