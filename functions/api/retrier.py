"""Retrying: a new generation over some of the failed items, opened once however many ask for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from functions.api.budgets import budget_of, more_of
from functions.api.caller import actor_of
from functions.api.controller import SOON
from functions.api.limiting import turned_away
from functions.api.problems import illegal_transition, not_yet_settled
from functions.api.validating import invalid, pointer
from shared.errors import BadField, RequestError, StoreUnavailableError, TransitionRefusedError
from shared.jobs.ids import new_token
from shared.jobs.lanes import deal
from shared.jobs.quotas import Amount, month_of
from shared.jobs.statuses import JobStatus
from shared.queue.dispatch import HEAD
from shared.store.admissions import Application, entering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.api.filler import Filler
    from functions.api.job_reader import JobReader
    from shared.clock import Clock
    from shared.contracts.requests import RetryRequest
    from shared.errors import ErrorCode
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.admissions import Admissions
    from shared.store.items import ItemStore
    from shared.store.ledgers import LedgerStore

__all__ = ["Retried", "Retrier", "mark_of"]

_RETRYABLE: Final = frozenset({JobStatus.PARTIALLY_FAILED, JobStatus.FAILED})
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Retried:
    """The job in its new generation. ``replayed``: this very request had opened it before."""

    ledger: Ledger
    replayed: bool


@dataclass
class _Choice:
    """The failed items that are retried, and the tally of those that stay failed. As large as their positions."""

    chosen: list[int] = field(default_factory=list)
    errors: dict[ErrorCode, int] = field(default_factory=dict)
    firsts: dict[ErrorCode, int] = field(default_factory=dict)

    def leave(self, position: int, code: ErrorCode) -> None:
        self.errors[code] = self.errors.get(code, 0) + 1
        self.firsts.setdefault(code, position)


def mark_of(key: str | None, fingerprint: str) -> str:
    """What tells the request that opens a generation from all others: its Idempotency-Key and body, or chance."""
    return new_token() if key is None else hashlib.sha256(f"{key}\n{fingerprint}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Retrier:
    """Opens generations."""

    jobs: JobReader
    ledgers: LedgerStore
    items: ItemStore
    filler: Filler
    admissions: Admissions
    clock: Clock

    def retry(self, project_id: str, job_id: str, caller: str, request: RetryRequest, *, mark: str) -> Retried:
        """Open the next generation over the failed items that ``request`` chooses, by default all.

        ``mark`` is written with the generation's work, so that a request whose answer was lost, here or on its way to
        the caller, finds that it has won.

        Raises:
            RequestError: 404; 422, a position that did not fail, nothing that matches, or a bad budget; 409, the job
                has not failed, has not settled, or has no budget left; 429, the caller has too many unfinished jobs, or
                the project too little left of its quota.
        """
        ledger = self.jobs.visible(project_id, job_id)
        spec = self.jobs.specs.of(job_id)
        if ledger.generation > 1 and self.items.work_mark(ledger, ledger.generation) == mark:
            return Retried(self._filled(ledger, spec), replayed=True)
        first = ledger
        for _ in range(_TRIES):
            if ledger.generation != first.generation:
                raise self._illegal(ledger, "Another retry was faster")
            more = self._allowed(ledger, spec, request)
            choice = self._choose(ledger, request)
            application = self._application(ledger, spec, caller, choice)
            won = self._open(ledger, spec, application, choice, more_microusd=more, mark=mark)
            seen, ledger = ledger, self.jobs.visible(project_id, job_id)
            if won:
                return Retried(self._filled(ledger, spec), replayed=False)
            if ledger.version == seen.version:  # so it was no other that was faster
                self._require_room(application)
        raise StoreUnavailableError(f"the job {job_id} changed {_TRIES} times under a retry")

    def _allowed(self, ledger: Ledger, spec: JobSpec, request: RetryRequest) -> int:
        """What the request adds to the budget, if the job may be retried."""
        if request.budget_usd is not None and budget_of(ledger, spec) is None:
            more_of(ledger, spec, request.budget_usd)  # refuses: that much is wrong in every status
        if ledger.status not in _RETRYABLE:
            raise self._illegal(ledger, f"The job is {ledger.shown_status(self.clock.now())}")
        if ledger.notified_generation < ledger.generation:
            raise not_yet_settled(ledger.shown_status(self.clock.now()))
        more = more_of(ledger, spec, request.budget_usd)
        if not more and ledger.headroom_microusd is not None and ledger.headroom_microusd < ledger.est_microusd:
            raise RequestError(
                409,
                "budget_exhausted",
                "What is left of the budget does not cover an item: raise it with budget_usd.",
                extra={"job_status": ledger.status.value},
            )
        return more

    def _application(self, ledger: Ledger, spec: JobSpec, caller: str, choice: _Choice) -> Application:
        """What the generation would reserve: no more than the job did, and no more than its dearest item for each."""
        items = len(choice.chosen)
        return Application(
            project_id=ledger.project_id,
            user=caller,
            period=month_of(self.clock.now()),
            required=Amount(items, min(spec.estimated_microusd, items * spec.dearest_microusd)),
            creates=False,
        )

    def _require_room(self, application: Application) -> None:
        allowance, now = self.admissions.allowance(application.project_id), self.clock.now()
        if (reached := self.admissions.reached(application, allowance, now=now)) is not None:
            raise turned_away(reached, now)

    def _choose(self, ledger: Ledger, request: RetryRequest) -> _Choice:
        """Read the failures page by page, position and code only.

        Both filters narrow; but a position that is named and would be left out for its code is told, not skipped.
        """
        codes = None if request.error_codes is None else frozenset(request.error_codes)
        named = None if request.positions is None else frozenset(request.positions)
        choice = _Choice()
        failed: dict[int, str] = {}
        for position, code in self.items.failures(ledger.job_id):
            is_coded = codes is None or code in codes
            if named is not None and position in named and not is_coded:
                failed[position] = f"item {position} failed with {code}, which error_codes does not name"
            if is_coded and (named is None or position in named):
                choice.chosen.append(position)
            else:
                choice.leave(position, code)
        _require_named(request.positions or (), frozenset(choice.chosen), failed, total=ledger.total)
        if not choice.chosen:
            raise invalid([BadField(pointer("error_codes"), "no failed item has one of these codes")])
        return choice

    def _open(
        self, ledger: Ledger, spec: JobSpec, application: Application, choice: _Choice, *, more_microusd: int, mark: str
    ) -> bool:
        """Write the generation; whether it is ours."""
        now, allowance = self.clock.now(), self.admissions.allowance(ledger.project_id)
        try:
            self.ledgers.retry(
                ledger,
                work=deal(choice.chosen, len(ledger.lanes)),
                errors=choice.errors,
                firsts=choice.firsts,
                deadline_at=now + timedelta(minutes=spec.options.deadline_minutes),
                usage_period=application.period,
                now=now,
                check_at=now + SOON,
                more_microusd=more_microusd,
                mark=mark,
                booked_by=application.user,
                booked_microusd=application.required.microusd,
                bookings=entering(application, allowance, now=now),
                actor=actor_of(application.user),
            )
        except TransitionRefusedError:
            # Another was faster; or an earlier try of this write went through and its answer was lost. The lists of
            # work tell: they stand for good, and whoever wrote them wrote the generation.
            return self.items.work_mark(ledger, ledger.generation + 1) == mark
        return True

    def _filled(self, ledger: Ledger, spec: JobSpec) -> Ledger:
        return ledger if ledger.cursor or ledger.final else self.filler.fill(ledger, spec, most=HEAD)

    def _illegal(self, ledger: Ledger, reason: str) -> RequestError:
        status = ledger.shown_status(self.clock.now())
        return illegal_transition(status, f"{reason}: only a job that ended with failed items can be retried.")


def _require_named(positions: Sequence[int], chosen: frozenset[int], failed: Mapping[int, str], *, total: int) -> None:
    """Every position that was named must be retried.

    Raises:
        RequestError: 422 with each that cannot be.
    """

    def told(position: int) -> str:
        if position > total:
            return f"the job has {total} items"
        return failed.get(position, f"item {position} did not fail")

    bad = [
        BadField(pointer("positions", index), told(position))
        for index, position in enumerate(positions)
        if position not in chosen
    ]
    if bad:
        raise invalid(bad)
