"""The runtime's folder: temporary files and logs of all its processes; removed at the end.

A running runtime holds a lock on its folder. Whoever starts next removes the folders whose lock nobody holds, which
are those of runtimes that died with the machine, or with all their processes at once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pressroom.local.zygote import remove_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["runtime_folder"]

_PREFIX: Final = "pressroom-local-"
_UNLOCKED_PREFIX: Final = "pressroom-starting-"
"""Nobody may take a folder for a dead one's before it is locked."""
_LOCK: Final = "lock"


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A new folder under the temporary directory, locked while it is in use."""
    area = Path(tempfile.gettempdir())
    for stale in area.glob(f"{_PREFIX}*/{_LOCK}"):
        _remove_if_unlocked(stale)
    folder = Path(tempfile.mkdtemp(prefix=_UNLOCKED_PREFIX))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = folder.rename(area / folder.name.replace(_UNLOCKED_PREFIX, _PREFIX))
        yield folder
    finally:
        remove_folder(folder)
        os.close(lock)


def _remove_if_unlocked(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return  # gone meanwhile, or somebody else's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path.parent, ignore_errors=True)
    except BlockingIOError:
        pass  # in use
    finally:
        os.close(lock)
