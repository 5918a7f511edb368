"""The API against the OpenAPI document that it serves: schemathesis makes the calls and holds the answers against it.

Its own command, with all checks on, talks over loopback to the gateway's check of tokens and the api behind it. New
routes come in by standing in the document. ``SCHEMATHESIS_EXAMPLES=200`` looks longer: ``make contract``.
"""

from __future__ import annotations

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
from tests.support.front_desk import FrontDesk
from tests.support.lambda_context import FakeContext
from tests.support.tokens import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pressroom.local.listener import Request, Response
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")

# What a schema cannot say, a valid request can still get wrong: whose cursor it is, which kinds there are, what a
# job's budget is (422), which version something has by now (412). A missing If-Match is 428, as RFC 6585 has it, where
# the body is right; a wrong one is told first. Everything else is as the tool has it.
CONFIG = """
[parameters]
"path.project" = "{project}"
"path.job" = "{job}"
"path.position" = "1"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]

[checks.missing_required_header]
expected-statuses = ["401", "422", "428"]
"""


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


def test_schemathesis_finds_nothing_when_it_holds_the_api_against_its_document(desk: FrontDesk, tmp_path: Path) -> None:
    signer = Signer()
    job = desk.job(2).rpartition("/")[2]
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(project=desk.project, job=job))
    with served(desk, signer) as (url, wrong):
        ran = subprocess.run(  # noqa: S603  the tool itself
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/v1/openapi.json",
                "--checks", "all", "--max-examples", str(EXAMPLES), "--seed", SEED, "--generation-deterministic",
                "--request-timeout", "60", "--no-color", "--continue-on-failure",
                "--header", f"Authorization: Bearer {signer.token()}",
            ],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    assert ran.returncode == 0, ran.stdout[-60_000:] + ran.stderr
    assert wrong == []
