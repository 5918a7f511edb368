"""Items, specs and lists of work: everything in a job's own partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import CorruptRowError
from shared.jobs.items import WorkPlace, work_places
from shared.store.item_rows import ItemRow, item_from_row
from shared.store.keys import ITEM_PREFIX, item_key, job_partition, spec_key, work_key, work_prefix
from shared.store.spec_rows import spec_from_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.dynamodb import DynamoTable

__all__ = ["ItemStore"]

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
