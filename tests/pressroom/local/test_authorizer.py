"""The gateway's check of a token."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from pressroom.local import authorizer as authorizer_module
from pressroom.local.authorizer import Authorizer, TokenRefusedError
from tests.support.tokens import Signer

LONG_AGO = 1_000_000_000


def authorizer_of(signer: Signer) -> Authorizer:
    return Authorizer(signer.key_set, issuer=signer.issuer, is_client=signer.is_client)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_claims_are_given_when_the_token_is_good(scheme: str) -> None:
    signer = Signer()

    claims = authorizer_of(signer).claims(f"{scheme} {signer.token()}")

    assert (claims["username"], claims["token_use"]) == ("alice", "access")


@pytest.mark.acceptance(41)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer a.b.c"])
def test_request_is_refused_when_it_carries_no_token(header: str | None) -> None:
    with pytest.raises(TokenRefusedError):
        authorizer_of(Signer()).claims(header)


@pytest.mark.acceptance(41)
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": LONG_AGO},
        {"exp": None},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"},
        {"client_id": "client-2"},
        {"client_id": None},
        {"token_use": "id"},
        {"token_use": None},
        {"sub": None},
        {"key_id": "key-2"},
    ],
)
def test_token_is_refused_when_it_is_expired_foreign_or_no_access_token(changes: dict[str, Any]) -> None:
    signer = Signer()

    with pytest.raises(TokenRefusedError):
        authorizer_of(signer).claims(f"Bearer {signer.token(**changes)}")


@pytest.mark.acceptance(41)
def test_token_is_refused_when_another_key_signed_it_under_the_known_id() -> None:
    good, forged = Signer().token().split("."), Signer(key_id="key-2").token().split(".")

    with pytest.raises(TokenRefusedError):
        authorizer_of(Signer()).claims("Bearer " + ".".join([*good[:2], forged[2]]))


@pytest.mark.acceptance(41)
@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_token_is_refused_when_it_names_another_algorithm(algorithm: str) -> None:
    signer = Signer()
    claims = jwt.decode(signer.token(), options={"verify_signature": False})
    key = "" if algorithm == "none" else "a secret that is long enough for the algorithm"
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": signer.key_id})

    with pytest.raises(TokenRefusedError):
        authorizer_of(signer).claims(f"Bearer {token}")


def test_keys_are_fetched_once_when_many_tokens_are_checked() -> None:
    signer = Signer()
    authorizer = authorizer_of(signer)

    for _ in range(3):
        authorizer.claims(f"Bearer {signer.token()}")
    for _ in range(3):
        with pytest.raises(TokenRefusedError):
            authorizer.claims(f"Bearer {signer.token(key_id='key-2')}")

    assert signer.fetches == 1


def test_keys_are_fetched_again_when_the_pool_has_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizer_module, "_REFRESH_SECONDS", 0)
    signer = Signer()
    authorizer = authorizer_of(signer)
    authorizer.claims(f"Bearer {signer.token()}")

    signer.key_id = "key-2"

    assert authorizer.claims(f"Bearer {signer.token()}")["username"] == "alice"
