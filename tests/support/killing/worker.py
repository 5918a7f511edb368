"""A worker of the crash matrix: a process with a theatre of its own, told by lines on its standard input what to do.

Run as a program (``python -m tests.support.killing.worker``). A line is JSON: a flow's number and a point's, or null
for a run in which nobody dies. The answer is a line too. It ends when its input does, and with it its emulator and the
process that it forks.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tests.support.killing.flows import die_at, live_through, points_of
from tests.support.killing.registry import FLOWS
from tests.support.killing.theatre import open_theatre

if TYPE_CHECKING:
    from tests.support.killing.theatre import Theatre

__all__ = ["Task", "Told"]

Task = tuple[int, int | None]
"""The number of a flow, and that of one of its points."""
_MOST_CHARACTERS: Final = 600


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a task.

    Attributes:
        outcome: how the jobs ended, or what did not hold.
        passed: whether everything held.
        calls: what a run made in which nobody died.
    """

    outcome: str
    passed: bool = True
    calls: tuple[str, ...] = ()


def _carry_out(theatre: Theatre, task: Task) -> Told:
    flow = FLOWS[task[0]]
    try:
        with redirect_stdout(io.StringIO()):  # metrics of the survivors
            if task[1] is None:
                return Told(flow.ends[0], calls=live_through(theatre, flow))
            return Told(die_at(theatre, flow, points_of(flow)[task[1]]))
    except Exception as error:  # noqa: BLE001  the edge of a task: the table tells, the others go on
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Told(told[:_MOST_CHARACTERS], passed=False)


def _main() -> None:
    with open_theatre() as theatre:
        for line in sys.stdin:
            flow, point = json.loads(line)
            told = _carry_out(theatre, (flow, point))
            sys.stdout.write(json.dumps(asdict(told)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _main()
