"""Routes of items and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from functions.api.cursors import Listing
from functions.api.presenter import item_view, single_item_view
from functions.api.routing import Answer
from shared.contracts.requests import ItemsQuery, ResultsQuery
from shared.contracts.views import ItemsPage

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["list_all", "read", "results"]

_LONGEST_POSITION: Final = 6


def list_all(call: Call) -> Answer:
    """A job's items in order, without outputs."""
    query, job_id = call.query(ItemsQuery), call.path["job"]
    listing = Listing(("items", call.project, job_id, query.status or ""))
    page = call.services.items.page(
        call.project, job_id, status=query.status, after=listing.after_position(query.cursor), limit=query.limit
    )
    spec = call.services.jobs.specs.of(job_id)
    return Answer(
        body=ItemsPage(
            items=tuple(item_view(shown, spec) for shown in page.items),
            next_cursor=None if page.after is None else listing.cursor(page.after),
        )
    )


def read(call: Call) -> Answer:
    """One item, with its output."""
    text, job_id = call.path["position"], call.path["job"]
    is_position = text.isascii() and text.isdigit() and len(text) <= _LONGEST_POSITION
    _, shown = call.services.items.one(call.project, job_id, int(text) if is_position else 0)
    return Answer(body=single_item_view(shown, call.services.jobs.specs.of(job_id)))


def results(call: Call) -> Answer:
    """What is finished so far."""
    query, job_id = call.query(ResultsQuery), call.path["job"]
    listing = Listing(("results", call.project, job_id, query.format))
    written = call.services.exporter.export(
        call.project, job_id, form=query.format, after=listing.after_position(query.cursor)
    )
    headers = {}
    if written.after is not None:
        parameters = urlencode({"format": query.format.value, "cursor": listing.cursor(written.after)})
        path = f"/v1/projects/{call.project}/jobs/{job_id}/results"
        headers["Link"] = f'<{path}?{parameters}>; rel="next"'
    return Answer(body=written.content, content_type=written.content_type, headers=headers)
