"""Who calls, and what the token may be used for: the claims that the gateway has verified, and nothing else.

Headers and bodies say nothing about the caller: whoever sends a request writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from functions.api.problems import insufficient_scope
from shared.contracts.sign_in import API_SIGN_IN, Scope
from shared.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Caller", "actor_of", "caller_of", "is_name"]

MACHINE: Final = "client:"
_LONGEST: Final = 256
_LONGEST_BYTES: Final = 512
"""As UTF-8: a name is a part of keys, and a sort key has room for 1,024 bytes."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a verified token.

    Attributes:
        name: the token's ``username``, or ``client:<client_id>`` for a machine's token.
        scopes: what the token may be used for.
    """

    name: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Nothing, where the token may be used for ``scope``.

        Raises:
            RequestError: 403, it may not.
        """
        if scope not in self.scopes:
            raise insufficient_scope(scope)


def caller_of(event: Mapping[str, Any]) -> Caller:
    """The caller of a request.

    An id token is none: it says who somebody is, not what may be done for them. A person whose name looks like a
    machine's is refused, so that nobody can become one by choosing a name.

    Raises:
        RequestError: 401.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    username, client_id = claims.get("username", ""), claims.get("client_id", "")
    name = username or (MACHINE + client_id if client_id else "")
    if claims.get("token_use") != "access" or not is_name(name) or username.startswith(MACHINE):
        raise RequestError(401, "unauthorized", "A valid access token is required.")
    return Caller(str(name), _scopes(str(claims.get("scope", "")), is_person=bool(username)))


def _scopes(claim: str, *, is_person: bool) -> frozenset[Scope]:
    """The scopes of ours in a token's ``scope``.

    Somebody who gave a password to the pool's own API acts for themselves, without a client between: such a token
    carries one scope of Cognito's and can carry none of ours, and means all of them.
    """
    granted = claim.split()
    if is_person and API_SIGN_IN in granted:
        return frozenset(Scope)
    return frozenset(scope for scope in Scope if scope in granted)


def is_name(caller: str) -> bool:
    """Whether somebody can be called so."""
    # What is printable has no lone surrogate, so it can be encoded.
    return 0 < len(caller) <= _LONGEST and caller.isprintable() and len(caller.encode()) <= _LONGEST_BYTES


def actor_of(caller: str) -> str:
    """The caller as the ledger and the timeline name it."""
    return f"user:{caller}"
