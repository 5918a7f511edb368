"""The acceptance list and its table: ``pytest -m acceptance --acceptance-table``.

The list is ``docs/acceptance.md``. A test names the lines it shows with ``@pytest.mark.acceptance(23)``; the table
has a row a line: number, title, tests, result. ``-v`` adds the tests' names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

__all__ = ["LIST", "Line", "read_lines"]

LIST: Final = Path(__file__).parents[2] / "docs" / "acceptance.md"
_ROW: Final = re.compile(r"^\| (\d+) \| (.+) \| (yes|later|part: .+) \|$")
_PROPERTY: Final = "acceptance"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list; ``today`` is ``yes``, ``later`` or ``part: <what is missing>``."""

    number: int
    title: str
    today: str


def read_lines(text: str) -> list[Line]:
    """The lines of the list, in the order of the page."""
    matches = (_ROW.match(row) for row in text.splitlines())
    return [Line(int(match[1]), match[2], match[3]) for match in matches if match]


class AcceptanceTable:
    """Collects the results of marked tests, from every worker, and prints the table at the end."""

    def __init__(self) -> None:
        self._failed: dict[int, dict[str, bool]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        numbers = [int(str(value)) for name, value in report.user_properties if name == _PROPERTY]
        for number in numbers:
            tests = self._failed[number]
            tests[report.nodeid] = tests.get(report.nodeid, False) or report.failed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("acceptance")
        terminalreporter.write_line(" no  tests  result   behaviour")
        for line in read_lines(LIST.read_text("utf-8")):
            tests = self._failed.get(line.number, {})
            terminalreporter.write_line(f"{line.number:3}  {len(tests):5}  {_result(tests):7}  {line.title}")
            if terminalreporter.verbosity > 0:
                for nodeid, failed in sorted(tests.items()):
                    terminalreporter.write_line(f"{'':12}{'FAILED' if failed else 'passed'}   {nodeid}")
        shown = sum(1 for tests in self._failed.values() if tests and not any(tests.values()))
        terminalreporter.write_line(f"{shown} lines shown, {_broken(self._failed)} broken")


def _result(tests: dict[str, bool]) -> str:
    if not tests:
        return "-"
    return "FAILED" if any(tests.values()) else "passed"


def _broken(failed: dict[int, dict[str, bool]]) -> int:
    return sum(1 for tests in failed.values() if any(tests.values()))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--acceptance-table", action="store_true", help="print the acceptance list with results")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--acceptance-table"):
        config.pluginmanager.register(AcceptanceTable(), "acceptance-table")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Puts the numbers where a report carries them from an xdist worker to the terminal."""
    for mark in item.iter_markers(_PROPERTY):
        item.user_properties.extend((_PROPERTY, number) for number in mark.args)
