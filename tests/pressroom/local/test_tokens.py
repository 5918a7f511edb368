"""Users and tokens of the local pool."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jwt
import pytest

from pressroom.local.authorizer import Authorizer, TokenRefusedError, fetch_keys
from pressroom.local.errors import ServicesError
from pressroom.local.resources import Clients, Resources, ensure
from pressroom.local.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulator import Emulator


@pytest.fixture
def clients(emulator: Emulator) -> Iterator[Clients]:
    with Clients(emulator.endpoint_url) as clients:
        yield clients


def tokens_of(clients: Clients, resources: Resources) -> Tokens:
    return Tokens(clients.cognito, pool_id=resources.user_pool_id, client_id=resources.user_pool_client_id)


def authorizer_of(clients: Clients, resources: Resources) -> Authorizer:
    url = f"{clients.endpoint_url}/{resources.user_pool_id}/.well-known/jwks.json"
    return Authorizer(lambda: fetch_keys(url), issuer=resources.issuer, is_client=resources.user_pool_client_id.__eq__)


def test_token_names_its_user_and_passes_the_check_when_it_is_new(clients: Clients) -> None:
    resources = ensure(clients, stage=uuid.uuid4().hex[:8])

    claims = authorizer_of(clients, resources).claims(f"Bearer {tokens_of(clients, resources).token('alice')}")

    assert (claims["username"], claims["token_use"]) == ("alice", "access")
    assert claims["exp"] - claims["iat"] == 24 * 3600


def test_each_user_gets_a_token_of_their_own_when_many_ask_at_once(clients: Clients) -> None:
    resources = ensure(clients, stage=uuid.uuid4().hex[:8])
    tokens = tokens_of(clients, resources)
    users = [f"user-{number % 4}" for number in range(12)]

    with ThreadPoolExecutor(12) as executor:
        given = list(executor.map(tokens.token, users))

    claims = [jwt.decode(token, options={"verify_signature": False}) for token in given]
    assert [claim["username"] for claim in claims] == users
    assert len({claim["sub"] for claim in claims}) == 4


def test_user_is_the_same_when_two_runtimes_share_a_pool(clients: Clients) -> None:
    resources = ensure(clients, stage=uuid.uuid4().hex[:8])
    first, second = tokens_of(clients, resources), tokens_of(clients, resources)

    given = [tokens.token("alice") for tokens in (first, second, first)]

    subjects = {jwt.decode(token, options={"verify_signature": False})["sub"] for token in given}
    assert len(subjects) == 1


@pytest.mark.acceptance(41)
def test_token_is_refused_when_it_is_of_another_pool(clients: Clients) -> None:
    ours, theirs = (ensure(clients, stage=uuid.uuid4().hex[:8]) for _ in range(2))

    with pytest.raises(TokenRefusedError):
        authorizer_of(clients, ours).claims(f"Bearer {tokens_of(clients, theirs).token('alice')}")


def test_keys_are_missed_when_nothing_answers() -> None:
    with pytest.raises(ServicesError):
        fetch_keys("http://127.0.0.1:9/keys")
