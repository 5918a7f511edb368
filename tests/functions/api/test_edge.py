from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.api.edge import Edge
from functions.api.openapi import problem_statuses
from functions.api.routes import ROUTES
from functions.api.routing import Access, Answer, Reply, Route, UndeclaredAccessError
from shared.errors import ErrorCode, StoreUnavailableError, item_error
from shared.jobs.ids import PROJECT, new_id
from shared.store.projects import Role
from tests.support.clock import START
from tests.support.front_desk import body_of
from tests.support.http_events import REQUEST_ID, access_claims, http_event

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk

PRIVATE = [route for route in ROUTES if route.access is not Access.PUBLIC]
OF_A_PROJECT = [route for route in ROUTES if isinstance(route.access, Role)]
NOT_FOR_VIEWERS = [route for route in OF_A_PROJECT if route.access is not Role.VIEWER]
WITH_BODY = [route for route in ROUTES if route.body is not None]
WITH_QUERY = [route for route in ROUTES if route.query is not None]


def operation(route: Route) -> str:
    return route.operation


def path_of(desk: FrontDesk, route: Route, job: str = "job_01JDA4Y3C0D1E2F3G4H5J6K7M8") -> str:
    return address(route, desk.project, job)


def address(route: Route, project: str, job: str, template: str = "tpl_01JDA4Y3C0D1E2F3G4H5J6K7M8") -> str:
    return route.path.format(project=project, job=job, position=1, user="bob", template=template, version=1)


def prepare(desk: FrontDesk, route: Route, job: str) -> None:
    """Bring ``job`` to where the route may be called."""
    if route.operation == "resumeJob":
        desk.client().post(f"{job}/pause")
    if route.operation == "deleteProject":
        desk.client().post(f"{job}/cancel")
        desk.workshop.finalizer().close(desk.ledger(job))
    if route.operation == "deleteJob":
        desk.finish(job)
    if route.operation == "retryJob":
        desk.workshop.claude.errors[1].append(item_error(ErrorCode.REFUSED, "No."))
        desk.finish(job)


@pytest.mark.parametrize("route", PRIVATE, ids=operation)
def test_every_private_route_answers_401_when_there_is_no_token(desk: FrontDesk, route: Route) -> None:
    answer = desk.client(None).call(route.method, path_of(desk, route), {})

    assert answer.status == 401
    assert answer.json["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", OF_A_PROJECT, ids=operation)
def test_every_project_route_answers_the_same_404_when_the_project_is_foreign_missing_or_malformed(
    desk: FrontDesk, route: Route
) -> None:
    stranger = desk.client("mallory")
    missing = new_id(PROJECT, START)
    answers = []
    for project in (desk.project, missing, "prj_1", "nonsense", "prj_" + "\u00e9" * 26):
        path = address(route, project, "job_01JDA4Y3C0D1E2F3G4H5J6K7M8")
        answers.append(stranger.call(route.method, path, body="\0", headers={"content-type": "text/plain"}))

    bodies = [{name: value for name, value in answer.json.items() if name != "instance"} for answer in answers]
    assert [answer.status for answer in answers] == [404] * 5
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize("route", NOT_FOR_VIEWERS, ids=operation)
def test_every_writing_route_answers_403_before_it_looks_at_the_body_when_the_caller_only_views(
    desk: FrontDesk, route: Route
) -> None:
    desk.join("victor", "viewer")

    answer = desk.client("victor").call(
        route.method, path_of(desk, route), body="x", headers={"content-type": "text/plain"}
    )

    assert answer.status == 403
    assert answer.json["code"] == "forbidden"


@pytest.mark.acceptance(40)
@pytest.mark.parametrize("route", OF_A_PROJECT, ids=operation)
def test_the_role_is_read_consistently_when_the_route_changes_something(
    desk: FrontDesk, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stranger's call reads nothing but the membership.
    reads: list[bool] = []
    get_item = desk.dynamodb.get_item

    def spied(**request: Any) -> Any:
        reads.append(request["ConsistentRead"])
        return get_item(**request)

    monkeypatch.setattr(desk.dynamodb, "get_item", spied)

    answer = desk.client("mallory").call(route.method, path_of(desk, route))

    assert answer.status == 404
    is_plain_read = route.method == "GET" and route.access is not Role.OWNER
    assert reads == ([False, True] if is_plain_read else [True])


@pytest.mark.parametrize("route", OF_A_PROJECT, ids=operation)
def test_a_member_with_the_role_gets_past_the_door(desk: FrontDesk, route: Route) -> None:
    desk.join("erin", route.access.value)
    desk.join("bob", "editor")
    job = desk.job().rpartition("/")[2]
    style = {"name": "Style", "kind": "outline", "values": {}}
    template = desk.client().post(f"/v1/projects/{desk.project}/templates", style).json["id"]
    bodies = {"createJob": body_of(), "cancelJobs": {"job_ids": [job]}, "putMember": {"role": "viewer"}}
    bodies |= {"putVoice": {"values": {}}, "createTemplate": style, "updateTemplate": style}
    prepare(desk, route, f"{desk.jobs}/{job}")

    answer = desk.client("erin").call(
        route.method,
        address(route, desk.project, job, template),
        bodies.get(route.operation),
        headers={"If-Match": "*"},
    )

    assert answer.status in route.replies


@pytest.mark.parametrize("route", WITH_BODY, ids=operation)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/plain"}, "{}"),
        ({"content-type": "multipart/form-data"}, "{}"),
        ({"content-type": "application/json; charset=latin-1"}, "{}"),
        ({"content-type": "application/json,application/json"}, "{}"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, "{}"),
    ],
)
def test_every_route_with_a_body_answers_415_when_it_is_no_plain_json(
    desk: FrontDesk, route: Route, headers: dict[str, str], body: str
) -> None:
    answer = desk.client().call(route.method, path_of(desk, route), body=body, headers=headers)

    assert answer.status == 415
    assert answer.json["code"] == "unsupported_media_type"


@pytest.mark.acceptance(7)
@pytest.mark.parametrize("route", WITH_BODY, ids=operation)
@pytest.mark.parametrize("encoded", [False, True])
def test_every_route_with_a_body_answers_413_when_it_is_larger_than_the_limit(
    desk: FrontDesk, route: Route, encoded: bool
) -> None:
    desk.settings = {"bytes_per_request": 1_000}
    body = json.dumps({"name": "n" * 1_000})
    if encoded:
        body = base64.b64encode(body.encode()).decode()

    answer = desk.client().call(route.method, path_of(desk, route), body=body, base64_encoded=encoded)

    assert answer.status == 413
    assert answer.json["bytes_per_request"] == 1_000


@pytest.mark.acceptance(8)
@pytest.mark.parametrize("route", WITH_BODY, ids=operation)
def test_every_route_with_a_body_answers_422_when_a_field_is_unknown(desk: FrontDesk, route: Route) -> None:
    answer = desk.client().call(route.method, path_of(desk, route), {"colour": "red"})

    assert answer.status == 422
    assert answer.pointers["/colour"] == "this field is unknown"


@pytest.mark.parametrize("route", WITH_QUERY, ids=operation)
def test_every_route_with_a_query_answers_422_when_a_parameter_is_bad(desk: FrontDesk, route: Route) -> None:
    query = dict.fromkeys(["limit", "wait_seconds", "dry_run", "format", "deleted"], "nonsense")

    answer = desk.client().call(route.method, path_of(desk, route), body_of(), query=query)

    assert answer.status == 422
    assert all(pointer.startswith("/query/") for pointer in answer.pointers)


@pytest.mark.parametrize("route", [r for r in PRIVATE if r.operation not in {"limits", "kinds"}], ids=operation)
def test_every_route_answers_503_when_the_store_is_unavailable(
    desk: FrontDesk, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("throttled")

    for method in ("get", "transact", "query", "update", "get_many"):
        monkeypatch.setattr(f"shared.store.dynamodb.DynamoTable.{method}", unavailable)
    style: dict[str, Any] = {"name": "Style", "kind": "outline", "values": {}}
    bodies = {
        "createProject": {"name": "Blog"},
        "putMember": {"role": "viewer"},
        "putVoice": {"values": {}},
        "createTemplate": style,
        "updateTemplate": style,
    }
    body = bodies.get(route.operation, body_of())

    answer = desk.client().call(route.method, path_of(desk, route), body)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["retryable"] is True


@pytest.mark.parametrize("route", ROUTES, ids=operation)
def test_every_documented_problem_is_one_that_a_test_here_shows(route: Route) -> None:
    shown = {500}
    shown |= {401, 403, 503} if route in PRIVATE else set()  # 403 of the scope: test_caller.py
    shown |= {404} if route in OF_A_PROJECT else set()
    shown |= {413, 415, 422} if route in WITH_BODY else set()
    shown |= {422} if route in WITH_QUERY else set()
    steering = {"pauseJob", "resumeJob", "cancelJob", "retryJob", "deleteJob", "deleteProject"}
    membership = {"putMember", "removeMember"}
    # In their own tests:
    changing = {"createJob", "processNext", "createTemplate", "updateTemplate"}
    shown |= {409} if route.operation in {*changing, *steering, *membership} else set()
    shown |= {412, 428} if route.operation in {"putVoice", "updateTemplate", "deleteTemplate"} else set()
    shown |= {429} if route.operation in {"createJob", "retryJob"} else set()

    assert set(problem_statuses(route)) == shown


def test_a_fault_of_ours_answers_500_without_a_word_of_it_when_a_route_raises(
    desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("shared.store.dynamodb.DynamoTable.get", broken)

    answer = desk.client().get(desk.jobs)

    assert answer.status == 500
    assert answer.json["code"] == "internal_error"
    assert answer.json["request_id"] == REQUEST_ID == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": {"http": {}}, "rawPath": "/docs"}])
def test_an_event_that_is_none_answers_500_when_the_gateway_sends_nonsense(
    desk: FrontDesk, event: dict[str, Any]
) -> None:
    assert desk.client().send(event).status == 500


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v2/health"),
        ("GET", "/v1/health/"),
        ("GET", "/v1/projects/p/nothing"),
    ],
)
def test_an_unknown_route_answers_a_404_problem(desk: FrontDesk, method: str, path: str) -> None:
    answer = desk.client().call(method, path)

    assert answer.status == 404
    assert answer.json["detail"] == "There is no such route."
    assert answer.json["instance"] == path


def test_a_known_route_answers_405_with_what_it_takes_when_the_method_is_another(desk: FrontDesk) -> None:
    told = {
        ("DELETE", "/v1/health"): "GET",
        ("POST", "/v1/kinds"): "GET",
        ("TRACE", "/v1/projects"): "GET, POST",
        ("GET", f"{desk.jobs}/job_1/pause"): "POST",
        # No job can be called so: the path is the bulk cancel's with any method.
        ("GET", f"{desk.jobs}/cancel"): "POST",
        ("DELETE", f"{desk.jobs}/cancel"): "POST",
    }

    for (method, path), allowed in told.items():
        answer = desk.client().call(method, path)

        assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/v1/health", "/v1/limits", "/nowhere", "/v1/projects/x"])
def test_every_answer_carries_the_request_id_and_is_not_stored(desk: FrontDesk, path: str) -> None:
    answer = desk.client().get(path)

    assert answer.headers["x-request-id"] == REQUEST_ID
    assert answer.headers["cache-control"] == "no-store"


def test_a_large_answer_travels_as_base64_so_that_quotes_cannot_double_it(desk: FrontDesk) -> None:
    route = Route(
        method="GET",
        path="/large",
        operation="large",
        summary="",
        access=Access.PUBLIC,
        run=lambda _: Answer(body=json.dumps({"text": '"' * 600_000})),
        replies={200: Reply(description="")},
    )
    services = desk.services()

    response = Edge([route], lambda: services, desk.logger, None).respond(http_event("GET", "/large"), None)  # type: ignore[arg-type]  # neither is used

    assert response["isBase64Encoded"] is True


def test_a_route_of_a_project_cannot_be_declared_without_a_role() -> None:
    parts: dict[str, Any] = {
        "method": "GET",
        "operation": "o",
        "summary": "",
        "run": lambda _: Answer(),
        "replies": {},
    }

    wrong: list[tuple[str, Any]] = [("/{project}", Access.SIGNED_IN), ("/x", Role.OWNER), ("/x", None)]
    for path, access in wrong:
        with pytest.raises(UndeclaredAccessError):
            Route(path=path, access=access, **parts)
    with pytest.raises(TypeError, match="access"):
        Route(path="/x", **parts)


def test_header_names_are_read_in_any_case(desk: FrontDesk) -> None:
    event = http_event("POST", "/v1/projects", claims=access_claims("alice"), body="{}")
    event["headers"] = {"Content-Type": "text/plain"}

    assert desk.client().send(event).status == 415


def test_a_body_without_a_content_type_is_taken_for_json(desk: FrontDesk) -> None:
    assert desk.client().post("/v1/projects", body='{"name": "Blog"}').status == 201
