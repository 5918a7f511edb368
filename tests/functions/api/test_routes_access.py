"""Who gets through which door: every route, asked by everybody, through the gateway's check of the token.

The table here is written by hand. A new route fails the first test until somebody has said who may call it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from functions.api.edge import Edge
from functions.api.routes import ROUTES
from pressroom.local.authorizer import Authorizer
from pressroom.local.gateway import Gateway
from pressroom.local.listener import Request
from shared.jobs.ids import JOB, TEMPLATE, new_id
from tests.support.clock import START
from tests.support.lambda_context import FakeContext
from tests.support.tokens import Signer

if TYPE_CHECKING:
    from functions.api.routing import Route
    from tests.support.front_desk import FrontDesk

PUBLIC, SIGNED_IN, VIEWER, EDITOR, OWNER = range(5)
WHO_MAY: Final = {
    PUBLIC: {"health", "openapi", "docs"},
    SIGNED_IN: {"limits", "kinds", "createProject", "listProjects"},
    VIEWER: {
        "getProject",
        "getUsage",
        "listJobs",
        "getJob",
        "listItems",
        "getItem",
        "getResults",
        "listEvents",
        "getVoice",
        "listTemplates",
        "getTemplate",
        "listTemplateVersions",
        "getTemplateVersion",
    },
    EDITOR: {
        "createJob",
        "cancelJobs",
        "pauseJob",
        "resumeJob",
        "cancelJob",
        "retryJob",
        "processNext",
        "deleteJob",
        "putVoice",
        "createTemplate",
        "updateTemplate",
        "deleteTemplate",
        "restoreTemplate",
    },
    OWNER: {"listMembers", "getMember", "putMember", "removeMember", "deleteProject"},
}
LEAST: Final = {operation: rank for rank, operations in WHO_MAY.items() for operation in operations}

SIGNER: Final = Signer()
TOKENS: Final = {
    "nobody": None,
    "no token": "not-a-token",
    "expired": SIGNER.token(exp=1_000_000_000),
    "an id token": SIGNER.token(token_use="id"),
    "signed by another": SIGNER.token(key_id="key-2"),
    "of another pool": SIGNER.token(iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"),
    "of another client": SIGNER.token(client_id="client-2"),
}
RANK_OF: Final = {"mallory": SIGNED_IN, "victor": VIEWER, "erin": EDITOR, "alice": OWNER}
NO_PROJECT: Final = "There is no such project, or you are not a member of it."


@dataclass(frozen=True)
class Doors:
    """The API behind the gateway, over one world: ``mallory`` owns a project of her own."""

    desk: FrontDesk
    gateway: Gateway

    @classmethod
    def of(cls, desk: FrontDesk) -> Doors:
        desk.join("victor", "viewer")
        desk.join("erin", "editor")
        desk.client("mallory").post("/v1/projects", {"name": "Elsewhere"})
        services = desk.services()
        edge = Edge(ROUTES, lambda: services, desk.logger, desk.workshop.count)

        def invoke(event: Any, *, request_id: str, patience_seconds: float) -> Any:
            del request_id, patience_seconds
            return edge.respond(event, FakeContext())

        authorizer = Authorizer(SIGNER.key_set, issuer=SIGNER.issuer, is_client=SIGNER.is_client)
        return cls(desk, Gateway(invoke, claims=authorizer.claims, token=str, claude_url=None, clock=desk.clock))

    def knock(self, route: Route, token: str | None) -> str:
        """How a call of ``route`` ends that is bad in all else: a ghost job, and a body that is none."""
        path = route.path.format(
            project=self.desk.project,
            job=new_id(JOB, START),
            position=1,
            user="ghost",
            template=new_id(TEMPLATE, START),
            version=1,
        )
        headers = [("Content-Type", "application/json")]
        if token is not None:
            headers.append(("Authorization", f"Bearer {token}"))
        answer = self.gateway.answer(
            Request(route.method, path, "", tuple(headers), b'{"nonsense": 1}', "127.0.0.1", "HTTP/1.1", None)
        )
        if answer.status in {401, 403}:
            return str(answer.status)
        if answer.status == 404 and json.loads(answer.body)["detail"] == NO_PROJECT:
            return "404"
        return "in" if answer.status < 500 else f"broken: {answer.body!r}"

    def rows(self) -> list[str]:
        """Everything in the table."""
        items = self.desk.table.client.scan(TableName=self.desk.table.name, ConsistentRead=True)["Items"]
        return sorted(json.dumps(item, sort_keys=True, default=str) for item in items)


def expected(rank: int, least: int) -> str:
    if rank >= least:
        return "in"
    return "404" if rank == SIGNED_IN else "403"


def test_every_route_has_its_place_when_the_table_is_held_against_the_routes() -> None:
    assert {route.operation for route in ROUTES} == set(LEAST)


@pytest.mark.acceptance(40, 41)
def test_everybody_gets_through_their_own_doors_and_no_other_when_they_try_all(desk: FrontDesk) -> None:
    doors = Doors.of(desk)
    before = doors.rows()
    (last,) = (route for route in ROUTES if route.operation == "deleteProject")

    for name, token in TOKENS.items():
        found = {route.operation: doors.knock(route, token) for route in ROUTES}
        assert found == {each: "in" if least == PUBLIC else "401" for each, least in LEAST.items()}, name
    for user, rank in RANK_OF.items():
        token = SIGNER.token(username=user)
        found = {route.operation: doors.knock(route, token) for route in ROUTES if rank < OWNER or route != last}
        assert found == {each: expected(rank, least) for each, least in LEAST.items() if each in found}, user
    assert doors.rows() == before

    owner = SIGNER.token(username="alice")
    assert [doors.knock(last, owner) for _ in range(2)] == ["in", "404"]
