"""Starting our own processes: what they inherit, and how they end."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pressroom.local.errors import PartDiedError
from pressroom.local.worker import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CREDENTIALS", "FAREWELL", "Child", "inherited", "python", "tail"]

CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What an emulator takes. A person's real account is never handed on."""

FAREWELL: Final = b"end"
"""What a child reads before the end of its input when the runtime ends it in order, rather than being killed."""

_ROOT: Final = Path(__file__).parents[2]
_FOREIGN: Final = ("AWS_", "PRESSROOM_", "ANTHROPIC_", "POWERTOOLS_", "PYTHONPATH", "PYTHONSTARTUP")
_LOOPBACK: Final = "127.0.0.1,localhost,::1"
_END_SECONDS: Final = 5.0
_TAIL_BYTES: Final = 4000


def inherited(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of a child: the user's without accounts and keys, our temporary folder, no proxy to loopback."""
    own = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    no_proxy = ",".join(filter(None, (environ.get("NO_PROXY") or environ.get("no_proxy"), _LOOPBACK)))
    return (
        own
        | CREDENTIALS
        | {
            "TMPDIR": str(folder),
            "PYTHONPATH": str(_ROOT),
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            # macOS refuses system libraries after a fork of a process that touched them, unless told otherwise.
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
        }
    )


def python(module: str, *arguments: str) -> list[str]:
    """A command that runs one of our modules; ``-P`` keeps files of the user's folder from shadowing modules."""
    return [sys.executable, "-P", "-m", module, *arguments]


def tail(log: Path | None) -> str:
    """The end of a log, for a message; nothing of one that went to standard error."""
    if log is None:
        return ""
    try:
        return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""


class Child:
    """A process that ends when its standard input closes, which is when we end, however we end."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        stdout: int | None = None,
    ) -> None:
        self._name = name
        self._log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                command,
                env=dict(environ),
                bufsize=0,  # else closing the input of a child that has ended tries to write again
                stdin=subprocess.PIPE,
                stdout=stream if stdout is None else stdout,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is for us; we end our children in order
            )

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def check(self) -> None:
        """Looks whether it still runs.

        Raises:
            PartDiedError: it does not.
        """
        if not self.is_running():
            raise PartDiedError(f"{self._name} has ended:\n{tail(self._log)}")

    def close(self, *, farewell: bytes = b"") -> None:
        """Ends it."""
        process = self.process
        if process.stdin is not None and farewell:
            with suppress(OSError):  # it ended by itself
                process.stdin.write(farewell)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
