"""What starting each function costs before its first event: CPU time of importing it from its own bundle.

The bundles are real ones, built for this machine. Beside them stands what Lambda's runtime brings, and nothing else,
so that no package of the checkout helps or harms. A ratio to a bare botocore client of DynamoDB, measured in turn with
it, holds on any machine.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import botocore

from infra.bundles import bundle
from infra.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CEILINGS", "FUNCTIONS", "MAX_MEGABYTES", "build", "host", "lay_out_runtime", "megabytes", "ratio"]

CEILINGS: Final = {
    "api": 1.8,
    "dead_letters": 1.2,
    "finalizer": 1.2,
    "journal": 1.2,
    "processor": 5.0,
    "sweeper": 1.2,
}
"""What each may cost at most, as a ratio."""
FUNCTIONS: Final = tuple(CEILINGS)
MAX_MEGABYTES: Final = {name: 24.0 if name == "processor" else 12.0 for name in FUNCTIONS}
"""What each may weigh unpacked, without its compiled files."""
_RUNTIME: Final = ("botocore", "dateutil", "jmespath", "s3transfer", "boto3", "six.py", "urllib3")
_MACHINES: Final = {"aarch64": "arm64", "arm64": "arm64", "amd64": "x86_64", "x86_64": "x86_64"}
_BARE: Final = (
    "import botocore.session;"
    "botocore.session.get_session().create_client('dynamodb', region_name='us-east-1',"
    " aws_access_key_id='a', aws_secret_access_key='b')"
)
_MEASURE: Final = (
    "import resource\n"
    "def cpu():\n"
    "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    return used.ru_utime + used.ru_stime\n"
    "before = cpu()\n"
    "{statement}\n"
    "print(cpu() - before)\n"
)


def host() -> Platform:
    """This machine, as a function's platform."""
    return Platform(_MACHINES[platform.machine().lower()], f"{sys.version_info.major}.{sys.version_info.minor}")


def lay_out_runtime(folder: Path) -> Path:
    """What Lambda's runtime brings, as links to this environment's packages; ``folder`` itself."""
    site = Path(botocore.__file__).parent.parent
    for name in _RUNTIME:
        (folder / name).symlink_to(site / name)
    return folder


def build(function: str, folder: Path) -> Path:
    """The bundle of ``function`` for this machine, in a folder of ``folder``."""
    bundle(function, host(), folder / function)
    return folder / function


def megabytes(folder: Path) -> float:
    """What a bundle weighs without its compiled files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc") / 1e6


def ratio(function: str, unpacked: Path, runtime: Path, runs: int = 3) -> float:
    """CPU of importing ``function`` over that of a bare client: of each the best of ``runs``, taken in turns."""
    path = (unpacked, runtime)
    start = f"import functions.{function}.handler"
    pairs = [(_cpu_seconds(start, path), _cpu_seconds(_BARE, path)) for _ in range(runs)]
    return min(ours for ours, _ in pairs) / min(bare for _, bare in pairs)


def _cpu_seconds(statement: str, path: Sequence[Path]) -> float:
    """CPU seconds of ``statement`` in a fresh interpreter that finds only ``path`` and the standard library."""
    answer = subprocess.run(  # noqa: S603  our own interpreter and our own text
        [sys.executable, "-S", "-c", _MEASURE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(map(str, path)), "AWS_DEFAULT_REGION": "us-east-1"},
    )
    return float(answer.stdout)
