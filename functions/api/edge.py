"""Between the gateway and the routes: an event becomes a checked call, an answer becomes a response.

The order of the checks is the contract's: 401, scope 403, membership 404, role 403, 415 and 413, then the route's own
422 and 409. So a stranger learns nothing about a project from how a request is refused: the scope's 403 depends on the
token and the route alone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler.api_gateway import APIGatewayHttpResolver, Response
from pydantic import BaseModel

from functions.api.bodies import read_body
from functions.api.caller import caller_of
from functions.api.problems import EXPECTED, fault, no_method, no_project, no_route, problem_of
from functions.api.routing import Answer, Call, Route
from functions.api.validating import invalid
from shared.errors import BadField, RequestError
from shared.jobs.ids import PROJECT, is_id
from shared.store.projects import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from functions.api.services import Services
    from shared.contracts.sign_in import Scope

__all__ = ["Edge"]

_RANK: Final = {Role.VIEWER: 0, Role.EDITOR: 1, Role.OWNER: 2}
_BASE64_FROM: Final = 512 * 1024
"""Larger bodies travel as base64: as JSON text, quotes and line feeds could double one beyond Lambda's 6 MB."""


@dataclass(frozen=True)
class Edge:
    """The API over a table of routes. ``services`` makes them at the first request; ``meter`` counts what happens."""

    routes: Sequence[Route]
    services: Callable[[], Services]
    logger: Logger
    meter: Callable[[str, int], None]
    _resolver: APIGatewayHttpResolver = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Powertools matches paths, and only that: its validation would run before our checks.
        resolver = APIGatewayHttpResolver()
        for route in self.routes:
            resolver.route(rule=route.rule, method=route.method)(self._served(route))
        resolver.not_found(self._unrouted)
        object.__setattr__(self, "_resolver", resolver)

    def respond(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """The response to one event; never raises."""
        self.logger.set_correlation_id(_request_id(event))
        try:
            response: dict[str, Any] = self._resolver.resolve(dict(event), context)
        except Exception:
            # The outermost edge: the log gets the stack, the caller gets the request's id, which leads to it.
            self.logger.exception("a request met a fault of ours", code="internal_error", **_names(event))
            self._count({"Faults": 1})
            refusal = _refusal(fault(), event)
            response = {
                "statusCode": refusal.status_code,
                "body": refusal.body,
                "isBase64Encoded": False,
                "headers": refusal.headers,
                "cookies": [],
            }
        self.logger.info("answered", extra={**_names(event), "status": response["statusCode"]})
        return _portable(response)

    def _served(self, route: Route) -> Callable[..., Response[Any]]:
        # ``…/jobs/cancel`` is the path of a bulk cancel with any method, never of a job that is called so.
        named = [other.pattern for other in self.routes if other.is_named_within(route)]

        def serve(**path: str) -> Response[Any]:
            event = self._resolver.current_event.raw_event
            if any(pattern.fullmatch(str(event.get("rawPath", ""))) for pattern in named):
                return self._unrouted()
            try:
                answer = route.run(self._call(route, event, path))
            except EXPECTED as error:
                return _refusal(error, event)
            self._count(answer.counts)
            return _response(answer, event)

        return serve

    def _count(self, counts: Mapping[str, int]) -> None:
        for name, value in counts.items():
            self.meter(name, value)

    def _unrouted(self, _: Exception | None = None) -> Response[Any]:
        event = self._resolver.current_event.raw_event
        path, method = str(event.get("rawPath", "")), event["requestContext"]["http"]["method"]
        found = [(route, match) for route in self.routes if (match := route.pattern.fullmatch(path))]
        most_concrete = min((len(route.parameters) for route, _ in found), default=0)
        meant = {route.method: (route, match) for route, match in found if len(route.parameters) == most_concrete}
        if method in meant:
            # A parameter has characters that the resolver takes for none of its own, as a name may: `#`, an emoji.
            route, match = meant[method]
            return self._served(route)(**match.groupdict())
        return _refusal(no_method(method, sorted(meant)) if meant else no_route(), event)

    def _call(self, route: Route, event: Mapping[str, Any], path: Mapping[str, str]) -> Call:
        """The call, checked in the contract's order."""
        services = self.services()
        caller = "" if route.scope is None else _entitled(event, route.scope)
        role = self._role(services, caller, route, route.access, path) if isinstance(route.access, Role) else None
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        body = None
        if route.body is not None:
            body = read_body(event, headers, max_bytes=services.limits.bytes_per_request)
            if body is None and route.body_required:
                raise invalid([BadField("", "a body is required")])
        context = self._resolver.lambda_context
        return Call(
            services=services,
            caller=caller,
            role=role,
            path=path,
            raw_query=event.get("queryStringParameters") or {},
            json=body or {},
            headers=headers,
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        )

    @staticmethod
    def _role(services: Services, caller: str, route: Route, least: Role, path: Mapping[str, str]) -> Role:
        project_id, role = path["project"], None
        if is_id(PROJECT, project_id):
            role = services.projects.role_of(project_id, caller, latest=route.needs_latest_role)
        if role is None:
            raise no_project()
        if _RANK[role] < _RANK[least]:
            raise RequestError(403, "forbidden", f"That needs the role {least}; yours is {role}.")
        return role


def _entitled(event: Mapping[str, Any], scope: Scope) -> str:
    """The caller's name, if the token may be used for ``scope``."""
    caller = caller_of(event)
    caller.require(scope)
    return caller.name


def _request_id(event: Mapping[str, Any]) -> str:
    return str((event.get("requestContext") or {}).get("requestId", ""))


def _names(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a request is about, by the names that all functions' logs have in common."""
    path = str(event.get("rawPath", ""))
    parts = path.split("/")
    named = pairwise(parts)
    places = {"projects": "project", "jobs": "job", "items": "position"}
    return {"route": path} | {places[before]: value for before, value in named if before in places and value}


def _refusal(error: Any, event: Mapping[str, Any]) -> Response[Any]:  # noqa: ANN401  one of EXPECTED
    answer = problem_of(error, request_id=_request_id(event), instance=str(event.get("rawPath", "")))
    return _response(answer, event)


def _response(answer: Answer, event: Mapping[str, Any]) -> Response[Any]:
    body = answer.body.model_dump_json() if isinstance(answer.body, BaseModel) else answer.body
    return Response(
        status_code=answer.status,
        content_type=answer.content_type if body is not None else None,
        body="" if body is None else body,
        headers={"X-Request-Id": _request_id(event), "Cache-Control": "no-store", **answer.headers},
    )


def _portable(response: dict[str, Any]) -> dict[str, Any]:
    """The response as it may leave Lambda."""
    body: str = response["body"]
    if response["isBase64Encoded"] or len(body) < _BASE64_FROM:
        return response
    return response | {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
