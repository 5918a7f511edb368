"""Who calls: the claims of a token that the gateway has verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["actor_of", "caller_of", "is_name"]

MACHINE: Final = "client:"
_LONGEST: Final = 256


def caller_of(event: Mapping[str, Any]) -> str:
    """The caller's name: the token's ``username``, or ``client:<client_id>`` for a machine's token.

    An id token is none: it says who somebody is, not what may be done for them. A person whose name looks like a
    machine's is refused, so that nobody can become one by choosing a name.

    Raises:
        RequestError: 401.
    """
    authorizer = event["requestContext"].get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims") or {}
    username, client_id = claims.get("username", ""), claims.get("client_id", "")
    caller = username or (MACHINE + client_id if client_id else "")
    if claims.get("token_use") != "access" or not is_name(caller) or username.startswith(MACHINE):
        raise RequestError(401, "unauthorized", "A valid access token is required.")
    return str(caller)


def is_name(caller: str) -> bool:
    """Whether somebody can be called so."""
    return 0 < len(caller) <= _LONGEST and caller.isprintable()


def actor_of(caller: str) -> str:
    """The caller as the ledger and the timeline name it."""
    return f"user:{caller}"
