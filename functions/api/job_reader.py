"""Reading jobs: one, a list, and waiting for a change."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from functions.api.presenter import etag_of
from functions.api.problems import no_job
from shared.contracts.requests import JobFilter
from shared.jobs.ids import JOB, is_id
from shared.jobs.statuses import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.clock import Clock
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.store.items import ItemStore
    from shared.store.job_lists import JobLists
    from shared.store.ledgers import LedgerStore

__all__ = ["JobPage", "JobReader", "Pace", "Specs", "matches"]

_MAX_EVALUATED: Final = 200
"""Ledgers that one call of a filtered list reads; the cursor goes on behind them."""
_ROWS_A_READ: Final = 100
_MAX_SPECS: Final = 1_000
_GATEWAY_MARGIN_SECONDS: Final = 2.0
"""A waiting call ends so long before the function's time-out."""


@dataclass(frozen=True)
class Specs:
    """The specs of the jobs that this process saw last. A spec never changes, so remembering it decides nothing."""

    items: ItemStore
    size: int = _MAX_SPECS
    _known: OrderedDict[str, JobSpec] = field(default_factory=OrderedDict)

    def of(self, job_id: str) -> JobSpec:
        """The spec of a job that exists.

        Raises:
            CorruptRowError: there is none.
        """
        spec = self._known.pop(job_id, None) or self.items.require_spec(job_id)
        self._known[job_id] = spec
        if len(self._known) > self.size:
            self._known.popitem(last=False)
        return spec


@dataclass(frozen=True)
class Pace:
    """How often a waiting call looks: at once often, later about every ``longest`` seconds, with jitter."""

    clock: Clock
    random: Callable[[], float]
    first: float = 0.15
    longest: float = 0.5

    def until(self, seconds: float, seconds_left: float) -> Iterator[None]:
        """Yields after each pause, as long as there is time to look once more."""
        end = self.clock.now() + timedelta(seconds=min(seconds, seconds_left - _GATEWAY_MARGIN_SECONDS))
        pause = self.first
        while (left := (end - self.clock.now()).total_seconds()) > 0:
            self.clock.sleep(min(left, pause * (0.75 + 0.5 * self.random())))
            pause = min(self.longest, pause * 1.5)
            yield


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs, and the job behind which the list goes on (None: nowhere)."""

    ledgers: tuple[Ledger, ...]
    after: str | None


@dataclass(frozen=True)
class JobReader:
    """Reads ledgers. A job in intake does not exist yet."""

    ledgers: LedgerStore
    lists: JobLists
    specs: Specs
    clock: Clock
    pace: Pace

    def visible(self, project_id: str, job_id: str) -> Ledger:
        """The ledger as it is now.

        Raises:
            RequestError: 404.
        """
        ledger = self.ledgers.read(project_id, job_id) if is_id(JOB, job_id) else None
        if ledger is None or ledger.status is JobStatus.INTAKE:
            raise no_job()
        return ledger

    def changed(
        self, project_id: str, job_id: str, known: str | None, *, wait_seconds: float, seconds_left: float
    ) -> tuple[Ledger, bool]:
        """The ledger, and whether it is anything else than what ``known``, an If-None-Match, names.

        With ``wait_seconds`` it waits for another version or shown status than ``known``, or than the present one.
        """
        ledger = self.visible(project_id, job_id)
        present = self.etag(ledger)
        if known is not None and not matches(known, present):
            return ledger, True
        for _ in self.pace.until(wait_seconds, seconds_left):
            ledger = self.visible(project_id, job_id)
            if self.etag(ledger) != present:
                return ledger, True
        return ledger, known is None

    def etag(self, ledger: Ledger) -> str:
        """The entity tag of the ledger as it shows now."""
        return etag_of(ledger.job_id, ledger.version, ledger.shown_status(self.clock.now()))

    def page(self, project_id: str, *, status: JobFilter | None, after: str | None, limit: int) -> JobPage:
        """At most ``limit`` jobs behind the job ``after``, newest first."""
        if status is JobFilter.ACTIVE:
            return self._active(project_id, after, limit)
        now = self.clock.now()
        found: list[Ledger] = []
        last: str | None = None
        evaluated = self.lists.all(project_id, after=after, page=limit + 1 if status is None else _ROWS_A_READ)
        for number, ledger in enumerate(evaluated):
            if len(found) == limit or number == _MAX_EVALUATED:
                return JobPage(tuple(found), last)
            last = ledger.job_id
            if status is None or ledger.shown_status(now).value == status.value:
                found.append(ledger)
        return JobPage(tuple(found), None)

    def _active(self, project_id: str, after: str | None, limit: int) -> JobPage:
        found = self.lists.active(project_id, after=after, limit=limit + 1)
        more = len(found) > limit
        return JobPage(tuple(found[:limit]), found[limit - 1].job_id if more else None)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether one of the tags in the header is ``etag``; weak ones compare as equal (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag in tags
