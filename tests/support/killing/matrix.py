"""The whole crash matrix: every point of every flow, each with a process that is killed there.

``make crash-matrix`` prints a row a point and writes ``docs/crash-matrix.md``. With ``ARGS``: ``--flow TEXT`` only
flows with that in their name (may be given again), ``--sample N`` only N points of each beside those between its
writes, ``--workers N``, ``--record`` writes the calls that the flows' runs make into ``calls.json`` instead of killing
anything. A run of some flows replaces their rows on the page, one of a sample none; nor does one in which something
failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.killing.flows import CALLS, points_of, record
from tests.support.killing.registry import FLOWS, sample
from tests.support.killing.worker import Told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.killing.flows import Flow, Point
    from tests.support.killing.worker import Task

__all__ = ["PAGE", "Row", "page", "rows_on"]

PAGE: Final = Path(__file__).parents[3] / "docs" / "crash-matrix.md"
_SEED: Final = 1

_HEAD: Final = """# The crash matrix

In each flow below a function runs as a process of its own, with its real handler, against the emulator. The process is
killed (SIGKILL) before each of its calls to AWS and to Claude, and when it has done everything, before anybody gets its
answer: {points} points in {flows} flows. After a call and before the next one are the same point, because nothing that
a process does in between outlives it. Then messages and records come back, people ask again or do not, the sweeper and
other workers go on; and each job ends with one outcome an item, an exact ledger, no second call for an outcome that was
recorded, and one notification id a generation
([how, and why so](decisions/0017-a-process-is-killed-not-an-exception.md)).

`make crash-matrix` runs all of it and writes this page; CI runs a sample. A call that writes the table is named with
its transition.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A point and how the jobs ended."""

    flow: str
    point: str
    outcome: str


def page(rows: Sequence[Row]) -> str:
    """The page of a whole run."""
    lines = [_HEAD.format(points=len(rows), flows=len({row.flow for row in rows}))]
    flow = ""
    for row in rows:
        if row.flow != flow:
            flow = row.flow
            lines.append(f"\n## {flow}\n\n| killed before | and the jobs ended as |\n|---|---|\n")
        lines.append(f"| {row.point} | {row.outcome} |\n")
    return "".join(lines)


def rows_on(text: str) -> list[Row]:
    """The rows of a page."""
    found: list[Row] = []
    flow = ""
    for line in text.splitlines():
        if line.startswith("## "):
            flow = line.removeprefix("## ")
        elif line.startswith("| ") and line[2].isdigit():
            point, outcome = line.strip("| ").split(" | ")
            found.append(Row(flow, point, outcome))
    return found


def _write(rows: Sequence[Row]) -> None:
    """Put ``rows`` on the page, in the order of the flows; what is no flow any more goes."""
    kept = rows_on(PAGE.read_text("utf-8")) if PAGE.exists() else []
    of_flow: dict[str, list[Row]] = {}
    new = {row.flow for row in rows}
    for row in (*rows, *(row for row in kept if row.flow not in new)):
        of_flow.setdefault(row.flow, []).append(row)
    PAGE.write_text(page([row for flow in FLOWS for row in of_flow.get(flow.name, ())]), "utf-8")
    _say(f"docs/{PAGE.name} is written.")


class _Workers:
    """Processes that carry out tasks, one each at a time. They end with this process, however it ends."""

    def __init__(self, count: int) -> None:
        self._free = [_start() for _ in range(count)]
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(count)

    def carry_out(self, tasks: Sequence[Task]) -> Iterator[Told]:
        """What became of each task, in their order."""
        return self._threads.map(self._ask, tasks)

    def _ask(self, task: Task) -> Told:
        with self._lock:
            worker = self._free.pop()
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(task) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        with self._lock:
            self._free.append(worker)
        return Told(**json.loads(line)) if line else Told("the worker ended", passed=False)

    def close(self) -> None:
        """End them."""
        self._threads.shutdown(cancel_futures=True)
        for worker in self._free:
            worker.communicate()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.killing.worker"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _tasks(flows: Sequence[Flow], further: int | None) -> Iterator[Task]:
    for flow in flows:
        points = points_of(flow)
        chosen: Sequence[Point] = points if further is None else sample(flow, further, seed=_SEED)
        for point in chosen:
            yield FLOWS.index(flow), points.index(point)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash-matrix ARGS=...", description=__doc__)
    parser.add_argument(
        "--flow", action="append", metavar="TEXT", help="only flows with this in their name; may be given again"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="N points a flow beside those between its writes")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes, each with an emulator")
    parser.add_argument("--record", action="store_true", help="write what the flows call, and kill nothing")
    return parser.parse_args()


def main() -> int:
    """Run it; the exit code."""
    arguments = _arguments()
    flows = [flow for flow in FLOWS if any(text in flow.name for text in arguments.flow or [""])]
    if not flows:
        _say(f"no flow has any of {arguments.flow} in its name")
        return 2
    with ExitStack() as stack:
        workers = _Workers(arguments.workers)
        stack.callback(workers.close)
        if arguments.record:
            return _record(workers, flows)
        return _kill(workers, flows, arguments.sample)


def _kill(workers: _Workers, flows: Sequence[Flow], further: int | None) -> int:
    """Carry the points out and print them; write them on the page too, if they were all and all held."""
    began, rows, failed = time.monotonic(), [], 0
    tasks = list(_tasks(flows, further))
    for (flow, point), told in zip(tasks, workers.carry_out(tasks), strict=True):
        assert point is not None
        row = Row(FLOWS[flow].name, str(points_of(FLOWS[flow])[point]), told.outcome)
        rows.append(row)
        failed += not told.passed
        _say(f"{'ok    ' if told.passed else 'FAILED'}  {row.flow}  |  {row.point}  |  {row.outcome}")
    _say(f"{len(rows)} points, {failed} failed, in {time.monotonic() - began:.0f} s")
    if not failed and further is None:
        _write(rows)
    return 1 if failed else 0


def _record(workers: _Workers, flows: Sequence[Flow]) -> int:
    """Write what the runs of ``flows`` make, keep the others, drop what is no flow any more; print what has changed."""
    before: Mapping[str, Sequence[str]] = json.loads(CALLS.read_text("utf-8")) if CALLS.exists() else {}
    after = {flow.name: before[flow.name] for flow in FLOWS if flow.name in before}
    failed = 0
    for flow, told in zip(flows, workers.carry_out([(FLOWS.index(flow), None) for flow in flows]), strict=True):
        failed += not told.passed
        if not told.passed:
            _say(f"FAILED  {flow.name}  |  {told.outcome}")
        elif list(told.calls) != before.get(flow.name):
            after[flow.name] = told.calls
            _say(f"{flow.name}:\n  was {before.get(flow.name)}\n  is  {list(told.calls)}")
    record({flow.name: after[flow.name] for flow in FLOWS if flow.name in after})
    _say(f"{CALLS.name} is written: look at its changes as at any other's. {failed} flows failed.")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
