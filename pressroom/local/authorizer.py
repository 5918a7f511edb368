"""The gateway's check of a bearer token: what API Gateway's JWT authorizer and our ``token_use`` rule ask for."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import jwt

from pressroom.local.errors import ServicesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Authorizer", "TokenRefusedError", "fetch_keys"]

_SCHEME: Final = "bearer"
_REFRESH_SECONDS: Final = 2.0
"""A token of an unknown key makes us ask for the keys again, but not more often than this."""
_FETCH_SECONDS: Final = 5.0


class TokenRefusedError(Exception):
    """No token, or one that does not pass; the message is for the caller."""


@dataclass(frozen=True, slots=True)
class _Keys:
    by_id: Mapping[str, jwt.PyJWK]
    asked_at: float


class Authorizer:
    """Checks signature, issuer, expiry, ``token_use`` and client of a token."""

    def __init__(self, fetch: Callable[[], dict[str, Any]], *, issuer: str, is_client: Callable[[str], bool]) -> None:
        """Takes the user pool that signs the tokens.

        Args:
            fetch: gives its key set (RFC 7517).
            issuer: what its tokens name as their issuer.
            is_client: whether an id is that of a client of the pool's; may raise ServicesError.
        """
        self._fetch = fetch
        self._issuer = issuer
        self._is_client = is_client
        self._lock = threading.Lock()
        self._keys: _Keys | None = None

    def claims(self, authorization: str | None) -> dict[str, Any]:
        """The claims of the token in an ``Authorization`` header.

        Raises:
            TokenRefusedError: there is none, or it does not pass.
            ServicesError: the key set, or whether there is such a client, could not be had.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != _SCHEME or not token.strip():
            raise TokenRefusedError("The request carries no bearer token.")
        try:
            return self._verified(token.strip())
        except jwt.ExpiredSignatureError:
            raise TokenRefusedError("The token has expired.") from None
        except jwt.PyJWTError:
            raise TokenRefusedError("The token is not valid.") from None

    def _verified(self, token: str) -> dict[str, Any]:
        key = self._key(str(jwt.get_unverified_header(token).get("kid")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=self._issuer,
            options={"require": ["exp", "iss", "sub"], "verify_aud": False},
        )
        if claims.get("token_use") != "access":
            raise TokenRefusedError("The token is no access token.")
        client_id = claims.get("client_id")
        if not isinstance(client_id, str) or not client_id or not self._is_client(client_id):
            raise TokenRefusedError("The token was made for somebody else.")
        return claims

    def _key(self, key_id: str) -> jwt.PyJWK:
        with self._lock:
            keys = self._keys
            if keys is None or (key_id not in keys.by_id and time.monotonic() - keys.asked_at > _REFRESH_SECONDS):
                found = jwt.PyJWKSet.from_dict(self._fetch()).keys
                keys = _Keys({str(key.key_id): key for key in found}, asked_at=time.monotonic())
                self._keys = keys
        key = keys.by_id.get(key_id)
        if key is None:
            raise TokenRefusedError("The token is not valid.")
        return key


def fetch_keys(url: str) -> dict[str, Any]:
    """The key set at ``url``.

    Raises:
        ServicesError: it is not there.
    """
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=_FETCH_SECONDS) as answer:
            keys: dict[str, Any] = json.load(answer)
    except (URLError, OSError, ValueError) as error:
        raise ServicesError(f"the user pool's keys could not be had from {url}") from error
    return keys
