"""CPU time of this process and its descendants, by what they are. Linux only: read from /proc."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

__all__ = ["cpu_seconds"]

_PROC: Final = Path("/proc")
_NAMES: Final = {
    "pressroom.local.emulator": "the emulator",
    "pressroom.local.zygote": "the handlers' workers",
}
_OTHERS: Final = "the runtime's drivers, the client, and the offline Claude"
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Fields of /proc/<pid>/stat behind the process's name."""


def cpu_seconds() -> dict[str, float]:
    """CPU seconds so far, user and system, by process; empty where there is no /proc."""
    if not _PROC.exists():
        return {}
    stats = {int(folder.name): _fields(folder) for folder in _PROC.iterdir() if folder.name.isdigit()}
    spent: Counter[str] = Counter()
    for pid, fields in stats.items():
        if fields and _descends(pid, stats):
            ticks = int(fields[_USER]) + int(fields[_SYSTEM])
            spent[_name(pid)] += ticks / os.sysconf("SC_CLK_TCK")  # type: ignore[assignment]
    return dict(spent)


def _fields(folder: Path) -> list[str]:
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return []


def _descends(pid: int, stats: dict[int, list[str]]) -> bool:
    while stats.get(pid):
        if pid == os.getpid():
            return True
        pid = int(stats[pid][_PARENT])
    return False


def _name(pid: int) -> str:
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return _OTHERS
    return next((name for module, name in _NAMES.items() if module in command), _OTHERS)
