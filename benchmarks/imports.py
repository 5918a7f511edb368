"""What importing each handler costs, as a ratio to a bare botocore DynamoDB client: the start of a cold function."""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from typing import Final

__all__ = ["CEILINGS", "ratios"]

CEILINGS: Final = {"api": 1.8, "finalizer": 1.3, "journal": 1.3, "sweeper": 1.4, "dead_letters": 1.4}
"""What each may cost at most."""
_BARE: Final = (
    "import botocore.session;"
    "botocore.session.get_session().create_client('dynamodb', region_name='us-east-1',"
    " aws_access_key_id='a', aws_secret_access_key='b')"
)
_HANDLER: Final = "import functions.{name}.handler"
_MEASURE: Final = (
    "import resource, sys\n"
    "def cpu():\n"
    "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    return used.ru_utime + used.ru_stime\n"
    "before = cpu()\n"
    "{statement}\n"
    "print(cpu() - before, 'anthropic' in sys.modules)\n"
)


def _cpu_seconds(statement: str) -> tuple[float, bool]:
    """CPU seconds of ``statement`` in a fresh interpreter, and whether it loaded anthropic."""
    script = _MEASURE.format(statement=statement)
    answer = subprocess.run(  # noqa: S603  our own interpreter and our own text
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    seconds, loaded = answer.stdout.split()
    return float(seconds), loaded == "True"


def ratios(runs: int = 5) -> dict[str, tuple[float, bool]]:
    """Handler → median CPU of its import over that of a bare client, in pairs; and whether anthropic was loaded."""
    result: dict[str, tuple[float, bool]] = {}
    for name in ("api", "processor", "finalizer", "journal", "sweeper", "dead_letters"):
        statement = _HANDLER.format(name=name)
        pairs = [(_cpu_seconds(statement), _cpu_seconds(_BARE)[0]) for _ in range(runs)]
        result[name] = (median(seconds / bare for (seconds, _), bare in pairs), pairs[0][0][1])
    return result
