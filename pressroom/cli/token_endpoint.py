"""The user pool's token endpoint: codes and refresh tokens become access tokens (RFC 6749, 7009, 7636)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx2

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.client import is_loopback

if TYPE_CHECKING:
    from shared.contracts.sign_in import SignIn

__all__ = ["Grant", "TokenEndpoint", "TokenRefusedError"]

_SECONDS: Final = 15.0


class TokenRefusedError(CommandError):
    """The pool gives no token for that code or refresh token."""

    def __init__(self, error: str) -> None:
        super().__init__(
            f"the user pool gives no token ({error})", ExitCode.NOT_AUTHORIZED, hint="Sign in again: pressroom login"
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What was given."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """The endpoint of a pool."""

    sign_in: SignIn

    def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> Grant:
        """The tokens for an authorization code.

        Raises:
            TokenRefusedError: there are none.
            CommandError: the endpoint does not answer.
        """
        return self._ask(
            {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        )

    def refresh(self, refresh_token: str) -> Grant:
        """Another access token; raises what :meth:`redeem` raises."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def revoke(self, refresh_token: str) -> bool:
        """Ends a refresh token and all that came of it; whether the pool says so."""
        try:
            return self._post(self.sign_in.revocation_url, {"token": refresh_token}).is_success
        except httpx2.TransportError:
            return False

    def _ask(self, form: dict[str, str]) -> Grant:
        url = self.sign_in.token_url
        try:
            answer = self._post(url, form)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise CommandError(f"no answer from {url}", ExitCode.UNREACHABLE) from error
        try:
            body: Any = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise CommandError(f"{url} answered {answer.status_code} and no token", ExitCode.UNREACHABLE)
        token, refresh_token = body.get("access_token"), body.get("refresh_token")
        if not answer.is_success or not isinstance(token, str):
            raise TokenRefusedError(str(body.get("error", answer.status_code)))
        return Grant(token, refresh_token if isinstance(refresh_token, str) else None)

    def _post(self, url: str, form: dict[str, str]) -> httpx2.Response:
        secure = url.startswith("https:")
        if not secure and not is_loopback(url):
            raise CommandError(f"{url} is not encrypted: no secret goes there", ExitCode.BAD_INPUT)
        with httpx2.Client(timeout=_SECONDS, verify=secure, trust_env=not is_loopback(url)) as client:
            return client.post(url, data=form | {"client_id": self.sign_in.client_id})
