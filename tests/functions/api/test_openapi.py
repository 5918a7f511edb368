"""The document that the API serves, held against the table of routes and against what OpenAPI asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.api.openapi import document, problem_statuses
from functions.api.routes import ROUTES
from functions.api.routing import Access
from functions.api.version import VERSION
from shared.contracts.sign_in import Scope
from shared.jobs.ids import JOB, PROJECT, TEMPLATE, new_id
from tests.support.clock import START
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from functions.api.routing import Route
    from tests.support.front_desk import FrontDesk

DOCUMENT = document()
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for entry in value.values():
            yield from references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from references(entry)


def test_the_document_is_served_to_everybody(desk: FrontDesk) -> None:
    answer = desk.client(None).get("/v1/openapi.json")

    assert answer.status == 200
    assert answer.json == DOCUMENT
    assert (DOCUMENT["openapi"], DOCUMENT["info"]["version"]) == ("3.1.0", VERSION)


def test_the_document_tells_where_people_and_machines_sign_in_when_the_api_knows(desk: FrontDesk) -> None:
    desk.settings = {"sign_in_url": "https://pool.example", "sign_in_client_id": "client-1"}

    told = desk.client(None).get("/v1/openapi.json").json["components"]["securitySchemes"]["oauth2"]

    assert told["x-client-id"] == "client-1"
    assert set(told["flows"]) == {"authorizationCode", "clientCredentials"}
    assert told["flows"]["authorizationCode"]["authorizationUrl"] == "https://pool.example/oauth2/authorize"
    for flow in told["flows"].values():
        assert flow["tokenUrl"] == "https://pool.example/oauth2/token"
        assert set(flow["scopes"]) == set(Scope)


def test_every_route_stands_in_the_document_and_nothing_else() -> None:
    assert {(method.upper(), path) for path, method, _ in OPERATIONS} == {(r.method, r.path) for r in ROUTES}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_reference_leads_to_a_part_of_the_document() -> None:
    parts = {f"#/components/{part}/{name}" for part, named in DOCUMENT["components"].items() for name in named}

    assert parts >= set(references(DOCUMENT))
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_an_operation_says_what_its_route_declares(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    parameters = operation["parameters"]

    assert re.findall(r"\{(\w+)\}", route.path) == [p["name"] for p in parameters if p["in"] == "path"]
    assert all(p["required"] and "schema" in p for p in parameters if p["in"] == "path")
    query = set() if route.query is None else set(route.query.model_fields)
    assert {p["name"] for p in parameters if p["in"] == "query"} == query
    assert {p["name"] for p in parameters if p["in"] == "header"} == {header.name for header in route.headers}
    assert {int(status) for status in operation["responses"]} == {*route.replies, *problem_statuses(route)}
    assert all(response["description"] for response in operation["responses"].values())
    assert ("requestBody" in operation) == (route.body is not None)
    assert operation["security"] == ([] if route.access is Access.PUBLIC else [{"bearer": [route.scope]}])


def test_the_headers_of_every_answer_and_of_problems_are_told() -> None:
    told = {
        (status, name)
        for _, _, operation in OPERATIONS
        for status, response in operation["responses"].items()
        for name in response["headers"]
    }

    assert {status for status, _ in told} == {status for status, name in told if name == "X-Request-Id"}
    assert {("429", name) for name in ("RateLimit", "RateLimit-Policy", "Retry-After")} <= told
    assert {("401", "WWW-Authenticate"), ("403", "WWW-Authenticate"), ("503", "Retry-After")} <= told


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("JobView", {"id", "status", "counts", "progress", "usage", "error_summary", "not_retried", "version"}),
        ("ItemView", {"position", "custom_id", "status", "input", "error", "attempts", "usage", "model"}),
        ("ErrorView", {"code", "class", "retryable", "http_status", "message", "claude_request_id"}),
        ("Problem", {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable", "errors"}),
        ("OptionsRequest", {"concurrency", "drive", "on_error", "on_duplicate", "max_attempts", "budget_usd", "model"}),
    ],
)
def test_a_schema_has_the_members_of_the_contract(name: str, members: set[str]) -> None:
    assert set(DOCUMENT["components"]["schemas"][name]["properties"]) >= members


def test_answers_have_the_members_that_the_document_requires(desk: FrontDesk) -> None:
    created = desk.client().post(desk.jobs, body_of(2))
    job = created.headers["location"]
    answers = {
        "CreatedJobView": created,
        "JobView": desk.client().get(job),
        "JobsPage": desk.client().get(desk.jobs),
        "ItemsPage": desk.client().get(f"{job}/items"),
        "SingleItemView": desk.client().get(f"{job}/items/1"),
        "ProcessNextView": desk.client().post(f"{job}/process-next", {"wait_seconds": 0}),
        "ProjectsPage": desk.client().get("/v1/projects"),
        "TemplateView": desk.client().post(
            f"/v1/projects/{desk.project}/templates", {"name": "Style", "kind": "outline", "values": {}}
        ),
        "TemplatesPage": desk.client().get(f"/v1/projects/{desk.project}/templates"),
        "VoiceView": desk.client().get(f"/v1/projects/{desk.project}/voice"),
        "MembersPage": desk.client().get(f"/v1/projects/{desk.project}/members"),
        "MemberView": desk.client().get(f"/v1/projects/{desk.project}/members/alice"),
        "LimitsView": desk.client().get("/v1/limits"),
        "KindsView": desk.client().get("/v1/kinds"),
        "DryRunView": desk.client().post(desk.jobs, body_of(2), query={"dry_run": "true"}),
    }

    for name, answer in answers.items():
        assert set(answer.json) == set(DOCUMENT["components"]["schemas"][name]["properties"]), name


def test_the_page_shows_every_operation_and_loads_nothing(desk: FrontDesk) -> None:
    answer = desk.client(None).get("/docs")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(f'id="{route.operation}"' in answer.text for route in ROUTES)
    assert "<script" not in answer.text
    assert re.findall(r'(?:src|href)="(?!#|/v1/openapi\.json)', answer.text) == []


def test_the_version_is_the_packages() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()

    assert f'\nversion = "{VERSION}"\n' in project


@pytest.mark.acceptance(7)
def test_the_limits_in_force_are_told(desk: FrontDesk) -> None:
    desk.settings = {"max_items_per_job": 50, "bytes_per_item": 2_000, "concurrency_max": 4}

    told = desk.client().get("/v1/limits").json

    assert told["items_per_job"] == {"min": 1, "max": 50}
    assert (told["bytes_per_item"], told["bytes_per_request"], told["concurrency_max"]) == (2_000, 4_194_304, 4)
    assert (told["jobs_per_hour"], told["active_jobs"], told["bulk_cancel_max"]) == (60, 20, 100)
    assert told["max_attempts"] == {"min": 1, "max": 5}
    assert told["item_timeout_seconds"] == {"min": 5, "max": 600}


@pytest.mark.acceptance(1)
def test_every_kind_is_told_with_a_sample_that_runs(desk: FrontDesk) -> None:
    kinds = desk.client().get("/v1/kinds").json["items"]

    assert {kind["name"] for kind in kinds} >= {"outline", "article"}
    for kind in kinds:
        assert set(kind) == {"name", "title", "input_schema", "output_schema", "sample"}
        body = {"kind": kind["name"], "items": [{"input": kind["sample"]}]}
        assert desk.client().post(desk.jobs, body).status == 202


def test_ids_of_the_service_are_what_the_document_says_a_path_holds() -> None:
    known = {"project": new_id(PROJECT, START), "job": new_id(JOB, START), "template": new_id(TEMPLATE, START)}
    known |= {"position": "10000", "version": "1"}
    seen = set()
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and "pattern" in parameter["schema"]:
                    seen.add(parameter["name"])
                    assert re.search(parameter["schema"]["pattern"], known[parameter["name"]])
                    assert not re.search(parameter["schema"]["pattern"], f"{known[parameter['name']]}x")
    assert seen == set(known)
