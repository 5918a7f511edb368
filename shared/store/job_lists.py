"""Lists of jobs, newest first. Never a scan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.jobs.ids import ulid_of
from shared.jobs.statuses import JobStatus
from shared.store.keys import JOB_PREFIX, Key, ledger_key, project_partition
from shared.store.ledger_rows import ledger_from_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.jobs.ledger import Ledger
    from shared.store.dynamodb import DynamoTable

__all__ = ["JobLists"]

_BATCH: Final = 100
"""Rows that one BatchGetItem takes."""


@dataclass(frozen=True)
class JobLists:
    """A project's jobs. ``after`` is a job id: the list goes on behind it. Jobs in intake are in no list."""

    table: DynamoTable

    def all(self, project_id: str, *, after: str | None, page: int) -> Iterator[Ledger]:
        """Every job, read in pages of ``page`` rows as they are asked for."""
        rows = self.table.query(
            project_partition(project_id),
            prefix=JOB_PREFIX,
            start=ledger_key(project_id, after) if after else None,
            limit=page,
            newest_first=True,
        )
        return (ledger for ledger in map(ledger_from_row, rows) if ledger.status is not JobStatus.INTAKE)

    def active(self, project_id: str, *, after: str | None, limit: int) -> list[Ledger]:
        """The unfinished jobs, however many others there are: at most ``limit``; fewer only where there are no more.

        The index tells which; the ledgers are read from the table, because the index may lag a moment behind: a job
        that has just ended stands in it still, and must not make the list look finished.
        """
        ulid = ulid_of(project_id)
        rows = self.table.query(
            ulid,
            index="active",
            start={**ledger_key(project_id, after), "active": ulid} if after else None,
            limit=limit,
            newest_first=True,
        )
        found: list[Ledger] = []
        while len(found) < limit and (chunk := list(islice(rows, min(limit - len(found), _BATCH)))):
            keys: list[Key] = [{"pk": row["pk"], "sk": row["sk"]} for row in chunk]
            ledgers = [ledger_from_row(row) for row in self.table.get_many(keys, consistent=True) if row is not None]
            found += [ledger for ledger in ledgers if not ledger.final]
        return found
