"""How people and machines sign in: the scopes of an access token, and where a browser returns to.

A role says what somebody may do in a project, a scope what a token may be used for: a call needs both.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final

__all__ = ["API_SIGN_IN", "REDIRECT_PORTS", "RESOURCE_SERVER", "Scope", "redirect_uri"]

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


def redirect_uri(port: int) -> str:
    """Where the browser brings the authorization code to."""
    return f"http://localhost:{port}/signed-in"
