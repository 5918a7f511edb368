"""``login``, ``logout``, ``whoami``, with a real user pool where a browser comes into it."""

from __future__ import annotations

import http.client
import re
import threading
import uuid
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from functions.api.openapi import document
from pressroom.cli.browser import sign_in_with_browser
from pressroom.cli.exits import CommandError
from pressroom.cli.sign_ins import SignInFile, StoredSignIn, claims_of
from pressroom.cli.signing_in import StoredToken
from pressroom.cli.token_endpoint import TokenEndpoint, TokenRefusedError
from pressroom.local.authorizer import Authorizer, fetch_keys
from pressroom.local.resources import Clients, Resources, ensure
from shared.contracts.sign_in import Scope, SignIn
from tests.support.fake_api import Answer
from tests.support.tokens import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.pressroom.cli.conftest import Command
    from tests.support.emulator import Emulator
    from tests.support.fake_api import FakeApi

PASSWORD = "Correct-horse-7"


@pytest.fixture(scope="module")
def clients(emulator: Emulator) -> Iterator[Clients]:
    with Clients(emulator.endpoint_url) as clients:
        yield clients


@pytest.fixture(scope="module")
def pool(clients: Clients) -> Resources:
    """A pool in which ``alice`` has a password."""
    resources = ensure(clients, stage=uuid.uuid4().hex[:8])
    clients.cognito.admin_create_user(UserPoolId=resources.user_pool_id, Username="alice", MessageAction="SUPPRESS")
    clients.cognito.admin_set_user_password(
        UserPoolId=resources.user_pool_id, Username="alice", Password=PASSWORD, Permanent=True
    )
    return resources


@pytest.fixture
def place(clients: Clients, pool: Resources) -> SignIn:
    return SignIn(clients.endpoint_url, pool.user_pool_client_id)


def visit(url: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Status, Location and page: what a browser gets that follows nothing by itself."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
    target = f"{parts.path}?{parts.query}"
    headers = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("GET" if form is None else "POST", target, None if form is None else urlencode(form), headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    finally:
        connection.close()


def person(*, before: Callable[[str], None] = lambda _: None) -> Callable[[str], None]:
    """Somebody who fills the page in, in a window of their own; ``before`` gets the page's address first."""

    def sit_down(page: str) -> None:
        before(page)
        _, _, html = visit(page)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
        form = {name: unescape(value) for name, value in fields.items()}
        login = f"{urlsplit(page).scheme}://{urlsplit(page).netloc}/login"
        status, location, _ = visit(login, form | {"username": "alice", "password": PASSWORD})
        assert status == 302
        visit(location)

    return lambda page: threading.Thread(target=sit_down, args=(page,)).start()


def test_a_browser_brings_tokens_with_every_scope_and_they_refresh(
    clients: Clients, pool: Resources, place: SignIn
) -> None:
    grant = sign_in_with_browser(place, open_page=person())

    keys = f"{clients.endpoint_url}/{pool.user_pool_id}/.well-known/jwks.json"
    authorizer = Authorizer(lambda: fetch_keys(keys), issuer=pool.issuer, is_client=place.client_id.__eq__)
    claims = authorizer.claims(f"Bearer {grant.access_token}")
    assert (claims["username"], claims["token_use"]) == ("alice", "access")
    assert set(claims["scope"].split()) == {"openid", *Scope}
    assert grant.refresh_token is not None
    renewed = TokenEndpoint(place).refresh(grant.refresh_token)
    assert authorizer.claims(f"Bearer {renewed.access_token}")["scope"] == claims["scope"]
    assert grant.access_token not in repr(grant)


def test_another_state_is_ignored_and_the_right_one_still_counts(
    place: SignIn, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: list[int] = []

    def intrude(page: str) -> None:
        question = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
        assert (question["response_type"], question["code_challenge_method"]) == ("code", "S256")
        own = question["redirect_uri"]
        forged = [f"{own}?code=planted&state=guessed", f"{own}?code=planted", f"{own}?error=access_denied&state="]
        statuses.extend(visit(url)[0] for url in [*forged, own.replace("signed-in", "elsewhere") + "?code=x"])

    grant = sign_in_with_browser(place, open_page=person(before=intrude))

    assert statuses == [400, 400, 400, 404]
    assert claims_of(grant.access_token)["username"] == "alice"
    assert "does not belong to this sign-in" in capsys.readouterr().err


def test_a_code_is_worth_nothing_without_its_verifier(place: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    original = TokenEndpoint.redeem
    monkeypatch.setattr(
        TokenEndpoint, "redeem", lambda self, code, **kw: original(self, code, **(kw | {"verifier": "x" * 43}))
    )

    with pytest.raises(TokenRefusedError, match="invalid_grant"):
        sign_in_with_browser(place, open_page=person())


def test_sign_in_ends_when_it_is_refused_or_nobody_comes(place: SignIn) -> None:
    def refuse(page: str) -> None:
        question = parse_qs(urlsplit(page).query)
        target = f"{question['redirect_uri'][0]}?error=access_denied&state={question['state'][0]}"
        threading.Thread(target=visit, args=(target,)).start()

    with pytest.raises(CommandError, match="the sign-in was refused: access_denied"):
        sign_in_with_browser(place, open_page=refuse)
    with pytest.raises(CommandError, match="nobody signed in"):
        sign_in_with_browser(place, open_page=lambda _: None, patience_seconds=0.01)
    with pytest.raises(CommandError, match="not encrypted"):
        sign_in_with_browser(SignIn("http://pool.example", "client"), open_page=lambda _: None)


def test_login_keeps_the_tokens_and_nothing_shows_them(
    command: Command, api: FakeApi, place: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.refuse("GET /v1/openapi.json", Answer(200, document(sign_in=place)))
    monkeypatch.setattr("webbrowser.open", person())

    ran = command("login", "--web", "--verbose")

    assert (ran.code, ran.out) == (0, "")
    stored = SignInFile.of_user().read(api.url)
    assert stored is not None
    assert stored.refresh_token is not None
    assert f"Signed in to {api.url} as alice." in ran.err
    api.valid_tokens.add(stored.access_token)
    shown = [ran, command("projects", "-v"), command("whoami", "--json"), command("whoami", "-v")]
    assert [each.code for each in shown] == [0] * 4
    assert api.calls("POST /local/token") == []
    # The pool takes the access token back: another is asked for in silence.
    api.valid_tokens.clear()
    shown.append(command("projects", "-v"))
    assert shown[-1].code == 3
    renewed = SignInFile.of_user().read(api.url)
    assert renewed is not None
    assert renewed.access_token != stored.access_token
    shown.append(command("logout", "-v"))
    assert SignInFile.of_user().read(api.url) is None
    for secret in (stored.access_token, stored.refresh_token, renewed.access_token):
        assert all(secret not in each.out + each.err for each in shown)


def test_a_token_is_renewed_before_it_ends_and_once_it_is_refused(tmp_path: Path) -> None:
    signer, asked = Signer(), []
    file = SignInFile(tmp_path / "private" / "sign-ins.json")

    def ask(user: str) -> str:
        asked.append(user)
        return signer.token(username=user, jti=str(len(asked)))

    file.write("http://127.0.0.1:1", StoredSignIn("bob", signer.token(username="bob", exp=1_000_000_000)))
    source = StoredToken(file, "http://127.0.0.1:1", ask_locally=ask)

    first = source()
    again = StoredToken(file, "http://127.0.0.1:1", ask_locally=ask)()
    second = source()

    assert (asked, first) == (["bob", "bob"], again)
    assert second != first
    file.write("http://127.0.0.1:1", None)
    with pytest.raises(CommandError, match="you are signed out"):
        source()


def test_login_by_name_is_for_the_local_runtime_only(command: Command, api: FakeApi) -> None:
    assert command("login", "--user", "bob").code == 0
    assert command("projects").code == 0
    assert [call.body for call in api.calls("POST /local/token")] == [{"user": "bob"}]

    refused = command("login", "--user", "bob", "--api-url", "https://pressroom.example")
    assert (refused.code, "--user is for the local runtime" in refused.err) == (2, True)
    assert command("login", "--user", "bob", "--web").code == 2


def test_login_says_so_when_the_api_does_not_know_where(command: Command, api: FakeApi) -> None:
    api.refuse("GET /v1/openapi.json", Answer(200, document()))

    ran = command("login", "--web")

    assert ran.code == 4
    assert f"{api.url} does not say where to sign in" in ran.err


def test_logout_says_so_when_nobody_was_signed_in(command: Command) -> None:
    ran = command("logout")

    assert ran.code == 0
    assert "You were not signed in" in ran.err


def test_whoami_shows_name_address_and_scopes_when_the_api_takes_the_token(
    command: Command, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Signer().token(username=None, scope=Scope.READ)
    monkeypatch.setenv("PRESSROOM_TOKEN", token)

    assert command("whoami").code == 3
    api.valid_tokens.add(token)
    ran = command("whoami")

    assert (ran.code, ran.out) == (0, "client:client-1\n")
    assert f"At {api.url}, with pressroom/jobs.read." in ran.err
