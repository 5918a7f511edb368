"""The sweeper's list: every job that is not finished and told of, by the time when it is to be looked at."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from shared.clock import from_iso, to_iso
from shared.errors import CorruptRowError
from shared.store import transitions
from shared.store.keys import WATCH_SHARDS, Key, job_id_of, spec_key
from shared.store.ledger_rows import ledger_from_row
from shared.store.spec_rows import spec_from_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable

__all__ = ["WatchList", "Watched"]


@dataclass(frozen=True, slots=True)
class Watched:
    """A job that was due, and its rows as they stand now, still unread: one that cannot be is one job's trouble."""

    key: Key
    row: Row | None
    spec_row: Row | None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return job_id_of(self.key["sk"])

    def ledger(self) -> Ledger | None:
        """The ledger, or None where it is gone.

        Raises:
            CorruptRowError: the row is no ledger.
        """
        return None if self.row is None else ledger_from_row(self.row)

    def spec(self) -> JobSpec:
        """The job's immutable part.

        Raises:
            CorruptRowError: there is none.
        """
        if self.spec_row is None:
            raise CorruptRowError(f"the job {self.job_id} has a ledger but no spec")
        return spec_from_row(self.spec_row)


@dataclass(frozen=True)
class WatchList:
    """Reads what is due; its cost follows from that alone, however many jobs there ever were."""

    table: DynamoTable

    def due(self, until: datetime, *, first_shard: int, page: int) -> Iterator[list[Key]]:
        """The keys of what is due by ``until``, in pages of one shard after the other, the longest due first.

        The shards take turns, so that a run that ends early has neglected none of them; ``first_shard`` goes first.
        """
        waiting = deque(self._shard((first_shard + turn) % WATCH_SHARDS, until, page) for turn in range(WATCH_SHARDS))
        while waiting:
            shard = waiting.popleft()
            if keys := list(islice(shard, page)):
                yield keys
                waiting.append(shard)

    def ended(self, until: datetime, *, page: int) -> Iterator[Key]:
        """The keys of jobs that ended, and told so, by ``until``, shard by shard, the longest ended first."""
        for number in range(WATCH_SHARDS):
            rows = self.table.query(f"ended-{number}", index="watch", limit=page, up_to=("check_at", to_iso(until)))
            yield from ({"pk": row["pk"], "sk": row["sk"]} for row in rows)

    def _shard(self, number: int, until: datetime, page: int) -> Iterator[Key]:
        rows = self.table.query(str(number), index="watch", limit=page, up_to=("check_at", to_iso(until)))
        return ({"pk": row["pk"], "sk": row["sk"]} for row in rows)

    def read(self, keys: Sequence[Key]) -> list[Watched]:
        """Ledgers and specs of at most 50 jobs, consistently, in one call: the index may lag behind them."""
        specs = [spec_key(job_id_of(key["sk"])) for key in keys]
        rows = self.table.get_many([*keys, *specs], consistent=True)
        return [
            Watched(key, row, spec) for key, row, spec in zip(keys, rows[: len(keys)], rows[len(keys) :], strict=True)
        ]

    def put_off(self, watched: Watched, new: datetime) -> None:
        """Look at a job later whose look failed: it must not stand at the head of the list for ever.

        Raises:
            RefusedError: another has looked.
        """
        if watched.row is not None and "check_at" in watched.row:
            change = transitions.look(watched.key, old=from_iso(watched.row["check_at"]), new=new)
            self.table.update("look", change)
