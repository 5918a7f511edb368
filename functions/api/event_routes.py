"""The route of a job's timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.cursors import Listing
from functions.api.presenter import event_view
from functions.api.routing import Answer
from shared.contracts.requests import PageQuery
from shared.contracts.views import EventsPage

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["list_all"]


def list_all(call: Call) -> Answer:
    """What happened to a job so far, oldest first."""
    query, job_id = call.query(PageQuery), call.path["job"]
    listing = Listing(("events", call.project, job_id))
    call.services.jobs.visible(call.project, job_id)
    # One more tells whether there are more.
    found = call.services.events.page(job_id, after=listing.after_event(query.cursor), limit=query.limit + 1)
    shown = found[: query.limit]
    return Answer(
        body=EventsPage(
            items=tuple(map(event_view, shown)),
            next_cursor=listing.cursor(shown[-1].place) if len(found) > query.limit else None,
        )
    )
