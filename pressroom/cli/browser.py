"""Signing in with a browser: authorization code with PKCE, brought back to a port of this machine (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import queue
import secrets
import threading
import webbrowser
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import say, warn
from pressroom.cli.token_endpoint import TokenEndpoint
from pressroom.client import is_loopback
from shared.contracts.sign_in import REDIRECT_PORTS, Scope, redirect_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pressroom.cli.token_endpoint import Grant
    from shared.contracts.sign_in import SignIn

__all__ = ["Callback", "sign_in_with_browser"]

_HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 300.0
_READ_SECONDS: Final = 10.0
_DONE: Final = "You are signed in. This window can be closed."
_WRONG: Final = "This is not the answer that the command waits for."
_REFUSED: Final = "You are not signed in. The command says why."


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What the browser brought: a code, or why there is none."""

    code: str = field(default="", repr=False)
    error: str = ""


class Callback(ThreadingHTTPServer):
    """Waits on this machine for the browser with the right ``state``."""

    daemon_threads = True

    def __init__(self, port: int, state: str) -> None:
        super().__init__((_HOST, port), _Handler)
        self.state = state
        self.arrivals: queue.SimpleQueue[_Arrival] = queue.SimpleQueue()

    @property
    def redirect_uri(self) -> str:
        """Where the browser is sent to."""
        return redirect_uri(self.server_port)

    def wait(self, seconds: float) -> str:
        """The code.

        Raises:
            CommandError: the sign-in was refused, or nobody came.
        """
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            arrival = self.arrivals.get(timeout=seconds)
        except queue.Empty:
            raise CommandError("nobody signed in", ExitCode.NOT_AUTHORIZED, hint="Try again: pressroom login") from None
        finally:
            self.shutdown()
        if not arrival.code:
            raise CommandError(f"the sign-in was refused: {arrival.error}", ExitCode.NOT_AUTHORIZED)
        return arrival.code


class _Handler(BaseHTTPRequestHandler):
    server: Callback
    timeout = _READ_SECONDS  # a browser opens connections that it then does not use

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != urlsplit(self.server.redirect_uri).path:
            self._say(404, _WRONG)
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), self.server.state.encode()):
            # Some other page's doing, or a window of an earlier try: not a reason to give up waiting.
            warn("Something came back from a browser that does not belong to this sign-in; it is ignored.")
            self._say(400, _WRONG)
            return
        arrival = _Arrival(query.get("code", ""), query.get("error_description") or query.get("error", "no code came"))
        self._say(200 if arrival.code else 400, _DONE if arrival.code else _REFUSED)
        self.server.arrivals.put(arrival)

    def _say(self, status: int, text: str) -> None:
        body = f"<!doctype html><meta charset=utf-8><title>Pressroom</title><p>{text}</p>\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's; its line would show the code
        """Nothing."""


def sign_in_with_browser(
    sign_in: SignIn,
    *,
    open_page: Callable[[str], object] | None = None,
    ports: Sequence[int] = REDIRECT_PORTS,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Grant:
    """Opens the pool's page, waits for the code, and redeems it.

    Raises:
        CommandError: all ports are taken, or nobody signed in.
    """
    if not sign_in.url.startswith("https:") and not is_loopback(sign_in.url):
        raise CommandError(f"{sign_in.url} is not encrypted: nobody signs in there", ExitCode.BAD_INPUT)
    verifier = secrets.token_urlsafe(64)
    digest = hashlib.sha256(verifier.encode()).digest()
    with _callback(ports, secrets.token_urlsafe(32)) as callback:
        question = {
            "response_type": "code",
            "client_id": sign_in.client_id,
            "redirect_uri": callback.redirect_uri,
            "scope": " ".join(["openid", *Scope]),
            "state": callback.state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        page = f"{sign_in.authorization_url}?{urlencode(question)}"
        say(f"Sign in with your browser; if none opens, open this address yourself:\n{page}")
        (open_page or webbrowser.open)(page)
        code = callback.wait(patience_seconds)
        return TokenEndpoint(sign_in).redeem(code, verifier=verifier, redirect_uri=callback.redirect_uri)


def _callback(ports: Sequence[int], state: str) -> Callback:
    for port in ports:
        try:
            return Callback(port, state)
        except OSError:
            continue
    told = ", ".join(map(str, ports))
    raise CommandError(f"the ports that a browser may return to are all taken: {told}", ExitCode.REFUSED)
