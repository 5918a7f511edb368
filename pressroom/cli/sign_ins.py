"""The tokens of people who have signed in, one an address, in a file that only its owner can read.

The file is ``sign-ins.json`` in ``pressroom/`` of ``$XDG_CONFIG_HOME``, by default ``~/.config``. The folder is made
with mode 0700, the file with 0600; both are refused when others may read or write them.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pressroom.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["SignInFile", "StoredSignIn", "claims_of"]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_JWT_PARTS: Final = 3


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unchecked: for showing to its owner. Nothing where it is no JWT."""
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


@dataclass(frozen=True, slots=True)
class StoredSignIn:
    """One sign-in. Tokens never stand in its text.

    Attributes:
        user: who signed in.
        access_token: what the API is shown.
        refresh_token: what another access token is asked for with; None for a local token.
        url: where the user pool is; None for a local token.
        client_id: the client that signed in; None for a local token.
    """

    user: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    url: str | None = None
    client_id: str | None = None

    @property
    def expires_at(self) -> int | None:
        """When the access token ends, in seconds since 1970; None where it does not say."""
        told = claims_of(self.access_token).get("exp")
        return told if isinstance(told, int) else None

    @classmethod
    def of(cls, data: object) -> Self:
        """What :meth:`SignInFile.write` wrote.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(data, dict) or set(data) != {each.name for each in fields(cls)}:
            raise ValueError("not a sign-in")
        texts = [data["user"], data["access_token"]]
        optional = [data["refresh_token"], data["url"], data["client_id"]]
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(t, str | None) for t in optional):
            raise ValueError("not a sign-in")
        return cls(**data)


@dataclass(frozen=True, slots=True)
class SignInFile:
    """The file, at ``path``."""

    path: Path

    @classmethod
    def of_user(cls) -> Self:
        """The one of whoever runs the command."""
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return cls(Path(home) / "pressroom" / "sign-ins.json")

    def read(self, api_url: str) -> StoredSignIn | None:
        """The sign-in at that address, if there is one.

        Raises:
            CommandError: others may read the file, or it is damaged.
        """
        return self._all().get(api_url)

    def write(self, api_url: str, sign_in: StoredSignIn | None) -> None:
        """Keeps a sign-in, or with None forgets it. Whoever reads meanwhile sees the file before or after.

        Raises:
            CommandError: others may read the file, it is damaged, or it cannot be written.
        """
        with self.locked():
            found = dict(self._all())
            found.pop(api_url, None)
            if sign_in is not None:
                found[api_url] = sign_in
            text = json.dumps({"sign_ins": {url: asdict(each) for url, each in found.items()}}, indent=2)
            self._replace(text)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds off other commands that write, such as a second one that finds the same token expired."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_private(folder, folder.stat(follow_symlinks=False))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _all(self) -> Mapping[str, StoredSignIn]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error) from error
        with os.fdopen(descriptor, encoding="utf-8") as file:
            self._require_private(self.path, os.fstat(descriptor))
            self._require_private(self.path.parent, self.path.parent.stat(follow_symlinks=False))
            try:
                return {url: StoredSignIn.of(each) for url, each in json.load(file)["sign_ins"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                raise CommandError(
                    f"{self.path} is damaged", ExitCode.NOT_AUTHORIZED, hint="Remove it, and sign in: pressroom login"
                ) from None

    @staticmethod
    def _require_private(path: Path, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise CommandError(f"{path} belongs to somebody else: its tokens are not used", ExitCode.NOT_AUTHORIZED)
        if found.st_mode & _OTHERS:
            mode, wanted = stat.S_IMODE(found.st_mode), "700" if stat.S_ISDIR(found.st_mode) else "600"
            raise CommandError(
                f"others may use {path} (mode {mode:o}): its tokens are not used",
                ExitCode.NOT_AUTHORIZED,
                hint=f"If nobody has read it: chmod {wanted} {path}; else remove it, and sign in again.",
            )

    def _replace(self, text: str) -> None:
        try:
            descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".sign-ins-")  # with mode 0600
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            Path(temporary).replace(self.path)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> CommandError:
        return CommandError(f"{self.path} cannot be used: {error.strerror}", ExitCode.NOT_AUTHORIZED)
