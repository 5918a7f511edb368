"""The API against the OpenAPI document that it serves: schemathesis makes the calls and holds the answers against it.

Its own command, with all checks on, talks over loopback to the gateway's check of tokens and the api behind it. New
routes come in by standing in the document. ``SCHEMATHESIS_EXAMPLES=200`` looks longer: ``make contract``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from functions.api.edge import Edge
from functions.api.routes import ROUTES
from pressroom.local.authorizer import Authorizer
from pressroom.local.gateway import Gateway
from pressroom.local.listener import Listener
from shared.errors import ErrorCode, item_error
from tests.support.front_desk import FrontDesk
from tests.support.lambda_context import FakeContext
from tests.support.tokens import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pressroom.local.listener import Request, Response
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle

TEMPLATE = {"name": "A tone", "kind": "outline", "values": {"tone": "friendly"}}
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "5"))
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")

# What a schema cannot say, a valid request can still get wrong, each operation its own. A missing If-Match is 428, as
# RFC 6585 has it, where the body is right; a wrong one is told first. Everything else is as the tool has it, but that
# no answer may be a 5xx.
CONFIG = """
[parameters]
"path.project" = "{project}"
"path.job" = "{job}"
"path.template" = "{template}"
"path.position" = "1"

[checks.positive_data_acceptance]
expected-statuses = {right}

[checks.missing_required_header]
expected-statuses = ["401", "422", "428"]
"""
_RIGHT = ["2xx", "3xx", "401", "403", "404", "409", "429"]
ALSO: list[tuple[str, list[str], list[str]]] = [
    (
        "a cursor is of one list, and opaque",
        ["listProjects", "listJobs", "listEvents", "listItems", "getResults", "listMembers", "listTemplates"],
        ["422"],
    ),
    ("a cursor, likewise", ["listTemplateVersions"], ["422"]),
    ("which kinds there are, and what one takes, is told by `GET /v1/kinds`", ["createJob", "createTemplate"], ["422"]),
    ("which characters are printable, and how many bytes a name has", ["putMember"], ["422"]),
    ("a job without a budget takes none", ["resumeJob", "retryJob"], ["422"]),
    ("a version is not what it was, and a kind takes its own values", ["updateTemplate", "putVoice"], ["412", "422"]),
    ("a version is not what it was", ["deleteTemplate", "restoreTemplate"], ["412"]),
]
"""What a valid request may meet besides: why, which operations, and the statuses."""


@pytest.fixture
def desk(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> FrontDesk:
    return FrontDesk(moto_table, moto_work_queue, clock=clock)


@contextmanager
def served(desk: FrontDesk, signer: Signer) -> Iterator[tuple[str, list[str]]]:
    """The API's address, and what is wrong with any answer that a check cannot see."""
    services, lock, wrong = desk.services(), threading.Lock(), list[str]()
    edge = Edge(ROUTES, lambda: services, desk.logger, desk.workshop.count)

    def invoke(event: Any, *, request_id: str, patience_seconds: float) -> Any:
        del request_id, patience_seconds
        with lock:  # moto is for one thread
            return edge.respond(event, FakeContext(milliseconds_left=1_000))

    authorizer = Authorizer(signer.key_set, issuer=signer.issuer, is_client=signer.is_client)
    gateway = Gateway(invoke, claims=authorizer.claims, token=str, claude_url=None, clock=desk.clock)

    def answer(request: Request) -> Response:
        response = gateway.answer(request)
        headers = {name.lower(): value for name, value in response.headers}
        if response.status >= 400 and headers.get("content-type") != "application/problem+json":
            wrong.append(f"{request.method} {request.path}: {response.status} {headers}")
        if "x-request-id" not in headers:
            wrong.append(f"{request.method} {request.path}: no X-Request-Id")
        return response

    listener = Listener(port=0)
    try:
        listener.start(answer)
        yield listener.url, wrong
    finally:
        listener.stop()
        listener.close()


def _exceptions() -> Iterator[str]:
    assert {name for _, operations, _ in ALSO for name in operations} <= {route.operation for route in ROUTES}
    for why, operations, statuses in ALSO:
        yield f"""
# {why}
[[operations]]
include-operation-id = {json.dumps(operations)}
checks.positive_data_acceptance.expected-statuses = {json.dumps([*_RIGHT, *statuses])}
"""


def _run(desk: FrontDesk, job: str, directory: Path, *which: str) -> None:
    signer = Signer()
    template = desk.client().post(f"/v1/projects/{desk.project}/templates", TEMPLATE)
    assert template.status == 201, template.text
    config = directory / "schemathesis.toml"
    names = {
        "right": json.dumps(_RIGHT),
        "project": desk.project,
        "job": job.rpartition("/")[2],
        "template": template.json["id"],
    }
    config.write_text(CONFIG.format(**names) + "".join(_exceptions()))
    with served(desk, signer) as (url, wrong):
        ran = subprocess.run(  # noqa: S603  the tool itself
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/v1/openapi.json",
                "--checks", "all", "--max-examples", str(EXAMPLES), "--seed", SEED, "--generation-deterministic",
                "--request-timeout", "60", "--no-color", "--continue-on-failure",
                "--header", f"Authorization: Bearer {signer.token()}", *which,
            ],
            capture_output=True, text=True, check=False, cwd=directory,
        )  # fmt: skip

    assert ran.returncode == 0, ran.stdout[-60_000:] + ran.stderr
    assert wrong == []


def test_schemathesis_finds_nothing_when_the_job_waits(desk: FrontDesk, tmp_path: Path) -> None:
    _run(desk, desk.job(2), tmp_path)


def test_schemathesis_finds_nothing_when_the_job_has_ended(desk: FrontDesk, tmp_path: Path) -> None:
    _run(
        desk,
        partly_failed(desk),
        tmp_path,
        "--exclude-operation-id",
        "deleteJob",
        "--exclude-operation-id",
        "deleteProject",
    )


@pytest.mark.parametrize("what", ["deleteJob", "deleteProject"])
def test_schemathesis_finds_nothing_when_it_deletes(desk: FrontDesk, tmp_path: Path, what: str) -> None:
    _run(desk, partly_failed(desk), tmp_path, "--include-operation-id", what)


def partly_failed(desk: FrontDesk) -> str:
    """A job that has results, an error to retry, and an end that was told."""
    desk.workshop.claude.errors[1].append(item_error(ErrorCode.REFUSED, "No."))
    job = desk.job(3)
    desk.finish(job)
    assert desk.client().get(job).json["status"] == "partially_failed"
    return job
