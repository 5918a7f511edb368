"""The AWS emulator that the runtime starts: ministack on a loopback port of its own.

Run as a program, this module *is* the emulator's process. It ends when its standard input closes, so that it goes
with the runtime however that ends; after a runtime that was killed it removes the runtime's folder, too.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pressroom.local.children import FAREWELL, Child, inherited, python, tail
from pressroom.local.errors import StartError
from pressroom.local.listener import HOST
from pressroom.local.zygote import remove_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Emulator"]

_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.03
_TRIES: Final = 3


class Emulator:
    """A running ministack. Starting takes 0.6 s; :meth:`wait_until_healthy` waits for it."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = inherited(environ, folder)
        self._folder = folder
        self._log = folder / "ministack.log"
        self._start()

    @property
    def endpoint_url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self._port}"

    def wait_until_healthy(self) -> None:
        """Waits until it answers; starts it again on another port if somebody took its port first.

        Raises:
            StartError: it did not start.
        """
        for _ in range(_TRIES):
            if self._answers():
                return
            self.close()
            self._start()
        raise StartError(f"the AWS emulator (ministack) did not start:\n{tail(self._log)}")

    def check(self) -> None:
        """Raises PartDiedError if it has ended."""
        self._child.check()

    def close(self) -> None:
        """Ends it. What it held is gone."""
        self._child.close(farewell=FAREWELL)

    def _start(self) -> None:
        self._port = _free_port()
        environ = self._environ | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "STATE_DIR": str(self._folder / "state"),
            "S3_DATA_DIR": str(self._folder / "s3"),
        }
        command = python("pressroom.local.emulator", str(self._folder))
        self._child = Child("the AWS emulator (ministack)", command, environ=environ, log=self._log)

    def _answers(self) -> bool:
        opener = build_opener(ProxyHandler({}))
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._child.is_running():
            try:
                with opener.open(f"{self.endpoint_url}/_ministack/health", timeout=2):
                    return True
            except (URLError, OSError):
                time.sleep(_POLL_SECONDS)
        return False


def _free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent(folder: Path) -> None:
    """Waits for the end of standard input, which is the end of the runtime."""
    if sys.stdin.buffer.read() != FAREWELL:
        remove_folder(folder)
    os._exit(0)


def _main(folder: Path) -> None:
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    from ministack.app import main  # noqa: PLC0415  only the emulator's own process loads it

    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
