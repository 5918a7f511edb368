"""Routes of templates."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from functions.api.creator import fingerprint_of
from functions.api.cursors import Listing
from functions.api.preconditions import changed_since, require_match
from functions.api.presenter import template_etag, template_view
from functions.api.preset_values import template_values
from functions.api.problems import key_reused, no_project
from functions.api.routing import Answer, Call, idempotency_key
from functions.api.validating import invalid
from shared.contracts.requests import EmptyRequest, PageQuery, TemplateRequest, TemplatesQuery
from shared.contracts.views import TemplatesPage, TemplateView
from shared.errors import BadField, LimitReachedError, NoProjectError, PreconditionError, RequestError
from shared.jobs.ids import TEMPLATE, is_id, new_id
from shared.store.idempotency import IdempotencyRecord
from shared.store.templates import Template

if TYPE_CHECKING:
    from shared.generation.kind import Kind

__all__ = ["create", "list_all", "list_versions", "read", "read_version", "remove", "restore", "update"]

_KEPT_FOR: Final = timedelta(hours=24)
_MOST_DIGITS: Final = 6
"""Of a version's number, as its key has."""


def create(call: Call) -> Answer:
    """A new template at version 1."""
    key = idempotency_key(call)
    template = _checked(call, new_id(TEMPLATE, call.services.clock.now()))
    now, answer = call.services.clock.now(), template_view(template).model_dump_json().encode()
    record = None
    if key is not None:
        fingerprint = fingerprint_of(call.json)
        record = IdempotencyRecord(key, fingerprint, template.template_id, zlib.compress(answer), now + _KEPT_FOR)
    try:
        known = call.services.templates.create(
            call.project, template, most=call.services.limits.templates_per_project, record=record, now=now
        )
    except LimitReachedError as error:
        raise RequestError(409, "too_many_templates", f"{error.reason}, deleted ones included.") from error
    except NoProjectError as error:
        raise no_project() from error
    if known is None or record is None:
        return _created(call, answer, replayed=False)
    if known.fingerprint != record.fingerprint:
        raise key_reused()
    if not known.answer:
        raise key_reused()  # it made a job, which has been deleted since
    return _created(call, zlib.decompress(known.answer), replayed=known.made != template.template_id)


def _created(call: Call, answer: bytes, *, replayed: bool) -> Answer:
    template = TemplateView.model_validate_json(answer)
    headers = {
        "Location": f"/v1/projects/{call.project}/templates/{template.id}",
        "ETag": template_etag(template.id, template.version, deleted=False),
    }
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(status=201, body=answer.decode(), headers=headers)


def list_all(call: Call) -> Answer:
    """The project's templates, in the order of their creation."""
    query = call.query(TemplatesQuery)
    listing = Listing(("templates", call.project, str(query.deleted)))
    found = call.services.templates.page(
        call.project, after=listing.after_id(query.cursor), limit=query.limit + 1, deleted=query.deleted
    )
    shown = found[: query.limit]
    cursor = listing.cursor(shown[-1].template_id) if len(found) > query.limit else None
    return Answer(body=TemplatesPage(items=tuple(map(template_view, shown)), next_cursor=cursor))


def read(call: Call) -> Answer:
    """One template as it stands, deleted or not."""
    return _shown(_required(call))


def list_versions(call: Call) -> Answer:
    """A template's versions, the newest first."""
    query = call.query(PageQuery)
    template = _required(call)
    listing = Listing(("versions", call.project, template.template_id))
    found = call.services.templates.versions(
        call.project,
        template.template_id,
        before=listing.after_position(query.cursor) or None,
        limit=query.limit + 1,
    )
    shown = found[: query.limit]
    cursor = listing.cursor(shown[-1].version) if len(found) > query.limit else None
    return Answer(body=TemplatesPage(items=tuple(map(template_view, shown)), next_cursor=cursor))


def read_version(call: Call) -> Answer:
    """A template as it stood at one of its versions."""
    text = call.path["version"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
    template_id = call.path["template"]
    found = None
    if number and is_id(TEMPLATE, template_id):
        found = call.services.templates.read_version(call.project, template_id, number)
    if found is None:
        raise RequestError(404, "not_found", "The project has no such template, or the template no such version.")
    return Answer(body=template_view(found))


def update(call: Call) -> Answer:
    """A new version of a template."""
    new = _checked(call, call.path["template"])
    template = _required(call)
    if new.kind != template.kind:
        raise invalid([BadField("/kind", f"a template keeps its kind, which is {template.kind}")])
    if template.deleted_at is not None:
        raise _deleted()
    before = template_etag(template.template_id, template.version - 1, deleted=False)
    if call.headers.get("if-match") == before and template.says(new):
        return _shown(template)  # the answer of an earlier try was lost: the next version says just this
    require_match(call, _etag(template), version=template.version)
    try:
        return _shown(call.services.templates.update(call.project, template, new))
    except PreconditionError as error:
        raise _raced(call) from error
    except NoProjectError as error:
        raise no_project() from error


def remove(call: Call) -> Answer:
    """Hide a template; jobs that were created with it go on, and it can be restored."""
    template = _required(call)
    live = template_etag(template.template_id, template.version, deleted=False)
    require_match(call, _etag(template), live, version=template.version)
    if template.deleted_at is None:
        try:
            call.services.templates.delete(call.project, template, now=call.services.clock.now())
        except PreconditionError as error:
            raise _raced(call) from error
    return Answer(status=204)


def restore(call: Call) -> Answer:
    """Undo a template's deletion."""
    call.body(EmptyRequest)
    template = _required(call)
    if template.deleted_at is None:
        return _shown(template)
    try:
        return _shown(call.services.templates.restore(call.project, template))
    except PreconditionError:
        return _shown(_required(call))  # another restored it


def _required(call: Call) -> Template:
    template_id = call.path["template"]
    template = call.services.templates.read(call.project, template_id) if is_id(TEMPLATE, template_id) else None
    if template is None:
        raise RequestError(404, "not_found", "The project has no such template.")
    return template


def _raced(call: Call) -> RequestError:
    return changed_since(_required(call).version)


def _deleted() -> RequestError:
    return RequestError(409, "template_deleted", "The template is deleted; restore it before you change it.")


def _checked(call: Call, template_id: str) -> Template:
    """The body as version 1 of a template."""
    request = call.body(TemplateRequest)
    kind = _kind(call, request.kind)
    values = template_values(kind, request.values, most_bytes=call.services.limits.bytes_per_item)
    now = call.services.clock.now()
    return Template(
        template_id=template_id,
        version=1,
        name=request.name,
        kind=kind.name,
        values=values,
        created_at=now,
        updated_at=now,
    )


def _kind(call: Call, name: str) -> Kind[Any, Any]:
    kinds = call.services.kinds()
    if name not in kinds:
        raise invalid([BadField("/kind", f"unknown; known are {', '.join(kinds)}")])
    return kinds[name]


def _etag(template: Template) -> str:
    return template_etag(template.template_id, template.version, deleted=template.deleted_at is not None)


def _shown(template: Template) -> Answer:
    return Answer(body=template_view(template), headers={"ETag": _etag(template)})
