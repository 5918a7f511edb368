"""Pausing, resuming and cancelling: what is allowed when, and one write of the ledger, whatever the job's size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from functions.api.budgets import budget_of, more_of
from functions.api.caller import actor_of
from functions.api.problems import illegal_transition, no_job
from shared.errors import StoreUnavailableError
from shared.jobs.ids import JOB, is_id
from shared.jobs.repairs import LOOK_EVERY, soon
from shared.jobs.statuses import CancelReason, JobStatus, PauseReason
from shared.queue.dispatch import HEAD
from shared.store.dynamodb import RefusedError
from shared.store.ledgers import refused_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.api.filler import Filler
    from functions.api.job_reader import JobReader
    from shared.clock import Clock
    from shared.jobs.ledger import Ledger
    from shared.store.ledgers import LedgerStore

__all__ = ["SOON", "BulkResult", "Control", "Controller", "Verdict", "verdict_on"]

SOON: Final = LOOK_EVERY
"""When the sweeper looks again at a job that a person has set in motion."""
_TRIES: Final = 8
"""How often a job may change between the decision and the write; each time it is decided anew."""

BulkResult = Literal["cancelled", "already_final", "not_found"]


@unique
class Control(StrEnum):
    """What a person may ask of a running job."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


@unique
class Verdict(Enum):
    """What becomes of it."""

    WRITE = "write"
    UNCHANGED = "unchanged"
    """It holds already: asking twice does what asking once does."""
    REFUSED = "refused"


_TABLE: Final[Mapping[Control, Mapping[JobStatus, Verdict]]] = MappingProxyType(
    {
        Control.PAUSE: {
            JobStatus.QUEUED: Verdict.WRITE,
            JobStatus.PROCESSING: Verdict.WRITE,
            JobStatus.PAUSED: Verdict.UNCHANGED,
        },
        Control.RESUME: {
            JobStatus.PROCESSING: Verdict.UNCHANGED,
            JobStatus.PAUSED: Verdict.WRITE,
        },
        Control.CANCEL: {
            JobStatus.QUEUED: Verdict.WRITE,
            JobStatus.PROCESSING: Verdict.WRITE,
            JobStatus.PAUSED: Verdict.WRITE,
            JobStatus.CANCELLING: Verdict.UNCHANGED,
            JobStatus.CANCELLED: Verdict.UNCHANGED,
        },
    }
)


def verdict_on(control: Control, ledger: Ledger) -> Verdict:
    """The contract's table; what is not in it is refused.

    A job with nothing left to do ends by itself in a moment: nothing is there that could be paused.
    """
    verdict = _TABLE[control].get(ledger.status, Verdict.REFUSED)
    if control is Control.PAUSE and verdict is Verdict.WRITE and not ledger.open:
        return Verdict.REFUSED
    return verdict


@dataclass(frozen=True)
class Controller:
    """Pauses, resumes and cancels jobs. Every method raises a 404 for a job that the project has not."""

    jobs: JobReader
    ledgers: LedgerStore
    filler: Filler
    clock: Clock

    def pause(self, project_id: str, job_id: str, caller: str) -> Ledger:
        """Let nothing new start; what runs is finished.

        Raises:
            RequestError: 409.
        """

        def write(ledger: Ledger) -> Ledger:
            return self.ledgers.pause(ledger, reason=PauseReason.USER, actor=actor_of(caller))

        return self._allowed(Control.PAUSE, self.jobs.visible(project_id, job_id), write)

    def resume(self, project_id: str, job_id: str, caller: str, *, budget_usd: float | None = None) -> Ledger:
        """Go on, with ``budget_usd`` as the new budget where it is given.

        The queue gets one batch of messages at once; processors that claim go on filling it.

        Raises:
            RequestError: 422, the budget cannot be raised to that; 409.
        """
        ledger = self.jobs.visible(project_id, job_id)
        spec = self.jobs.specs.of(job_id)
        if budget_usd is not None and budget_of(ledger, spec) is None:
            more_of(ledger, spec, budget_usd)  # refuses: that much is wrong in every status

        def write(seen: Ledger) -> Ledger:
            return self.ledgers.resume(
                seen,
                more_microusd=more_of(seen, spec, budget_usd),
                check_at=soon(seen, self.clock.now()),
                actor=actor_of(caller),
            )

        resumed = self._allowed(Control.RESUME, ledger, write)
        # A repeat finds the job resumed; if the first died before it filled the queue, the cursor says so.
        return resumed if resumed.cursor else self.filler.fill(resumed, spec, most=HEAD)

    def cancel(self, project_id: str, job_id: str, caller: str) -> Ledger:
        """Start nothing more; what runs keeps its result, the rest is cancelled.

        Raises:
            RequestError: 409.
        """
        return self._allowed(Control.CANCEL, self.jobs.visible(project_id, job_id), self._cancel_as(caller))

    def cancel_many(self, project_id: str, job_ids: Sequence[str], caller: str) -> dict[str, BulkResult]:
        """Cancel each job that can be cancelled; what became of each, by id, in the order that they were named in."""
        found = self.ledgers.read_many(project_id, [job_id for job_id in dict.fromkeys(job_ids) if is_id(JOB, job_id)])
        return {job_id: self._cancelled(found.get(job_id), caller) for job_id in job_ids}

    def _cancelled(self, ledger: Ledger | None, caller: str) -> BulkResult:
        if ledger is None or ledger.status is JobStatus.INTAKE:
            return "not_found"
        verdict, seen = self._decide(Control.CANCEL, ledger, self._cancel_as(caller))
        if seen is None:
            return "not_found"
        return "already_final" if verdict is Verdict.REFUSED or seen.final else "cancelled"

    def _cancel_as(self, caller: str) -> Callable[[Ledger], Ledger]:
        def write(ledger: Ledger) -> Ledger:
            return self.ledgers.cancel(
                ledger, reason=CancelReason.USER, check_at=soon(ledger, self.clock.now()), actor=actor_of(caller)
            )

        return write

    def _allowed(self, control: Control, ledger: Ledger, write: Callable[[Ledger], Ledger]) -> Ledger:
        verdict, seen = self._decide(control, ledger, write)
        if seen is None:
            raise no_job()
        if verdict is Verdict.REFUSED:
            status = seen.shown_status(self.clock.now())
            told = "has nothing left to do" if seen.status is JobStatus.PROCESSING else f"is {status}"
            raise illegal_transition(status, f"The job {told}: it cannot be {_DONE[control]}.")
        return seen

    @staticmethod
    def _decide(control: Control, ledger: Ledger, write: Callable[[Ledger], Ledger]) -> tuple[Verdict, Ledger | None]:
        """Write if the ledger allows it; the ledger that decided, None where the job is gone."""
        for _ in range(_TRIES):
            verdict = verdict_on(control, ledger)
            if verdict is not Verdict.WRITE:
                return verdict, ledger
            try:
                return verdict, write(ledger)
            except RefusedError as refused:
                # It changed meanwhile, perhaps by an earlier try of this very write whose answer was lost.
                seen = refused_ledger(refused)
                if seen is None:
                    return Verdict.REFUSED, None
                ledger = seen
        raise StoreUnavailableError(f"the job {ledger.job_id} changed {_TRIES} times under a {control}")


_DONE: Final[Mapping[Control, str]] = MappingProxyType(
    {Control.PAUSE: "paused", Control.RESUME: "resumed", Control.CANCEL: "cancelled"}
)
