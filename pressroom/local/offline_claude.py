"""Starting the offline Claude, a process of its own."""

from __future__ import annotations

import select
import subprocess
from typing import TYPE_CHECKING, Final

from pressroom.local.children import Child, inherited, python, tail
from pressroom.local.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["OfflineClaude"]

_START_SECONDS: Final = 30.0
_READY: Final = "listening on "


class OfflineClaude:
    """A running offline Claude; :meth:`wait_until_ready` gives its address."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._log = folder / "claude.log"
        self._child = Child(
            "the offline Claude",
            python("pressroom.local.claude", "--port", "0", "--with-parent"),
            environ=inherited(environ, folder),
            log=self._log,
            stdout=subprocess.PIPE,
        )

    def wait_until_ready(self) -> str:
        """Its address, ``http://127.0.0.1:<port>``.

        Raises:
            StartError: it did not start.
        """
        stdout = self._child.process.stdout
        if stdout is not None and select.select([stdout], [], [], _START_SECONDS)[0]:
            line = stdout.readline().decode(errors="replace").strip()
            if line.startswith(_READY):
                return line.removeprefix(_READY)
        raise StartError(f"the offline Claude did not start:\n{tail(self._log)}")

    def check(self) -> None:
        """Raises PartDiedError if it has ended."""
        self._child.check()

    def close(self) -> None:
        """Ends it."""
        self._child.close()
