"""Machines of the local pool."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jwt
import pytest

from functions.api.caller import caller_of
from pressroom.local.authorizer import Authorizer, TokenRefusedError, fetch_keys
from pressroom.local.errors import ServicesError
from pressroom.local.gateway_events import claims_as_text
from pressroom.local.machines import Machines
from pressroom.local.resources import Clients, Resources, ensure
from shared.contracts.sign_in import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulator import Emulator


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Iterator[Clients]:
    with Clients(emulator.endpoint_url) as clients:
        yield clients


@pytest.fixture
def resources(clients: Clients) -> Resources:
    return ensure(clients, stage=uuid.uuid4().hex[:8])


def machines_of(clients: Clients, resources: Resources) -> Machines:
    token_url = f"{clients.endpoint_url}/oauth2/token"
    return Machines(clients.cognito, pool_id=resources.user_pool_id, token_url=token_url)


def authorizer_of(clients: Clients, resources: Resources, machines: Machines) -> Authorizer:
    url = f"{clients.endpoint_url}/{resources.user_pool_id}/.well-known/jwks.json"
    return Authorizer(lambda: fetch_keys(url), issuer=resources.issuer, is_client=machines.knows)


@pytest.mark.parametrize("scopes", [(Scope.READ,), (Scope.READ, Scope.WRITE), tuple(Scope)])
def test_a_machines_token_carries_the_scopes_that_were_asked_for_and_no_other(
    clients: Clients, resources: Resources, scopes: tuple[Scope, ...]
) -> None:
    machines = machines_of(clients, resources)

    claims = authorizer_of(clients, resources, machines).claims(f"Bearer {machines.token('nightly', scopes)}")
    caller = caller_of({"requestContext": {"authorizer": {"jwt": {"claims": claims_as_text(claims)}}}})

    assert caller.name == f"client:{claims['client_id']}"
    assert caller.scopes == frozenset(scopes)


def test_a_machine_is_the_same_when_two_runtimes_share_a_pool(clients: Clients, resources: Resources) -> None:
    runtimes = [machines_of(clients, resources) for _ in range(2)]
    with ThreadPoolExecutor(4) as executor:
        given = list(executor.map(lambda _: runtimes[0].token("nightly", tuple(Scope)), range(4)))
    given.append(runtimes[1].token("nightly", tuple(Scope)))

    names = {jwt.decode(token, options={"verify_signature": False})["client_id"] for token in given}
    assert len(names) == 1
    assert runtimes[1].knows(names.pop())


@pytest.mark.acceptance(41)
def test_a_machine_of_another_pool_is_refused(clients: Clients, resources: Resources) -> None:
    others = machines_of(clients, ensure(clients, stage=uuid.uuid4().hex[:8]))
    token = others.token("nightly", tuple(Scope))
    ours = machines_of(clients, resources)

    assert not ours.knows(jwt.decode(token, options={"verify_signature": False})["client_id"])
    with pytest.raises(TokenRefusedError):
        authorizer_of(clients, resources, ours).claims(f"Bearer {token}")


def test_the_pool_is_missed_when_nothing_answers(clients: Clients, resources: Resources) -> None:
    machines = Machines(clients.cognito, pool_id=resources.user_pool_id, token_url="http://127.0.0.1:9/oauth2/token")

    with pytest.raises(ServicesError):
        machines.token("nightly", (Scope.READ,))
