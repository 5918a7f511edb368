"""How people and machines sign in: the scopes of an access token, and where a browser returns to.

A role says what somebody may do in a project, a scope what a token may be used for: a call needs both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

__all__ = ["API_SIGN_IN", "REDIRECT_PORTS", "RESOURCE_SERVER", "Scope", "SignIn", "redirect_uri"]

RESOURCE_SERVER: Final = "pressroom"
"""The identifier of the user pool's resource server, which stands before each scope."""
API_SIGN_IN: Final = "aws.cognito.signin.user.admin"
"""The one scope of a token for which somebody gave a password to the pool's own API. No OAuth client is given it."""
REDIRECT_PORTS: Final = (18765, 28765, 38765)
"""Cognito compares the address that a browser returns to letter by letter, so the ports are fixed; the first free one
is taken."""


@unique
class Scope(StrEnum):
    """What a token may be used for."""

    READ = "pressroom/jobs.read"
    WRITE = "pressroom/jobs.write"
    MANAGE = "pressroom/projects.manage"

    @property
    def short(self) -> str:
        """Its name within the resource server."""
        return self.value.removeprefix(f"{RESOURCE_SERVER}/")

    @property
    def meaning(self) -> str:
        """What it lets a token do, for people."""
        return {
            Scope.READ: "Read projects, jobs, items, results and all else that can be read",
            Scope.WRITE: "Create, steer and delete jobs and what they are made from",
            Scope.MANAGE: "Create projects, and do in them what only an owner may",
        }[self]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where people sign in.

    Attributes:
        url: where the user pool's pages and endpoints are; empty where nobody said.
        client_id: of the public client.
    """

    url: str
    client_id: str

    @property
    def authorization_url(self) -> str:
        """The authorization endpoint (RFC 6749, section 3.1)."""
        return f"{self.url}/oauth2/authorize"

    @property
    def token_url(self) -> str:
        """The token endpoint (RFC 6749, section 3.2)."""
        return f"{self.url}/oauth2/token"

    @property
    def revocation_url(self) -> str:
        """The revocation endpoint (RFC 7009)."""
        return f"{self.url}/oauth2/revoke"


def redirect_uri(port: int) -> str:
    """Where the browser brings the authorization code to."""
    return f"http://localhost:{port}/signed-in"
