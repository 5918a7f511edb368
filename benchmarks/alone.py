"""The program of :mod:`benchmarks.handled`: one function alone in its process, as Lambda has it.

It imports nothing but the standard library and the function, so that what is measured is the function's. The last
line that it prints is the answer; whatever stands before it the function has logged.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

_STATUS = Path("/proc/self/status")


class Context:
    """As much of Lambda's context as the handlers ask for."""

    function_name = "pressroom-benchmark"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:pressroom-benchmark"

    def __init__(self, number: int) -> None:
        self.aws_request_id = f"00000000-0000-0000-0000-{number:012}"

    def get_remaining_time_in_millis(self) -> int:
        """What the time-out leaves."""
        return 900_000


def kilobytes() -> int:
    """The most that this process has held in memory.

    Not ``ru_maxrss``, which a process inherits from the one that started it, however large that was. Linux only.
    """
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def main(module: str) -> None:
    """Handle the events on standard input, one after the other."""
    events = json.load(sys.stdin)
    handler = importlib.import_module(module).handler
    imported = kilobytes()
    cpu, peaks, answers = [], [], []
    for number, event in enumerate(events):
        before = time.process_time()
        answers.append(handler(event, Context(number)))
        cpu.append(time.process_time() - before)
        peaks.append(kilobytes())
    print("\n" + json.dumps({"imported": imported, "peaks": peaks, "cpu": cpu, "answers": answers}))


if __name__ == "__main__":
    main(sys.argv[1])
