"""Creating a job: everything in one transaction or sealed at the end, then the queue is filled.

What must still happen stands in the table before the answer: a job that was not wholly dispatched has a cursor that
says so, and a job in intake has a time after which the same key, or the sweeper, may finish it.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.api.bodies import canonical
from functions.api.caller import actor_of
from functions.api.estimator import estimate
from functions.api.limiting import turned_away
from functions.api.presenter import created_job_view
from functions.api.problems import key_reused, not_permitted
from shared.errors import NotPermittedError, RequestError, StoreUnavailableError
from shared.jobs.ids import JOB, new_id
from shared.jobs.lanes import first_generation_lanes
from shared.jobs.ledger import Ledger
from shared.jobs.quotas import booked_in, month_of
from shared.jobs.spec import JobSpec
from shared.jobs.statuses import JobStatus
from shared.store.admissions import Application, entering
from shared.store.dynamodb import RefusedError
from shared.store.idempotency import IdempotencyRecord
from shared.store.intake import NewJob, Replay
from shared.store.item_rows import NewItem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.api.filler import Filler
    from functions.api.submission import Submission, SubmissionReader
    from shared.clock import Clock
    from shared.generation.pricing import PriceTable
    from shared.store.admissions import Admissions
    from shared.store.intake import IntakeStore
    from shared.store.presets import PresetStore

__all__ = ["Created", "Creator", "fingerprint_of"]

_KEPT_FOR: Final = timedelta(hours=24)
_FIRST_LOOK: Final = timedelta(seconds=60)
"""After that an unsealed intake counts as abandoned, and the sweeper looks at the job for the first time."""
_BUSY_SECONDS: Final = 5
"""The longest wait that a caller is asked for while another request with its key still writes."""
_TRIES: Final = 8
"""How often room may be taken by others between the look for it and the write."""


@dataclass(frozen=True, slots=True)
class Created:
    """The answer to a creation: the same bytes for the first call and for every replay."""

    answer: bytes
    replayed: bool

    @property
    def job(self) -> Mapping[str, Any]:
        """The job view in it."""
        view: dict[str, Any] = json.loads(self.answer)
        return view


def fingerprint_of(body: Mapping[str, Any]) -> str:
    """What tells one body from another under the same key, however the JSON was written."""
    return hashlib.sha256(canonical(body)).hexdigest()


@dataclass(frozen=True)
class Creator:
    """Creates jobs."""

    intake: IntakeStore
    filler: Filler
    prices: PriceTable
    submissions: SubmissionReader
    presets: PresetStore
    admissions: Admissions
    clock: Clock

    def create(
        self, project_id: str, caller: str, submission: Submission, *, key: str | None, body: Mapping[str, Any]
    ) -> Created:
        """A new job, or the answer that ``key`` got before; ``submission`` is what ``body`` means now.

        Raises:
            RequestError: 422, the key was used for another body; 409, a request with it is still being written; 403,
                the caller's membership was taken away meanwhile; 429, a limit is reached.
            StoreUnavailableError: nothing is visible; the same key finishes what was begun.
        """
        job, answer = self._job(project_id, caller, submission, key=key, body=body)
        written = self._write(job)
        if isinstance(written, Ledger):
            self.filler.fill(written, job.spec)
            return Created(answer, replayed=False)
        if written.record.fingerprint != fingerprint_of(body):
            raise key_reused()
        # Our own record means that only the answer of the first try was lost.
        return self._go_on(written, caller, body, replayed=written.record.made != job.ledger.job_id)

    def replay(self, project_id: str, caller: str, *, key: str, body: Mapping[str, Any]) -> Created | None:
        """The answer that ``key`` and ``body`` got before, if they did.

        For a body that would be refused now: its template may have gone, or its kind have changed, since then.
        """
        found = self.intake.find_key(project_id, key, now=self.clock.now())
        if found is None or found.record.fingerprint != fingerprint_of(body):
            return None
        return self._go_on(found, caller, body, replayed=True)

    def _go_on(self, found: Replay, caller: str, body: Mapping[str, Any], *, replayed: bool) -> Created:
        """Finish what was begun, with the template and the voice that it was begun with."""
        ledger = found.ledger
        if not found.record.answer:
            raise RequestError(409, "job_deleted", "The job that this Idempotency-Key made has been deleted.")
        spec = None if ledger is None else self.intake.spec_of(ledger.job_id)
        if ledger is not None and spec is not None:
            if ledger.status is JobStatus.INTAKE:
                submission = self.submissions.read_again(body, self.presets.pinned(spec))
                job, _ = self._job(ledger.project_id, caller, submission, key=found.record.key, body=body)
                ledger = self._resume(job, ledger)
            self.filler.fill(ledger, spec)
        return Created(zlib.decompress(found.record.answer), replayed=replayed)

    def _job(
        self, project_id: str, caller: str, submission: Submission, *, key: str | None, body: Mapping[str, Any]
    ) -> tuple[NewJob, bytes]:
        now, options = self.clock.now(), submission.options
        job_id, total = new_id(JOB, now), len(submission.entries)
        estimated = estimate(submission, self.prices)
        budgeted = options.budget_microusd is not None
        ledger = Ledger(
            project_id=project_id,
            job_id=job_id,
            name=submission.name,
            kind=submission.kind.name,
            drive=options.drive,
            total=total,
            lanes=first_generation_lanes(total, options.concurrency),
            created_at=now,
            queued=total,
            open=total,
            est_microusd=estimated.dearest_microusd if budgeted else 0,
            headroom_microusd=options.budget_microusd,
            usage_period=month_of(now),
            booked_by=caller,
            booked_microusd=estimated.total_microusd,
            actor=actor_of(caller),
            last_activity_at=now,
            deadline_at=now + timedelta(minutes=options.deadline_minutes),
            check_at=now + _FIRST_LOOK,
        )
        spec = JobSpec(
            project_id=project_id,
            job_id=job_id,
            kind=submission.kind.name,
            model=submission.model,
            options=options,
            created_by=caller,
            created_at=now,
            estimated_microusd=estimated.total_microusd,
            template=submission.presets.reference,
            voice_version=submission.presets.voice.version,
            idempotency_key=key,
            dearest_microusd=estimated.dearest_microusd,
        )
        answer = created_job_view(ledger, spec, now, duplicates=submission.duplicates).model_dump_json().encode()
        record = None
        if key is not None:
            record = IdempotencyRecord(key, fingerprint_of(body), job_id, zlib.compress(answer), now + _KEPT_FOR)
        items = [
            NewItem(position, entry.values, entry.custom_id) for position, entry in enumerate(submission.entries, 1)
        ]
        return NewJob(ledger, spec, items, record, member=caller), answer

    def _write(self, job: NewJob) -> Ledger | Replay:
        """Write the job; the ledger as it then stands, or what its key was used for."""
        ledger = job.ledger
        application = Application(
            project_id=ledger.project_id,
            user=ledger.booked_by,
            period=ledger.usage_period,
            required=booked_in(ledger),
            creates=True,
        )
        allowance = self.admissions.allowance(ledger.project_id)
        for _ in range(_TRIES):
            now = self.clock.now()
            try:
                return self.intake.create(replace(job, bookings=entering(application, allowance, now=now)), now=now)
            except NotPermittedError as error:
                raise not_permitted() from error
            except RefusedError as refused:
                last = refused
            if (reached := self.admissions.reached(application, allowance, now=now)) is not None:
                raise turned_away(reached, now)
            self.admissions.make_room(application, allowance, now=now)
        # Its rows are there already, or another has taken its intake over: only a key could tell whose they are.
        raise StoreUnavailableError(f"the intake of {ledger.job_id} was refused") from last

    def _resume(self, job: NewJob, stale: Ledger) -> Ledger:
        """Finish an intake whose writer died; the same body makes the same items."""
        now = self.clock.now()
        try:
            return self.intake.resume(job, stale, now=now, check_at=now + _FIRST_LOOK)
        except RefusedError as refused:
            left = 0.0 if stale.check_at is None else (stale.check_at - now).total_seconds()
            raise RequestError(
                409,
                "idempotency_in_progress",
                "A request with this Idempotency-Key is still being written.",
                retryable=True,
                retry_after_seconds=max(1, min(_BUSY_SECONDS, math.ceil(left))),
            ) from refused
