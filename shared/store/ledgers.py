"""The ledgers of all jobs: reads, and every transition as one write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import ErrorCode
from shared.jobs.ids import ulid_of
from shared.jobs.ledger import Attempt, Lane
from shared.jobs.transitions import final_status
from shared.store import transitions
from shared.store.admissions import leaving
from shared.store.dynamodb import MAX_KEYS, DynamoTable, RefusedError
from shared.store.expressions import Insert
from shared.store.item_rows import attempts_change, outcome_change
from shared.store.keys import Key, ledger_key, work_key
from shared.store.ledger_rows import ledger_from_row, ledger_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.jobs.items import Outcome, PastAttempt
    from shared.jobs.ledger import Lease, Ledger
    from shared.jobs.statuses import CancelReason, OnError, PauseReason
    from shared.store.attributes import Row
    from shared.store.expressions import Change

__all__ = ["LedgerStore", "refused_ledger"]


def refused_ledger(refused: RefusedError) -> Ledger | None:
    """The ledger that refused a write, or None where there is none (the job was deleted)."""
    return None if refused.row is None else ledger_from_row(refused.row)


@dataclass(frozen=True)
class LedgerStore:
    """Reads and transitions of one ledger at a time.

    Every transition takes the ledger that was read or, for workers that have not read it, the ids. It returns the
    ledger as it then stands and raises :class:`~shared.store.dynamodb.RefusedError`, with the row that refused, where
    the protocol's condition does not hold; nothing is written then.
    """

    table: DynamoTable

    def read(self, project_id: str, job_id: str, *, consistent: bool = True) -> Ledger | None:
        """The ledger, or None. A job in intake is returned too: readers treat it as absent."""
        row = self.table.get(ledger_key(project_id, job_id), consistent=consistent)
        return None if row is None else ledger_from_row(row)

    def read_many(self, project_id: str, job_ids: Sequence[str]) -> dict[str, Ledger]:
        """Those of the jobs that there are, by id; a hundred a call."""
        found: dict[str, Ledger] = {}
        for start in range(0, len(job_ids), MAX_KEYS):
            keys = [ledger_key(project_id, job_id) for job_id in job_ids[start : start + MAX_KEYS]]
            rows = self.table.get_many(keys, consistent=True)
            found |= {ledger.job_id: ledger for ledger in map(ledger_from_row, filter(None, rows))}
        return found

    def _write(self, what: str, change: Change) -> Ledger:
        return ledger_from_row(self.table.update(what, change))

    def seal(self, ledger: Ledger, *, token: str, actor: str) -> Ledger:
        """All rows of the job stand: it becomes visible."""
        active = ulid_of(ledger.project_id)
        return self._write("seal", transitions.seal(_key(ledger), token=token, actor=actor, active=active))

    def claim(
        self,
        project_id: str,
        job_id: str,
        *,
        lane: int,
        lease: Lease,
        budgeted: bool,
        now: datetime,
        actor: str,
        index: int | None = None,
    ) -> Ledger:
        """Take a free lane without having read the ledger; a refusal tells what the ledger says."""
        change = transitions.claim(
            ledger_key(project_id, job_id),
            lane=lane,
            lease=lease,
            budgeted=budgeted,
            now=now,
            actor=actor,
            index=index,
        )
        return self._write("claim", change)

    def take_over(
        self, ledger: Ledger, *, lane: int, lease: Lease, max_attempts: int, now: datetime, actor: str
    ) -> Ledger:
        """Replace the holder that ``ledger`` shows; its lease must have expired."""
        held = ledger.lanes[lane]
        if held.lease is None:
            raise RefusedError("take_over", [None])
        full = len(held.attempts) >= max_attempts
        change = transitions.take_over(
            _key(ledger),
            lane=lane,
            old_token=held.lease.token,
            lease=lease,
            budgeted=ledger.budgeted,
            now=now,
            lost=None if full else Attempt(ErrorCode.LEASE_EXPIRED, now),
            actor=actor,
        )
        return self._write("take_over", change)

    def settle(
        self,
        ledger: Ledger,
        *,
        lane: int,
        token: str,
        outcome: Outcome,
        now: datetime,
        on_error: OnError,
        min_interval_seconds: float = 0,
        actor: str,
    ) -> None:
        """Record an outcome: ledger and item together, or neither.

        The lease's token is the transaction's, so that a repeat of a try whose answer was lost has no effect.

        Raises:
            RefusedError: the lease is lost.
            TokenReusedError: an earlier try went through.
        """
        change = transitions.settle(
            _key(ledger),
            lane=lane,
            token=token,
            outcome=outcome,
            now=now,
            on_error=on_error,
            budgeted=ledger.budgeted,
            est_microusd=_reserved(ledger, lane, token),
            min_interval_seconds=min_interval_seconds,
            actor=actor,
        )
        self.table.transact("settle", [change, outcome_change(ledger.job_id, outcome)], token=token)

    def put_back(
        self,
        ledger: Ledger,
        *,
        lane: int,
        token: str,
        not_before: datetime,
        attempt: Attempt | None,
        position: int,
        attempts: tuple[PastAttempt, ...] = (),
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_microusd: int = 0,
        actor: str,
    ) -> None:
        """Give the item back until ``not_before``; ``attempts`` is the history that its row then tells."""
        change = transitions.put_back(
            _key(ledger),
            lane=lane,
            token=token,
            not_before=not_before,
            attempt=attempt,
            budgeted=ledger.budgeted,
            est_microusd=_reserved(ledger, lane, token),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=actor,
        )
        if attempt is None:
            self._write("put_back", change)
        else:
            self.table.transact("put_back", [change, attempts_change(ledger.job_id, position, attempts)])

    def release(
        self,
        ledger: Ledger,
        *,
        lane: int,
        token: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_microusd: int = 0,
        actor: str,
    ) -> Ledger:
        """Leave the lane of a cancelled job."""
        change = transitions.release(
            _key(ledger),
            lane=lane,
            token=token,
            generation=ledger.generation,
            budgeted=ledger.budgeted,
            est_microusd=_reserved(ledger, lane, token),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_microusd=cost_microusd,
            actor=actor,
        )
        return self._write("release", change)

    def account_pause(
        self, ledger: Ledger, *, lane: int, token: str, not_before: datetime, reason: PauseReason, actor: str
    ) -> Ledger:
        """Put the item back unharmed and pause the job."""
        change = transitions.account_pause(
            _key(ledger),
            lane=lane,
            token=token,
            not_before=not_before,
            reason=reason,
            budgeted=ledger.budgeted,
            est_microusd=_reserved(ledger, lane, token),
            actor=actor,
        )
        return self._write("account_pause", change)

    def pause(self, ledger: Ledger, *, reason: PauseReason, actor: str) -> Ledger:
        """Let nothing new start."""
        return self._write("pause", transitions.pause(_key(ledger), reason=reason, actor=actor))

    def pause_for_budget(self, ledger: Ledger, *, est_microusd: int, actor: str) -> Ledger:
        """Pause, if ``ledger`` still stands: it refused a claim and showed no live lease."""
        change = transitions.pause_for_budget(
            _key(ledger), est_microusd=est_microusd, epoch=ledger.epoch, version=ledger.version, actor=actor
        )
        return self._write("pause_for_budget", change)

    def resume(self, ledger: Ledger, *, more_microusd: int = 0, check_at: datetime | None = None, actor: str) -> Ledger:
        """Go on; a raise of the budget is added to what was read, or refused."""
        change = transitions.resume(
            _key(ledger),
            budgeted=ledger.budgeted,
            more_microusd=more_microusd,
            raised_microusd=ledger.raised_microusd,
            check_at=check_at,
            actor=actor,
        )
        return self._write("resume", change)

    def cancel(self, ledger: Ledger, *, reason: CancelReason, check_at: datetime | None = None, actor: str) -> Ledger:
        """Start nothing more, in the generation that was read."""
        change = transitions.cancel(
            _key(ledger), generation=ledger.generation, reason=reason, check_at=check_at, actor=actor
        )
        return self._write("cancel", change)

    def close(self, ledger: Ledger, *, lane: int, now: datetime, actor: str) -> Ledger:
        """Free a lane of a cancelled job whose holder, as ``ledger`` shows it, is dead."""
        held = ledger.lanes[lane]
        if held.lease is None:
            raise RefusedError("close", [None])
        change = transitions.close(
            _key(ledger),
            lane=lane,
            old_token=held.lease.token,
            now=now,
            generation=ledger.generation,
            actor=actor,
        )
        return self._write("close", change)

    def finalize(self, ledger: Ledger, *, now: datetime, actor: str) -> Ledger:
        """End the generation that was read, with the status that its counts make: it must show nothing open.

        What it took up is given back in the same transaction, so exactly once.
        """
        if ledger.open:
            raise RefusedError("finalize", [ledger_row(ledger)])  # counts that still change tell no final status
        change = transitions.finalize(
            _key(ledger), generation=ledger.generation, status=final_status(ledger), now=now, actor=actor
        )
        if not (bookings := leaving(ledger)):
            return self._write("finalize", change)
        self.table.transact("finalize", [change, *bookings])
        ended = self.read(ledger.project_id, ledger.job_id)
        if ended is None:
            raise RefusedError("finalize", [None])  # deleted in this moment
        return ended

    def notified(self, ledger: Ledger, *, actor: str) -> Ledger:
        """The notification of the generation that was read has been sent."""
        change = transitions.notified(_key(ledger), generation=ledger.generation, actor=actor)
        return self._write("notified", change)

    def retry(
        self,
        ledger: Ledger,
        *,
        work: Sequence[Sequence[int]],
        errors: Mapping[ErrorCode, int],
        firsts: Mapping[ErrorCode, int],
        deadline_at: datetime | None,
        usage_period: str,
        now: datetime,
        check_at: datetime,
        more_microusd: int = 0,
        mark: str | None = None,
        booked_by: str = "",
        booked_microusd: int = 0,
        bookings: Sequence[Change] = (),
        actor: str,
    ) -> None:
        """Open the next generation over ``work``, a list of positions a lane; ledger and lists in one transaction.

        ``mark`` stands on the lists for good: who meets it there, and finds itself refused, has won and only lost the
        answer (:meth:`shared.store.items.ItemStore.work_mark`). ``bookings`` are what the generation takes up
        (:func:`shared.store.admissions.entering`), for ``booked_by`` and ``booked_microusd``.
        """
        change = transitions.retry(
            _key(ledger),
            job_id=ledger.job_id,
            generation=ledger.generation,
            version=ledger.version,
            lanes=[Lane(next=0, end=len(positions)) for positions in work],
            errors=errors,
            firsts=firsts,
            deadline_at=deadline_at,
            usage_period=usage_period,
            now=now,
            check_at=check_at,
            active=ulid_of(ledger.project_id),
            budgeted=ledger.budgeted,
            more_microusd=more_microusd,
            booked_by=booked_by,
            booked_microusd=booked_microusd,
            actor=actor,
        )
        marked: Row = {} if mark is None else {"mark": mark}
        lists = [
            Insert({**work_key(ledger.job_id, ledger.generation + 1, lane), "positions": list(positions), **marked})
            for lane, positions in enumerate(work)
            if positions
        ]
        self.table.transact("retry", [change, *lists, *bookings])

    def redrive(self, ledger: Ledger, *, lane: int, actor: str) -> Ledger:
        """Count that a dead letter of the lane is dispatched again."""
        stuck = ledger.lanes[lane]
        change = transitions.redrive(
            _key(ledger), lane=lane, index=stuck.next, epoch=ledger.epoch, redrives=stuck.redrives, actor=actor
        )
        return self._write("redrive", change)

    def look(self, ledger: Ledger, *, new: datetime, paused_in: int | None = None) -> Ledger:
        """The sweeper has looked, and looks again at ``new``; ``paused_in`` is the epoch in which it saw a job rest."""
        if ledger.check_at is None:
            raise RefusedError("look", [None])
        return self._write("look", transitions.look(_key(ledger), old=ledger.check_at, new=new, paused_in=paused_in))

    def dispatched(self, ledger: Ledger, *, cursor: int, actor: str) -> Ledger:
        """The messages up to ``cursor`` of this round stand in the queue."""
        change = transitions.dispatched(
            _key(ledger),
            epoch=ledger.epoch,
            round_=ledger.round,
            old=ledger.cursor,
            new=cursor,
            actor=actor,
        )
        return self._write("dispatched", change)

    def advance_cursor(self, ledger: Ledger, cursor: int, *, actor: str) -> Ledger:
        """The transition :meth:`dispatched`, for whoever goes on from its answer.

        A refusal by a row whose cursor stands where this write puts it, in the same round, is taken for success: the
        answer of an earlier try was lost. If it was another dispatcher's, FIFO swallows what both send.
        """
        try:
            return self.dispatched(ledger, cursor=cursor, actor=actor)
        except RefusedError as refused:
            seen = refused_ledger(refused)
            if seen is None or (seen.epoch, seen.round, seen.cursor) != (ledger.epoch, ledger.round, cursor):
                raise
            return seen

    def handoff(self, ledger: Ledger, *, actor: str) -> Ledger:
        """Hand a client-driven job to the queue."""
        return self._write("handoff", transitions.handoff(_key(ledger), version=ledger.version, actor=actor))


def _key(ledger: Ledger) -> Key:
    return ledger_key(ledger.project_id, ledger.job_id)


def _reserved(ledger: Ledger, lane: int, token: str) -> int:
    """What the claim that ``ledger`` shows has reserved. A stale holder's number does not matter: it is refused."""
    lease = ledger.lanes[lane].lease
    return lease.est_microusd if lease is not None and lease.token == token else 0
