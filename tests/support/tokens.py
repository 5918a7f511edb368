"""Tokens of a user pool that exists only in a test: a key, its public set, and whatever claims a test wants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.clock import SystemClock
from shared.contracts.sign_in import API_SIGN_IN

__all__ = ["Signer"]

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_test"
CLIENT_ID = "client-1"


@cache
def _key(key_id: str) -> rsa.RSAPrivateKey:  # noqa: ARG001  one key an id
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Signer:
    """Signs access tokens, by default good ones; ``fetches`` counts who asked for the key set."""

    key_id: str = "key-1"
    fetches: int = 0
    issuer: str = ISSUER

    def is_client(self, client_id: str) -> bool:
        return client_id == CLIENT_ID

    def key_set(self) -> dict[str, Any]:
        self.fetches += 1
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(_key(self.key_id).public_key(), as_dict=True)
        return {"keys": [public | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def token(self, *, key_id: str | None = None, **changes: Any) -> str:
        now = int(SystemClock().now().timestamp())
        claims = {
            "sub": "1-2-3",
            "iss": self.issuer,
            "client_id": CLIENT_ID,
            "username": "alice",
            "token_use": "access",
            "scope": API_SIGN_IN,
            "iat": now,
            "exp": now + 3600,
        } | changes
        present = {name: value for name, value in claims.items() if value is not None}
        key = _key(key_id or self.key_id)
        return jwt.encode(present, key, algorithm="RS256", headers={"kid": key_id or self.key_id})
