"""Routes that steer jobs: pause, resume, cancel, retry."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from functions.api.creator import fingerprint_of
from functions.api.presenter import job_view
from functions.api.retrier import mark_of
from functions.api.routing import Answer, idempotency_key
from functions.api.validating import invalid, pointer
from shared.contracts.requests import BulkCancelRequest, EmptyRequest, ResumeRequest, RetryRequest
from shared.contracts.views import BulkCancelResult, BulkCancelSummary, BulkCancelView
from shared.errors import BadField

if TYPE_CHECKING:
    from functions.api.routing import Call
    from shared.jobs.ledger import Ledger

__all__ = ["cancel", "cancel_many", "pause", "resume", "retry"]


def pause(call: Call) -> Answer:
    """Let nothing new start."""
    call.body(EmptyRequest)
    return _answer(call, call.services.controller.pause(call.project, call.path["job"], call.caller))


def resume(call: Call) -> Answer:
    """Go on."""
    request = call.body(ResumeRequest)
    resumed = call.services.controller.resume(
        call.project, call.path["job"], call.caller, budget_usd=request.budget_usd
    )
    return _answer(call, resumed)


def cancel(call: Call) -> Answer:
    """Start nothing more, and end."""
    call.body(EmptyRequest)
    return _answer(call, call.services.controller.cancel(call.project, call.path["job"], call.caller))


def cancel_many(call: Call) -> Answer:
    """Cancel several jobs; each is told of, none fails the others."""
    job_ids = call.body(BulkCancelRequest).job_ids
    most = call.services.limits.bulk_cancel_max
    if len(job_ids) > most:
        raise invalid([BadField(pointer("job_ids"), f"{len(job_ids)} jobs; at most {most} are cancelled at once")])
    results = call.services.controller.cancel_many(call.project, job_ids, call.caller)
    counts = Counter(results.values())
    return Answer(
        body=BulkCancelView(
            results=tuple(BulkCancelResult(job_id=job_id, result=result) for job_id, result in results.items()),
            summary=BulkCancelSummary(
                cancelled=counts["cancelled"],
                already_final=counts["already_final"],
                not_found=counts["not_found"],
            ),
        )
    )


def retry(call: Call) -> Answer:
    """Open a new generation over failed items."""
    request = call.body(RetryRequest)
    mark = mark_of(idempotency_key(call), fingerprint_of(call.json))
    retried = call.services.retrier.retry(call.project, call.path["job"], call.caller, request, mark=mark)
    answer = _answer(call, retried.ledger, status=202)
    if not retried.replayed:
        return answer
    return Answer(status=202, body=answer.body, headers={**answer.headers, "Idempotent-Replayed": "true"})


def _answer(call: Call, ledger: Ledger, *, status: int = 200) -> Answer:
    jobs = call.services.jobs
    view = job_view(ledger, jobs.specs.of(ledger.job_id), call.services.clock.now())
    return Answer(status=status, body=view, headers={"ETag": jobs.etag(ledger)})
