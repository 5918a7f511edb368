"""Whom the command talks to: the address, the token and the project, from options and environment.

``PRESSROOM_API_URL``, ``PRESSROOM_TOKEN`` and ``PRESSROOM_PROJECT``. The token has no option: a command line is seen
by every user of the machine. Without one in the environment, that of ``pressroom login`` is taken. Without that, and
only for an address on this machine, the local runtime is asked for one in the name of ``$USER``.
"""

from __future__ import annotations

import getpass
import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.options import DEFAULT_API_URL
from pressroom.cli.sign_ins import SignInFile
from pressroom.cli.terminal import detail, say, warn
from pressroom.client import PressroomClient, is_loopback
from pressroom.client.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pressroom.cli.options import Where
    from pressroom.client import Project, Retry

__all__ = ["Session", "checked_url", "connect", "local_token", "local_user", "token_source"]

TOKEN: Final = "PRESSROOM_TOKEN"  # noqa: S105  the variable's name
API_URL: Final = "PRESSROOM_API_URL"
PROJECT: Final = "PRESSROOM_PROJECT"
_PROJECT_ID: Final = "prj_"
_FIRST_PROJECT: Final = "My project"
_LONG_WAIT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection, and where it leads."""

    client: PressroomClient
    where: Where

    def project_id(self) -> str:
        """The project that was named, by id or name; else the caller's first one, made when there is none.

        The first and not the newest: a command that is run again reaches the same place, whatever was created since.

        Raises:
            CommandError: no project, or several, have that name.
        """
        wanted = self.where.project
        if wanted is None:
            return self._default_project().id
        if wanted.startswith(_PROJECT_ID):
            return wanted
        named = [project for project in self.client.list_projects() if project.name == wanted]
        if len(named) == 1:
            return named[0].id
        if not named:
            raise CommandError(
                f"there is no project {wanted!r} that you are a member of",
                ExitCode.REFUSED,
                hint="pressroom projects lists yours; pressroom project create NAME makes one.",
            )
        ids = ", ".join(project.id for project in named)
        raise CommandError(f"{len(named)} projects are called {wanted!r}: give the id: {ids}", ExitCode.BAD_INPUT)

    def again(self, command: str, *arguments: str) -> str:
        """The command line that goes on from here: with the options that the environment does not already give."""
        words = ["pressroom", command, *arguments]
        if self.where.project not in {None, os.environ.get(PROJECT)}:
            words += ["--project", str(self.where.project)]
        if self.where.api_url not in {DEFAULT_API_URL, os.environ.get(API_URL)}:
            words += ["--api-url", self.where.api_url]
        return shlex.join(words)

    def _default_project(self) -> Project:
        projects = sorted(self.client.list_projects(), key=lambda project: (project.created_at, project.id))
        if not projects:
            project = self.client.create_project(_FIRST_PROJECT)
            say(f"You had no project yet: made {project.name} ({project.id}).", "dim")
            return project
        project = projects[0]
        several = f", the oldest of your {len(projects)}: --project or {PROJECT} chooses" if projects[1:] else ""
        say(f"Project: {project.name} ({project.id}){several}", "dim")
        return project


@contextmanager
def connect(where: Where) -> Iterator[Session]:
    """A session, closed at the end.

    Raises:
        CommandError: the address or the token cannot be used.
    """
    url = checked_url(where.api_url)
    token = token_source(url)
    if url.startswith("http:") and not is_loopback(url):
        warn(f"{url} is not encrypted: the token travels in clear.")
    with PressroomClient(url, token, on_retry=_tell_retry) as client:
        yield Session(client, where)


def token_source(url: str) -> str | Callable[[], str]:
    """The token for the address, or what gives one when it is needed.

    Raises:
        CommandError: there is none, or it cannot be used.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise CommandError(f"{TOKEN} holds characters that no token has", ExitCode.NOT_AUTHORIZED)
    if token:
        return token
    file = SignInFile.of_user()
    if file.read(url) is not None:
        from pressroom.cli.signing_in import StoredToken  # noqa: PLC0415  most of it is for signing in

        local = is_loopback(url)
        return StoredToken(file, url, ask_locally=(lambda user: local_token(url, user)) if local else None)
    if not is_loopback(url):
        raise CommandError(
            f"no token for {url}",
            ExitCode.NOT_AUTHORIZED,
            hint=f"Sign in: pressroom login. Or set {TOKEN} to an access token, or {API_URL} to a local runtime's.",
        )
    return lambda: local_token(url, local_user())


def local_user() -> str:
    """The name that a local token is asked for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "me"


def local_token(url: str, user: str) -> str:
    """A token that the local runtime hands to anyone on its machine.

    Raises:
        CommandError: whoever answers hands out none.
    """
    detail(f"Asking {url} for a local token for {user}.")
    try:
        with PressroomClient(url, on_retry=_tell_retry) as client:
            return client.local_token(user)
    except NotFoundError:
        raise CommandError(
            f"{url} hands out no local tokens", ExitCode.NOT_AUTHORIZED, hint=f"Set {TOKEN} to an access token."
        ) from None


def checked_url(url: str) -> str:
    """``url``, without a slash at its end.

    Raises:
        CommandError: it is no address.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable():
        raise CommandError(
            f"{url!r} is no address", ExitCode.BAD_INPUT, hint=f"{API_URL} should look like {DEFAULT_API_URL}."
        )
    return url.rstrip("/")


def _tell_retry(retry: Retry) -> None:
    told = f"{retry.failure}; try {retry.attempt} in {retry.delay_seconds:.1f} s"
    if retry.delay_seconds >= _LONG_WAIT_SECONDS:
        say(f"Still trying: {told}", "dim")
    else:
        detail(told)
