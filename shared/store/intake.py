"""Creating a job: all its rows commit together, or the job stays invisible until they all stand.

A small job is one transaction. A larger one is written in chunks under ``intake``; each chunk's transaction checks
that the ledger is still in intake and still this writer's, so that a writer that was thought dead cannot add to, or
overwrite, what another has taken over and sealed. What nobody resumes is removed again, under the same check.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.clock import to_iso
from shared.errors import NotPermittedError
from shared.jobs.ids import new_token
from shared.jobs.statuses import JobStatus
from shared.store.admissions import leaving
from shared.store.dynamodb import DynamoTable, RefusedError
from shared.store.expressions import Change, Check, Delete, Insert
from shared.store.idempotency import find_record, record_insert
from shared.store.item_rows import NewItem, new_item_row
from shared.store.keys import idempotency_key, ledger_key, spec_key
from shared.store.ledger_rows import ledger_from_row, ledger_row
from shared.store.ledgers import LedgerStore, refused_ledger
from shared.store.projects import may_edit
from shared.store.spec_rows import spec_from_row, spec_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.attributes import Row
    from shared.store.idempotency import IdempotencyRecord

__all__ = ["IntakeStore", "NewJob", "Replay"]

_MEMBERS: Final = 100
"""What one transaction may hold."""
_HEAD: Final = 4
"""Ledger, spec, idempotency row and the creator's membership, in the first transaction."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be created; ``ledger`` as it will stand when all rows do (status queued).

    ``member`` is whose membership of the project, with a role that may create jobs, is a condition of the creation: a
    removal of the member, or of the project, comes wholly before it or wholly after it. ``bookings`` are what the job
    takes up (:func:`shared.store.admissions.entering`); their conditions decide whether it may begin.
    """

    ledger: Ledger
    spec: JobSpec
    items: Sequence[NewItem]
    idempotency: IdempotencyRecord | None = None
    member: str | None = None
    bookings: Sequence[Change] = ()


@dataclass(frozen=True, slots=True)
class Replay:
    """The key was used before: by which record, and how far that job is (None: it was deleted since)."""

    record: IdempotencyRecord
    ledger: Ledger | None


@dataclass(frozen=True)
class IntakeStore:
    """Writes new jobs."""

    table: DynamoTable

    def create(self, job: NewJob, *, now: datetime) -> Ledger | Replay:
        """Write ``job`` whole, or say whose idempotency key it carries.

        A crash at any point leaves either nothing, or a job in intake that nobody sees and that the same key, or the
        sweeper, can pick up after ``check_at``. What it takes up is taken by the first write.

        Raises:
            NotPermittedError: ``job.member`` is not, or no longer, a member who may create jobs.
            RefusedError: a limit is reached, or the job's rows are there already.
        """
        first = _MEMBERS - _HEAD - len(job.bookings)
        whole = len(job.items) <= first
        token = new_token()
        key = None if job.idempotency is None else job.idempotency.key
        ledger = job.ledger
        if not whole:
            ledger = ledger.evolve(status=JobStatus.INTAKE, intake_token=token, intake_key=key)
        guard = [] if job.member is None else [may_edit(ledger.project_id, job.member)]
        members: list[Change | Check | Insert] = [*guard, Insert(ledger_row(ledger)), Insert(spec_row(job.spec))]
        members += [*self._idempotency(job, now), *job.bookings]
        members += [Insert(new_item_row(job.ledger.job_id, item)) for item in job.items[:first]]
        try:
            self.table.transact("create", members)
        except RefusedError as refused:
            if guard and 0 in refused.failed:
                raise NotPermittedError("create", f"{job.member} may not create jobs in the project") from refused
            replay = self.find(job, now=now)
            if replay is None:
                raise
            return replay
        if whole:
            return ledger
        return self._fill(ledger, job.items[first:], token)

    def resume(self, job: NewJob, stale: Ledger, *, now: datetime, check_at: datetime) -> Ledger:
        """Finish the intake of ``stale``, whose writer died; ``job`` is the same request, made again.

        Raises:
            RefusedError: the writer is not dead yet, or another was faster.
        """
        ledger, token = self._take_over(stale, now=now, check_at=check_at)
        return self._fill(ledger, job.items, token)

    def remove(self, stale: Ledger, *, now: datetime, check_at: datetime, go_on: Callable[[], bool]) -> bool:
        """Take away the intake of ``stale``, whose writer died, and give free its idempotency key and what it took up.

        The rows go in chunks, each fenced as when they were written; ledger, spec, key and bookings go last and
        together, so that whoever comes after a crash, the same request included, finds all that it needs.

        Args:
            stale: the ledger as it was read.
            now: the time.
            check_at: from when on the same request, or the next removal, may take over from this one.
            go_on: asked before each chunk.

        Returns:
            Whether nothing is left.

        Raises:
            RefusedError: the writer is not dead, or the same request has taken over.
        """
        ledger, token = self._take_over(stale, now=now, check_at=check_at)
        place = ledger_key(ledger.project_id, ledger.job_id)
        rows = self._rows_of(ledger.job_id)
        while chunk := list(islice(rows, _MEMBERS - 1)):
            if not go_on():
                return False
            self.table.transact("remove_intake", [Check(place, *_mine(token)), *chunk])
        members = [Delete(place, *_mine(token)), Delete(spec_key(ledger.job_id)), *self._key_of(ledger)]
        self.table.transact("remove_intake", [*members, *leaving(ledger)])
        return True

    def _take_over(self, stale: Ledger, *, now: datetime, check_at: datetime) -> tuple[Ledger, str]:
        """Fence the writer of ``stale``; the ledger, and the token that writes from now on."""
        token = new_token()
        change = Change(
            key=ledger_key(stale.project_id, stale.job_id),
            condition="status = :intake AND intake_token = :old AND check_at < :now",
            sets=("intake_token = :token", "check_at = :check_at"),
            values={
                "intake": JobStatus.INTAKE.value,
                "old": stale.intake_token,
                "now": to_iso(now),
                "token": token,
                "check_at": to_iso(check_at),
            },
        )
        try:
            return ledger_from_row(self.table.update("take_over_intake", change)), token
        except RefusedError as refused:
            seen = refused_ledger(refused)
            if seen is None or seen.intake_token != token:
                raise
            return seen, token  # the answer of an earlier try was lost, and its repeat refused by it

    def _rows_of(self, job_id: str) -> Iterator[Delete]:
        """Every row in the job's own partition but the spec, which tells whose job it is."""
        spec = spec_key(job_id)
        rows = self.table.query(spec["pk"], limit=_MEMBERS, consistent=True, projection=("pk", "sk"))
        return (Delete({"pk": row["pk"], "sk": row["sk"]}) for row in rows if row["sk"] != spec["sk"])

    def _key_of(self, ledger: Ledger) -> list[Delete]:
        """The idempotency record, as long as it is this job's: after its time another may stand there."""
        if ledger.intake_key is None:
            return []
        key = idempotency_key(ledger.project_id, ledger.intake_key)
        record = self.table.get(key, consistent=True)
        if record is None or record["made"] != ledger.job_id:
            return []
        return [Delete(key, "made = :job", {"job": ledger.job_id})]

    def find(self, job: NewJob, *, now: datetime) -> Replay | None:
        """What the job's idempotency key was used for, if it was and still counts."""
        if job.idempotency is None:
            return None
        return self.find_key(job.ledger.project_id, job.idempotency.key, now=now)

    def find_key(self, project_id: str, key: str, *, now: datetime) -> Replay | None:
        """What ``key`` was used for, if it was and still counts."""
        record = find_record(self.table, project_id, key, now=now)
        if record is None:
            return None
        return Replay(record, LedgerStore(self.table).read(project_id, record.made))

    def spec_of(self, job_id: str) -> JobSpec | None:
        """The immutable part of a job; it stands from the first write, and goes with the last."""
        row = self.table.get(spec_key(job_id), consistent=True)
        return None if row is None else spec_from_row(row)

    def _idempotency(self, job: NewJob, now: datetime) -> list[Insert]:
        record = job.idempotency
        if record is None:
            return []
        return [record_insert(job.ledger.project_id, record, now=now)]

    def _fill(self, ledger: Ledger, items: Sequence[NewItem], token: str) -> Ledger:
        """Write the chunks and seal. Items are written unconditionally: the check fences them."""
        mine = Check(ledger_key(ledger.project_id, ledger.job_id), *_mine(token))
        chunk = _MEMBERS - 1
        for start in range(0, len(items), chunk):
            rows = [Insert(new_item_row(ledger.job_id, item), "") for item in items[start : start + chunk]]
            self.table.transact("intake", [mine, *rows])
        try:
            return LedgerStore(self.table).seal(ledger, token=token, actor=ledger.actor)
        except RefusedError as refused:
            sealed = refused_ledger(refused)
            if sealed is None or sealed.status is JobStatus.INTAKE:
                raise
            return sealed  # the answer of an earlier try was lost: all rows stand


def _mine(token: str) -> tuple[str, Row]:
    """Condition and values: the job is still in intake, and nobody has taken over from the holder of ``token``."""
    return "status = :intake AND intake_token = :token", {"intake": JobStatus.INTAKE.value, "token": token}
