"""Routes about the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from functions.api.routing import Answer
from functions.api.version import VERSION
from shared.contracts.requests import MAX_IDEMPOTENCY_KEY, MAX_PAGE, MAX_WAIT_SECONDS, OptionsRequest
from shared.contracts.views import HealthView, KindsView, KindView, LimitsView, RangeView

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["docs", "health", "kinds", "limits", "openapi"]

_NO_SCRIPTS: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def health(_: Call) -> Answer:
    """The API answers."""
    return Answer(body=HealthView(version=VERSION))


def limits(call: Call) -> Answer:
    """Every limit in force."""
    own = call.services.limits
    return Answer(
        body=LimitsView(
            items_per_job=RangeView(min=own.min_items_per_job, max=own.max_items_per_job),
            bytes_per_item=own.bytes_per_item,
            bytes_per_request=own.bytes_per_request,
            concurrency_max=own.concurrency_max,
            jobs_per_hour=own.jobs_per_hour,
            active_jobs=own.active_jobs,
            items_per_month=own.items_per_month,
            usd_per_month=own.usd_per_month,
            bulk_cancel_max=own.bulk_cancel_max,
            templates_per_project=own.templates_per_project,
            retention_days=own.retention_days or None,
            max_attempts=_range("max_attempts"),
            item_timeout_seconds=_range("item_timeout_seconds"),
            deadline_minutes=_range("deadline_minutes"),
            min_interval_seconds=_range("min_interval_seconds"),
            wait_seconds=RangeView(min=0, max=MAX_WAIT_SECONDS),
            page_limit=RangeView(min=1, max=MAX_PAGE),
            idempotency_key_length=RangeView(min=1, max=MAX_IDEMPOTENCY_KEY),
        )
    )


def _range(option: str) -> RangeView:
    """The bounds that a request's model declares, so that they are told as they are checked."""
    bounds = {
        name: getattr(bound, name)
        for bound in OptionsRequest.model_fields[option].metadata
        for name in ("ge", "le")
        if hasattr(bound, name)
    }
    return RangeView(min=bounds["ge"], max=bounds["le"])


def kinds(call: Call) -> Answer:
    """What can be generated."""
    return Answer(
        body=KindsView(
            items=tuple(
                KindView(
                    name=kind.name,
                    title=kind.title,
                    input_schema=kind.input_schema(),
                    output_schema=kind.output_schema(),
                    sample=kind.sample_input(),
                )
                for kind in call.services.kinds().values()
            )
        )
    )


def openapi(call: Call) -> Answer:
    """The OpenAPI document."""
    # Few ask for it, and every cold start would pay for it.
    from functions.api.openapi import document_text  # noqa: PLC0415

    return Answer(body=document_text(call.services.sign_in))


def docs(_: Call) -> Answer:
    """The same document for people."""
    from functions.api.docs_page import page  # noqa: PLC0415  likewise

    return Answer(
        body=page(), content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _NO_SCRIPTS}
    )
