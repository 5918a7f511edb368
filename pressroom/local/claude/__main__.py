"""``python -m pressroom.local.claude``: the offline Claude as a process of its own."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
from typing import TYPE_CHECKING

from pressroom.local.claude.server import OfflineClaude

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

_LATENCY_SECONDS = 0.4


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or, with ``--with-parent``, the end of standard input. The exit code."""
    options = _options(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        claude = OfflineClaude(port=options.port, latency_seconds=options.latency, rate=options.rate)
    except OSError as error:
        sys.stderr.write(f"cannot listen on port {options.port}: {error.strerror}\n")
        return 1
    with claude:
        sys.stdout.write(f"listening on {claude.base_url}\n")
        sys.stdout.flush()
        if options.with_parent:
            threading.Thread(target=_end_with, args=(sys.stdin.buffer, ended), daemon=True).start()
        ended.wait()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pressroom.local.claude", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=_LATENCY_SECONDS, help="seconds an answer takes on average")
    parser.add_argument("--rate", type=_positive, help="requests a second that are allowed; the others get 429")
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input ends, that is, with the parent"
    )
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _end_with(stream: BinaryIO, ended: threading.Event) -> None:
    while stream.read(4096):
        pass
    ended.set()


if __name__ == "__main__":
    raise SystemExit(main())
