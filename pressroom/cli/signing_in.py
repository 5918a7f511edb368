"""``login``, ``logout``, ``whoami``, and the token of whoever has signed in."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pressroom.cli.browser import sign_in_with_browser
from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.sign_ins import SignInFile, StoredSignIn, claims_of
from pressroom.cli.terminal import detail, emit, emit_json, say, warn
from pressroom.cli.token_endpoint import TokenEndpoint, TokenRefusedError
from pressroom.client import PressroomClient, is_loopback
from shared.clock import SystemClock
from shared.contracts.sign_in import API_SIGN_IN, Scope, SignIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.clock import Clock

__all__ = ["StoredToken", "log_in", "log_out", "who_am_i"]

_EARLY_SECONDS: Final = 60
"""A token that ends so soon is not begun with."""


@dataclass
class StoredToken:
    """Gives the access token of a sign-in, refreshed where it has ended or was refused. Safe between threads."""

    file: SignInFile
    api_url: str
    clock: Clock = field(default_factory=SystemClock)
    ask_locally: Callable[[str], str] | None = None
    _given: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self) -> str:
        """The token. Whoever asks again was refused with the last one, and is given another.

        Raises:
            CommandError: the sign-in has ended, or the user pool does not answer.
        """
        with self._lock:
            stored = self.file.read(self.api_url)
            if stored is None:
                raise CommandError(
                    f"you are signed out of {self.api_url}", ExitCode.NOT_AUTHORIZED, hint="Sign in: pressroom login"
                )
            soon = self.clock.now().timestamp() + _EARLY_SECONDS
            ends_soon = stored.expires_at is not None and stored.expires_at < soon
            if ends_soon or stored.access_token == self._given:
                stored = self._renewed(stored)
            self._given = stored.access_token
            return self._given

    def _renewed(self, stored: StoredSignIn) -> StoredSignIn:
        detail("Asking for another access token.")
        if stored.refresh_token is None or stored.url is None or stored.client_id is None:
            if self.ask_locally is None:
                raise TokenRefusedError("the sign-in has ended")
            renewed = replace(stored, access_token=self.ask_locally(stored.user))
        else:
            grant = TokenEndpoint(SignIn(stored.url, stored.client_id)).refresh(stored.refresh_token)
            renewed = replace(
                stored,
                access_token=grant.access_token,
                refresh_token=grant.refresh_token or stored.refresh_token,  # a pool may rotate it
            )
        self.file.write(self.api_url, renewed)
        return renewed


def log_in(
    api_url: str,
    *,
    user: str | None,
    web: bool | None,
    ask_locally: Callable[[str], str],
    local_user: Callable[[], str],
) -> None:
    """Signs in and keeps the tokens: with a browser, or on this machine by the local runtime's password flow.

    Raises:
        CommandError: nobody signed in.
    """
    local = is_loopback(api_url)
    if user is not None and (web or not local):
        raise CommandError(
            "--user is for the local runtime, which signs anybody in; elsewhere the browser asks who you are",
            ExitCode.BAD_INPUT,
        )
    if local and not web:
        name = user or local_user()
        stored = StoredSignIn(name, ask_locally(name))
    else:
        with PressroomClient(api_url) as client:
            place = client.sign_in()
        if place is None:
            raise CommandError(
                f"{api_url} does not say where to sign in", ExitCode.REFUSED, hint="Set PRESSROOM_TOKEN instead."
            )
        grant = sign_in_with_browser(place)
        name = str(claims_of(grant.access_token).get("username", ""))
        stored = StoredSignIn(name, grant.access_token, grant.refresh_token, place.url, place.client_id)
    SignInFile.of_user().write(api_url, stored)
    say(f"Signed in to {api_url} as {stored.user}.")
    if os.environ.get("PRESSROOM_TOKEN"):
        warn("PRESSROOM_TOKEN is set, and goes before this sign-in.")


def log_out(api_url: str) -> None:
    """Forgets the sign-in, and ends it at the user pool.

    Raises:
        CommandError: the file cannot be used.
    """
    file = SignInFile.of_user()
    stored = file.read(api_url)
    if stored is None:
        say(f"You were not signed in to {api_url}.")
        return
    file.write(api_url, None)
    say(f"Signed out of {api_url}.")
    if stored.refresh_token is None or stored.url is None or stored.client_id is None:
        return
    if not TokenEndpoint(SignIn(stored.url, stored.client_id)).revoke(stored.refresh_token):
        warn("The user pool did not confirm it: tokens that somebody has copied may be good until they end.")


def who_am_i(client: PressroomClient, token: str, *, as_json: bool) -> None:
    """Shows whom the API takes the caller for, after it has taken the token.

    Raises:
        ClientError: the API refuses.
    """
    client.limits()
    claims = claims_of(token)
    name = str(claims.get("username") or f"client:{claims.get('client_id', '')}")
    granted = str(claims.get("scope", "")).split()
    scopes = [scope.value for scope in Scope if scope in granted or API_SIGN_IN in granted]
    if as_json:
        emit_json({"user": name, "api_url": client.base_url, "scopes": scopes, "expires_at": claims.get("exp")})
        return
    emit(name)
    say(f"At {client.base_url}, with {', '.join(scopes) or 'no scope'}.", "dim")
