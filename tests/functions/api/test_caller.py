"""Whom the api believes to be calling, and what their token is good for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from functions.api.routes import ROUTES
from functions.api.routing import Access
from shared.contracts.sign_in import API_SIGN_IN, Scope
from tests.support.front_desk import body_of
from tests.support.http_events import access_claims, http_event, machine_claims

if TYPE_CHECKING:
    from functions.api.routing import Route
    from tests.support.front_desk import FrontDesk

PRIVATE = [route for route in ROUTES if route.access is not Access.PUBLIC]
CLAIMS = access_claims("alice")


def path_of(desk: FrontDesk, route: Route) -> str:
    """A path of the route; what it names need not exist, beside the project."""
    named = dict.fromkeys(route.parameters, "1") | {"project": desk.project, "job": "job_01JDA4Y3C0D1E2F3G4H5J6K7M8"}
    return route.path.format(**named)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {**CLAIMS, "token_use": "id"},
        {name: value for name, value in CLAIMS.items() if name != "token_use"},
        {"token_use": "access"},
        {**CLAIMS, "username": "", "client_id": ""},
        {**CLAIMS, "username": "client:3n4b5urk1ft4fl3mg5e62d9ado"},
        {**CLAIMS, "username": "a" * 257},
        {**CLAIMS, "username": "a\nb"},
    ],
)
def test_a_token_that_is_no_access_token_of_a_caller_answers_401(desk: FrontDesk, claims: dict[str, str]) -> None:
    assert desk.client().get("/v1/kinds", claims=claims).status == 401


def test_an_authorizer_without_claims_answers_401(desk: FrontDesk) -> None:
    event = http_event("GET", "/v1/kinds")
    for authorizer in (None, {}, {"jwt": None}, {"jwt": {"claims": None}}):
        event["requestContext"]["authorizer"] = authorizer
        assert desk.client().send(event).status == 401


@pytest.mark.acceptance(41)
def test_headers_and_bodies_name_no_caller_when_they_claim_to(desk: FrontDesk) -> None:
    claimed = {"username": "alice", "sub": "sub-of-alice", "scope": API_SIGN_IN, "token_use": "access"}
    headers = {"x-user": "alice", "x-amzn-oidc-identity": "alice", "x-forwarded-user": "alice"}
    headers |= {"authorization": "Bearer e30.e30.e30", "x-amzn-request-context": json.dumps(claimed)}

    nobody = desk.client(None).post("/v1/projects", {"name": "Mine"}, headers=headers)
    mallory = desk.client("mallory").get(f"/v1/projects/{desk.project}", headers=headers, query={"username": "alice"})

    assert (nobody.status, mallory.status) == (401, 404)


def test_a_machine_is_a_caller_of_its_own_when_its_token_has_no_user(desk: FrontDesk) -> None:
    machine = machine_claims(*Scope)
    client = desk.client()

    project = client.post("/v1/projects", {"name": "Nightly"}, claims=machine).json["id"]

    assert client.get(f"/v1/projects/{project}", claims=machine).json["role"] == "owner"
    assert client.get(f"/v1/projects/{project}").status == 404


def test_every_private_route_answers_403_before_all_else_when_the_token_lacks_its_scope(desk: FrontDesk) -> None:
    plain = {"content-type": "text/plain"}
    for route in PRIVATE:
        others = machine_claims(*(scope for scope in Scope if scope != route.scope))

        answer = desk.client().call(route.method, path_of(desk, route), body="\0", headers=plain, claims=others)

        assert (answer.status, answer.json["code"]) == (403, "insufficient_scope"), route.operation
        assert answer.json["scope"] == route.scope
        assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{route.scope}"'


def test_every_private_route_asks_a_machine_for_one_scope_only(desk: FrontDesk) -> None:
    for route in PRIVATE:
        assert route.scope is not None

        answer = desk.client().call(route.method, path_of(desk, route), {}, claims=machine_claims(route.scope))

        # Past the door of the token: where the route is of a project, the machine is no member of it.
        assert answer.status not in {401, 403}, route.operation


@pytest.mark.acceptance(40)
def test_nothing_is_written_when_a_token_may_only_read(desk: FrontDesk) -> None:
    reader = machine_claims(Scope.READ)
    desk.join(f"client:{reader['client_id']}", "owner")
    before = desk.store().client.scan(TableName=desk.table.name)["Count"]
    writing = [route for route in PRIVATE if route.method != "GET"]

    answers = [desk.client().call(r.method, path_of(desk, r), body_of(), claims=reader).status for r in writing]

    assert answers == [403] * len(writing)
    assert desk.store().client.scan(TableName=desk.table.name)["Count"] == before
    assert desk.client().get(desk.jobs, claims=reader).status == 200


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (access_claims("alice"), 200),
        ({**CLAIMS, "scope": "openid pressroom/jobs.read"}, 200),
        ({**CLAIMS, "scope": "openid pressroom/jobs.write"}, 403),
        ({**CLAIMS, "scope": ""}, 403),
        ({name: value for name, value in CLAIMS.items() if name != "scope"}, 403),
        ({**CLAIMS, "scope": "pressroom/jobs.reader jobs.read other/jobs.read"}, 403),
        (machine_claims(API_SIGN_IN), 403),
    ],
)
def test_a_token_reads_as_far_as_its_scope_goes(desk: FrontDesk, claims: dict[str, str], status: int) -> None:
    assert desk.client().get("/v1/kinds", claims=claims).status == status


def test_scopes_follow_from_what_the_routes_declare() -> None:
    by_operation = {route.operation: route.scope for route in ROUTES}

    assert by_operation["health"] is None
    assert by_operation["getResults"] is Scope.READ
    assert by_operation["processNext"] is by_operation["cancelJobs"] is Scope.WRITE
    assert by_operation["createProject"] is Scope.MANAGE
    assert all(route.scope in {Scope.WRITE, Scope.MANAGE} for route in PRIVATE if route.method != "GET")
