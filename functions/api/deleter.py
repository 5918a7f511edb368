"""Deleting jobs and projects: decided here in one write, carried out by the sweeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from functions.api.caller import actor_of
from functions.api.problems import illegal_transition, no_project, not_yet_settled
from shared.contracts.requests import JobFilter
from shared.errors import NoProjectError, RequestError, StoreUnavailableError
from shared.store.dynamodb import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.api.job_reader import JobReader, Pace
    from shared.clock import Clock
    from shared.jobs.ledger import Ledger
    from shared.store.erasures import ErasureStore

__all__ = ["Deleter"]

_SETTLING_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 3.0
"""What is left for the answer when a project has more members than fit the time."""


@dataclass(frozen=True)
class Deleter:
    """Deletes for good."""

    jobs: JobReader
    erasures: ErasureStore
    clock: Clock
    pace: Pace

    def delete_job(self, project_id: str, job_id: str, caller: str, *, seconds_left: float) -> None:
        """Delete a job that has ended, with everything under it.

        A job whose end is being told of this very moment is waited for, a few seconds.

        Raises:
            RequestError: 404, there is none; 409, it has not ended, or its end has not been told of.
        """
        ledger = self.jobs.visible(project_id, job_id)
        for _ in self.pace.until(_SETTLING_SECONDS, seconds_left):
            if not ledger.final or ledger.told:
                break
            ledger = self.jobs.visible(project_id, job_id)
        self._require_ended(ledger)
        try:
            self.erasures.delete_job(ledger, now=self.clock.now(), actor=actor_of(caller))
        except RefusedError as refused:
            now = self.jobs.ledgers.read(project_id, job_id)
            if now is None:
                return  # another deleted it at the same moment
            self._require_ended(now)
            raise StoreUnavailableError(
                f"the deletion of {job_id} was refused"
            ) from refused  # it was retried, and ended

    def _require_ended(self, ledger: Ledger) -> None:
        status = ledger.shown_status(self.clock.now())
        if not ledger.final:
            raise illegal_transition(status, "Only a job that has ended can be deleted: cancel it first.")
        if not ledger.told:
            raise not_yet_settled(status)

    def delete_project(self, project_id: str, caller: str, *, seconds_left: Callable[[], float]) -> None:
        """Delete a project in which nothing runs, with all that it holds.

        When this returns nobody is a member any more, unless the time ran out: then the sweeper goes on with that too.

        Raises:
            RequestError: 409, a job has not ended.
        """
        if self.jobs.page(project_id, status=JobFilter.ACTIVE, after=None, limit=1).ledgers:
            raise RequestError(
                409, "jobs_unfinished", "The project has jobs that have not ended: cancel them, or let them end, first."
            )
        try:
            self.erasures.delete_project(project_id, now=self.clock.now(), actor=actor_of(caller))
        except NoProjectError as error:
            raise no_project() from error
        self.erasures.expel(project_id, go_on=lambda: seconds_left() > _ANSWER_SECONDS)
