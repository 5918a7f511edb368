"""The OpenAPI 3.1 document, made from the table of routes and pydantic's schemas."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from functions.api.routes import ROUTES
from functions.api.routing import Access, Header, Route
from functions.api.version import VERSION
from shared.contracts.problems import Problem
from shared.contracts.sign_in import Scope, SignIn
from shared.jobs.ids import JOB, PROJECT, TEMPLATE, ULID_PATTERN
from shared.store.projects import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from functions.api.routing import Reply

__all__ = ["document", "document_text", "problem_statuses"]

_NOWHERE: Final = SignIn("", "")
_REFERENCE: Final = "#/components/schemas/{model}"
_DESCRIPTION: Final = (
    "Bulk AI generation: submit a job of many items; every item gets exactly one outcome and every job ends. "
    "Errors are problem details (RFC 9457). Lists come in pages. See each operation for its headers."
)


def _id(prefix: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{prefix}{ULID_PATTERN}$"}


# What is shaped otherwise is no fault of form but a thing that does not exist: 404, as for an id of somebody else's.
_PATH: Final[Mapping[str, dict[str, Any]]] = {
    "project": _id(PROJECT),
    "job": _id(JOB),
    "template": _id(TEMPLATE),
    "position": {"type": "string", "pattern": "^[0-9]{1,6}$"},
    "version": {"type": "string", "pattern": "^[0-9]{1,6}$"},
    "user": {"type": "string"},
}

_REQUEST_ID: Final = "X-Request-Id"
_TOLD: Final[Mapping[str, str]] = {
    _REQUEST_ID: "The request's id, which leads to the log; every answer has it.",
    "RateLimit": "What is left of the limit that was reached, and for how many seconds that holds.",
    "RateLimit-Policy": "Which limit that is, and of how much.",
    "Retry-After": "Whole seconds; no sooner does it make sense to ask again.",
    "WWW-Authenticate": "What a token lacks (RFC 6750).",
}
_TOLD_WITH: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Retry-After",),
    429: ("RateLimit", "RateLimit-Policy", "Retry-After"),
    503: ("Retry-After",),
}
"""The headers that problems of a status may have."""


def document(routes: Sequence[Route] = ROUTES, sign_in: SignIn = _NOWHERE) -> dict[str, Any]:
    """The document of ``routes``; it tells how to sign in where that is known."""
    references, schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pressroom", "version": VERSION, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": {name: _header(Header(name=name, description=told)) for name, told in _TOLD.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
            | ({"oauth2": _flows(sign_in)} if sign_in.url else {}),
        },
    }


@cache
def document_text(sign_in: SignIn) -> str:
    """The document of the API as JSON."""
    return json.dumps(document(sign_in=sign_in), ensure_ascii=False)


def _flows(sign_in: SignIn) -> dict[str, Any]:
    """How people and machines get the tokens that ``bearer`` means."""
    scopes = {scope.value: scope.meaning for scope in Scope}
    return {
        "type": "oauth2",
        "description": "People: authorization code with PKCE. Machines: client credentials.",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": sign_in.authorization_url,
                "tokenUrl": sign_in.token_url,
                "refreshUrl": sign_in.token_url,
                "scopes": scopes,
            },
            "clientCredentials": {"tokenUrl": sign_in.token_url, "scopes": scopes},
        },
        "x-url": sign_in.url,
        "x-client-id": sign_in.client_id,
    }


def problem_statuses(route: Route) -> dict[int, str]:
    """Which problems a call of ``route`` may meet, and what they mean: most follow from its declaration."""
    met: dict[int, str] = {}
    if route.access is not Access.PUBLIC:
        met[401] = "No access token, or one that is none."
    if isinstance(route.access, Role):
        met[404] = "There is no such project, or the caller is not a member of it."
    if route.scope is not None:
        met[403] = f"The token lacks the scope {route.scope} (`insufficient_scope`)."
    if route.access in {Role.EDITOR, Role.OWNER}:
        met[403] += f" Or the caller is a member without the role {route.access} (`forbidden`)."
    if route.body is not None:
        met |= {413: "The body is too large.", 415: "The body is not JSON."}
    if route.body is not None or route.query is not None:
        met[422] = "Every bad field, by JSON pointer."
    if route.access is not Access.PUBLIC:
        met[503] = "The store did not answer; try again after Retry-After."
    met[500] = "A fault of ours; the request id leads to the log."
    return dict(sorted((met | dict(route.problems)).items()))


def _schemas(routes: Sequence[Route]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """A reference to each model, and all schemas by name. Requests as they are checked, answers as they are written."""
    read: list[type[BaseModel]] = [route.body for route in routes if route.body is not None]
    written = [reply.model for route in routes for reply in route.replies.values() if reply.model is not None]
    models: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in dict.fromkeys(read)]
    models += [(model, "serialization") for model in dict.fromkeys([*written, Problem])]
    references, schemas = models_json_schema(models, ref_template=_REFERENCE)
    return {model: dict(reference) for (model, _), reference in references.items()}, schemas["$defs"]


def _operation(route: Route, references: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": list(_parameters(route)),
        "responses": {
            **{str(status): _reply(reply, references) for status, reply in route.replies.items()},
            **{
                str(status): {
                    "description": f"{HTTPStatus(status).phrase}: {meaning}",
                    "headers": _told_with(status),
                    "content": {"application/problem+json": {"schema": references[Problem]}},
                }
                for status, meaning in problem_statuses(route).items()
            },
        },
        "security": [] if route.scope is None else [{"bearer": [route.scope.value]}],
    }
    if route.scope is not None:
        role = f", and the role {route.access} in the project" if isinstance(route.access, Role) else ""
        operation["description"] = f"Needs a token with the scope {route.scope}{role}."
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": references[route.body]}},
        }
    return operation


def _told_with(status: int) -> dict[str, Any]:
    names = (*_TOLD_WITH.get(status, ()), _REQUEST_ID)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in route.parameters:
        yield {"name": name, "in": "path", "required": True, "schema": _PATH[name]}
    if route.query is not None:
        schema = route.query.model_json_schema()
        definitions = schema.get("$defs", {})
        for name, field in schema["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": _inlined(field, definitions)}
    for header in route.headers:
        yield {**_header(header), "name": header.name, "in": "header", "required": header.required}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """``schema`` with its definitions in their places: a parameter has no room for them."""
    if isinstance(schema, list):
        return [_inlined(entry, definitions) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(entry, definitions) for name, entry in schema.items()}


def _header(header: Header) -> dict[str, Any]:
    schema = {"type": "string", **({"pattern": header.pattern} if header.pattern else {})}
    return {"description": header.description, "schema": schema}


def _reply(reply: Reply, references: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    schema = {} if reply.model is None else references[reply.model]
    named = {header.name: _header(header) for header in reply.headers}
    told: dict[str, Any] = {"description": reply.description, "headers": named | _told_with(HTTPStatus.OK)}
    if reply.content_types:
        told["content"] = {content_type: {"schema": schema} for content_type in reply.content_types}
    return told
