"""Looking at processes: who lives, and who is whose child. Linux."""

from __future__ import annotations

import os
import subprocess
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["children_of", "descendants_of", "is_gone", "listening_addresses"]


def _table() -> dict[int, tuple[int, str]]:
    """Parent and state by process id."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="],  # noqa: S607  wherever ps is
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    rows = (line.split(None, 2) for line in listing.splitlines())
    return {int(pid): (int(parent), state) for pid, parent, state in rows}


def is_gone(pid: int, *, within_seconds: float = 30.0) -> bool:
    """Whether the process ends in time; one that only waits to be reaped has ended."""
    end = time.monotonic() + within_seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _table().get(pid, (0, "Z"))[1].startswith("Z"):
            return True
        time.sleep(0.05)
    return False


def children_of(pid: int) -> list[int]:
    """The living children of a process, except the listing itself."""
    return [child for child, (parent, state) in _table().items() if parent == pid and not _is_ps(child, state)]


def descendants_of(pid: int) -> list[int]:
    """All living processes below one."""
    found = children_of(pid)
    return found + [below for child in found for below in descendants_of(child)]


def _is_ps(child: int, state: str) -> bool:
    """Our own ``ps`` has ended when its listing is read."""
    if state.startswith("Z"):
        return True
    try:
        os.kill(child, 0)
    except ProcessLookupError:
        return True
    return False


def listening_addresses(pids: Iterable[int]) -> list[str]:
    """The addresses of the TCP sockets that the processes listen on, one entry a socket."""
    own = {
        str(link.readlink())
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in own:
                words = [local[start : start + 8] for start in range(0, len(local.partition(":")[0]), 8)]
                found.append(str(ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))))
    return found
