"""Deleting for good: a job with everything under it, a project with everything it ever held.

A deletion is decided in one transaction, which takes the ledger, or the project's owners, away and leaves a marker.
From that moment nobody sees what was deleted, and no write that begins at the ledger or the project can succeed. The
rows under it go afterwards, in batches that may be cut short anywhere: the marker stands in the sweeper's index until
nothing is left, and goes last.

The journal tells what it reads in the stream, which keeps records for a day: it may write rows of the timeline after
all others are gone. So a job's marker stays for a day more, and its rows are looked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.clock import from_iso, to_iso
from shared.errors import NoProjectError
from shared.jobs.statuses import JobStatus
from shared.store.dynamodb import RefusedError
from shared.store.expressions import Change, Delete, Insert
from shared.store.idempotency import forget_answer
from shared.store.keys import (
    DELETED_PREFIX,
    ERASING,
    FORMER_PREFIX,
    JOB_PREFIX,
    MEMBER_PREFIX,
    deleted_job_key,
    deleted_job_of,
    former_member_key,
    job_id_of,
    job_partition,
    ledger_key,
    load_key,
    member_key,
    membership_key,
    project_id_of,
    project_key,
    project_partition,
    spec_key,
    template_id_of,
    user_of_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable
    from shared.store.keys import Key

__all__ = ["Erasure", "ErasureStore", "LookAgain"]

_BATCH: Final = 100
_MEMBERS_A_TRANSACTION: Final = 33
_STREAM_KEEPS: Final = timedelta(hours=25)
"""A day, and an hour for the function that reads it."""
_LATER: Final = timedelta(minutes=1)
_MARKERS_EVERY: Final = timedelta(hours=1)
_TRIES: Final = 3
_KEYS: Final = ("pk", "sk")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A marker: what is to be erased, since when, and in whose name."""

    project_id: str
    job_id: str | None
    """None where it is the whole project."""
    is_again: bool
    """Whether all rows were gone once."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Something is left: why, and when to go on."""

    at: datetime
    why: str


@dataclass(frozen=True)
class ErasureStore:
    """Marks what is to go, and erases it."""

    table: DynamoTable

    # -- deciding ------------------------------------------------------------------------------------------

    def delete_job(self, ledger: Ledger, *, now: datetime, actor: str) -> None:
        """Take the ledger of a job away that has ended and told so, as ``ledger`` shows it; its rows follow.

        Raises:
            RefusedError: it is gone, or a retry has opened another generation.
        """
        for attempt in range(1, _TRIES + 1):
            taken = Delete(
                ledger_key(ledger.project_id, ledger.job_id),
                "generation = :generation AND notified_generation = :generation AND status IN (:a, :b, :c, :d)",
                {
                    "generation": ledger.generation,
                    **dict(zip("abcd", (status.value for status in _FINAL), strict=True)),
                },
            )
            marker = Insert(
                {
                    **deleted_job_key(ledger.project_id, ledger.job_id),
                    "watch": ERASING,
                    "check_at": to_iso(now),
                    "deleted_at": to_iso(now),
                    "actor": actor,
                }
            )
            forgotten = forget_answer(self.table, ledger.project_id, self._key_of(ledger.job_id), made=ledger.job_id)
            try:
                self.table.transact("delete_job", [taken, marker, *forgotten])
            except RefusedError as refused:
                if refused.failed & {0, 1} or attempt == _TRIES:
                    raise
                continue  # time to live took the key's record meanwhile
            return

    def _key_of(self, job_id: str) -> str | None:
        spec = self.table.get(spec_key(job_id), consistent=True)
        return None if spec is None else spec.get("key")

    def delete_project(self, project_id: str, *, now: datetime, actor: str) -> None:
        """Mark the project: nobody can join it or add to it any more. Members go next (:meth:`expel`).

        Raises:
            NoProjectError: it is gone, or marked already.
        """
        mark = Change(
            project_key(project_id),
            "attribute_exists(owners)",
            ("watch = :watch", "check_at = :now", "deleted_at = :now", "actor = :actor"),
            ("owners",),
            values={"watch": ERASING, "now": to_iso(now), "actor": actor},
        )
        try:
            self.table.update("delete_project", mark)
        except RefusedError as refused:
            seen = refused.row or {}
            if (seen.get("deleted_at"), seen.get("actor")) != (to_iso(now), actor):
                raise NoProjectError("delete_project", "there is no such project") from refused
            # It is marked as this write marks it: the answer of an earlier try was lost.

    def expel(self, project_id: str, *, go_on: Callable[[], bool]) -> bool:
        """Take every membership of a marked project away; whether none is left.

        After it no job can be created: the creation checks its creator's membership.
        """
        rows = self._keys(project_partition(project_id), MEMBER_PREFIX)
        while chunk := list(islice(rows, _MEMBERS_A_TRANSACTION)):
            if not go_on():
                return False
            members: list[Delete | Insert] = []
            for key in chunk:
                user = user_of_key(key["sk"])
                members += [Delete(member_key(project_id, user)), Delete(membership_key(project_id, user))]
                members.append(Insert(former_member_key(project_id, user), ""))
            self.table.transact("expel", members)
        return True

    # -- erasing -------------------------------------------------------------------------------------------

    def due(self, until: datetime) -> Iterator[Key]:
        """The markers that are due by ``until``, the longest due first."""
        rows = self.table.query(ERASING, index="watch", limit=_BATCH, up_to=("check_at", to_iso(until)))
        return ({"pk": row["pk"], "sk": row["sk"]} for row in rows)

    def read(self, key: Key, *, until: datetime) -> Erasure | None:
        """The marker at ``key``, if it still stands and is due: the index may lag behind."""
        row = self.table.get(key, consistent=True)
        if row is None or row.get("watch") != ERASING or from_iso(row["check_at"]) > until:
            return None
        is_job = key["sk"].startswith(DELETED_PREFIX)
        return Erasure(
            project_id=project_id_of(key["pk"]),
            job_id=deleted_job_of(key["sk"]) if is_job else None,
            is_again=bool(row.get("again")),
        )

    def erase_job(self, erasure: Erasure, *, now: datetime, go_on: Callable[[], bool]) -> int:
        """Erase the rows of a deleted job; how many there were.

        Once all are gone the marker waits for what the journal may still write; the second time it goes.
        """
        if erasure.job_id is None:
            return 0
        marker = deleted_job_key(erasure.project_id, erasure.job_id)
        erased, is_whole = self._erase(self._keys(job_partition(erasure.job_id)), go_on)
        if is_whole and erasure.is_again:
            self.table.delete_many([marker])
        elif is_whole:
            self._put_off(marker, now + _STREAM_KEEPS, again=True)
        return erased

    def jobs_of(self, project_id: str) -> Iterator[str]:
        """The ids of all jobs of a project, in intake too."""
        return (job_id_of(key["sk"]) for key in self._keys(project_partition(project_id), JOB_PREFIX))

    def erase_project(self, project_id: str, *, now: datetime, go_on: Callable[[], bool]) -> int:
        """Erase what is left of a marked project without members and jobs; how many rows there were.

        What its jobs' markers wait for, it waits for too: it goes last.
        """
        partition, key = project_partition(project_id), project_key(project_id)
        is_whole, waits, erased = True, False, 0
        for row in self.table.query(partition, consistent=True, limit=_BATCH, projection=(*_KEYS, "key")):
            if not go_on():
                is_whole = False
                break
            if row["sk"].startswith(DELETED_PREFIX):
                waits = True
            elif row["sk"] != key["sk"]:
                erased += self._erase_row(project_id, row)
        if not is_whole:
            return erased
        if waits:
            self._put_off(key, now + _MARKERS_EVERY)
        else:
            self.table.delete_many([key])
        return erased

    def wait(self, project_id: str, *, now: datetime) -> None:
        """Go on with the project in a minute: a job of it is not over yet."""
        self._put_off(project_key(project_id), now + _LATER)

    def _erase_row(self, project_id: str, row: Row) -> int:
        """A row of the project, and what stands elsewhere and is found by it."""
        keys = [{"pk": row["pk"], "sk": row["sk"]}]
        if row["sk"].startswith(FORMER_PREFIX):
            user = user_of_key(row["sk"])
            keys = [membership_key(project_id, user), load_key(user, project_id), *keys]
        elif row.get("key") is not None:
            for change in forget_answer(self.table, project_id, row["key"], made=template_id_of(row["sk"])):
                self.table.update("forget", change)
        self.table.delete_many(keys)  # its own row last: a crash before it finds the others again
        return len(keys)

    def _keys(self, partition: str, prefix: str = "") -> Iterator[Key]:
        rows = self.table.query(partition, prefix=prefix, limit=_BATCH, consistent=True, projection=_KEYS)
        return ({"pk": row["pk"], "sk": row["sk"]} for row in rows)

    def _erase(self, keys: Iterator[Key], go_on: Callable[[], bool]) -> tuple[int, bool]:
        erased = 0
        while chunk := list(islice(keys, _BATCH)):
            if not go_on():
                return erased, False
            self.table.delete_many(chunk)
            erased += len(chunk)
        return erased, True

    def _put_off(self, key: Key, at: datetime, **marks: bool) -> None:
        sets = ("check_at = :at", *(f"{name} = :{name}" for name in marks))
        values: Row = {"at": to_iso(at), **marks}
        self.table.update("put_off", Change(key, "attribute_exists(pk)", sets, values=values))


_FINAL: Final = (JobStatus.COMPLETED, JobStatus.PARTIALLY_FAILED, JobStatus.FAILED, JobStatus.CANCELLED)
