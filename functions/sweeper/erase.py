"""What is deleted for good, and what has been kept long enough: the sweeper's part of both.

Every step may be repeated, and a run may end anywhere: markers stand in the index until nothing is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.errors import CorruptRowError, StoreUnavailableError, TransitionRefusedError
from shared.jobs.statuses import CancelReason, JobStatus
from shared.log_keys import names_in_key
from shared.store.dynamodb import RefusedError
from shared.store.keys import job_id_of, project_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from aws_lambda_powertools import Logger

    from shared.clock import Clock
    from shared.store.erasures import Erasure, ErasureStore
    from shared.store.keys import Key
    from shared.store.ledgers import LedgerStore
    from shared.store.watch import WatchList

__all__ = ["Eraser"]

_ACTOR: Final = "retention"
_PAGE: Final = 100


@dataclass(frozen=True)
class Eraser:
    """Erases. ``retention_days`` after its end a job is deleted as if somebody had asked for it; 0 keeps all."""

    erasures: ErasureStore
    ledgers: LedgerStore
    watch: WatchList
    clock: Clock
    logger: Logger
    retention_days: int = 0

    def erase(self, go_on: Callable[[], bool]) -> Counter[str]:
        """Delete what is too old, and erase what is deleted, as far as the time goes; what was done, for the log."""
        done: Counter[str] = Counter()
        now = self.clock.now()
        if self.retention_days:
            self._retire(now - timedelta(days=self.retention_days), done, go_on)
        for key in self._readable(self.erasures.due(now), done):
            if not go_on():
                break
            try:
                self._go_on_with(key, now, done, go_on)
            except (StoreUnavailableError, TransitionRefusedError) as error:
                self._cut_short(done, error, key)
            except CorruptRowError:
                done["failed"] += 1
                self.logger.exception(
                    "an erasure met a row that cannot be read", code="corrupt_row", **names_in_key(key)
                )
        return done

    def _readable(self, keys: Iterator[Key], done: Counter[str]) -> Iterator[Key]:
        """``keys`` as far as the table gives them: what the sweep has done before is told all the same."""
        try:
            yield from keys
        except StoreUnavailableError as error:
            self._cut_short(done, error)

    def _cut_short(self, done: Counter[str], error: Exception, key: Key | None = None) -> None:
        """Something got no answer, or was refused: the next run finds it where it is."""
        done["cut_short"] += 1
        names = {} if key is None else names_in_key(key)
        self.logger.warning("an erasure was cut short", **names, exc_info=error)

    def _retire(self, until: datetime, done: Counter[str], go_on: Callable[[], bool]) -> None:
        for key in self._readable(self.watch.ended(until, page=_PAGE), done):
            if not go_on():
                return
            try:
                ledger = self.ledgers.read(project_id_of(key["pk"]), job_id_of(key["sk"]))
                if ledger is None or not ledger.told or ledger.completed_at is None or ledger.completed_at > until:
                    continue  # the index lags behind
                self.erasures.delete_job(ledger, now=self.clock.now(), actor=_ACTOR)
                done["jobs_retired"] += 1
            except RefusedError:
                continue  # somebody deleted it, or tries it again
            except StoreUnavailableError as error:
                self._cut_short(done, error, key)
            except CorruptRowError:
                done["failed"] += 1
                self.logger.exception("a job that is too old cannot be read", code="corrupt_row", **names_in_key(key))

    def _go_on_with(self, key: Key, now: datetime, done: Counter[str], go_on: Callable[[], bool]) -> None:
        erasure = self.erasures.read(key, until=now)
        if erasure is None:
            return
        if erasure.job_id is None:
            done["rows"] += self._project(erasure, now, go_on)
            done["projects"] += 1
        else:
            done["rows"] += self.erasures.erase_job(erasure, now=now, go_on=go_on)
            done["jobs"] += 1

    def _project(self, erasure: Erasure, now: datetime, go_on: Callable[[], bool]) -> int:
        """Members first, so that no job can be created any more; then the jobs; then all else."""
        project = erasure.project_id
        if not self.erasures.expel(project, go_on=go_on):
            return 0
        is_busy = False
        for job_id in self.erasures.jobs_of(project):
            if not go_on():
                return 0
            is_busy |= not self._job_is_over(project, job_id, now)
        if is_busy:
            self.erasures.wait(project, now=now)
            return 0
        return self.erasures.erase_project(project, now=now, go_on=go_on)

    def _job_is_over(self, project_id: str, job_id: str, now: datetime) -> bool:
        """Delete a job of a deleted project, or bring it to its end: the next run deletes it."""
        ledger = self.ledgers.read(project_id, job_id)
        if ledger is None:
            return True
        if ledger.final and ledger.told:
            self.erasures.delete_job(ledger, now=now, actor=ledger.actor)
            return True
        if not ledger.final and ledger.status not in {JobStatus.INTAKE, JobStatus.CANCELLING}:
            self.ledgers.cancel(ledger, reason=CancelReason.USER, check_at=now, actor=_ACTOR)
        return False
