from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.acceptance import LIST, Line, read_lines

if TYPE_CHECKING:
    import pytest

TESTS = Path(__file__).parents[1]
LINES = read_lines(LIST.read_text("utf-8"))

pytest_plugins = ["pytester"]


def marked_numbers() -> set[int]:
    """Every number in an ``acceptance(...)`` mark under tests/."""
    numbers: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.acceptance":
                numbers |= {ast.literal_eval(argument) for argument in node.args}
    return numbers


def test_list_has_every_number_once_when_read() -> None:
    assert [line.number for line in LINES] == list(range(1, 54))


def test_rows_become_lines_when_they_are_well_formed() -> None:
    text = "| no | behaviour | today |\n|---|---|---|\n| 3 | A quota | part: the sweep |\n"

    assert read_lines(text) == [Line(3, "A quota", "part: the sweep")]


def test_every_marked_number_is_in_the_list_when_tests_are_marked() -> None:
    assert marked_numbers() <= {line.number for line in LINES}


def test_list_says_which_lines_have_tests_when_compared_with_the_marks() -> None:
    assert {line.number for line in LINES if line.today != "later"} == marked_numbers()


def test_table_shows_number_tests_and_result_when_marked_tests_ran(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nmarkers = ["acceptance(number): x"]')
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.acceptance(4)
        def test_a(): pass

        @pytest.mark.acceptance(4, 6)
        def test_b(): assert False

        @pytest.mark.acceptance(29)
        def test_c(): pass
        """
    )

    result = pytester.runpytest_inprocess("-p", "tests.support.acceptance", "-p", "no:cov", "--acceptance-table")

    result.stdout.fnmatch_lines(
        ["  1      0  -  *", "  4      2  FAILED *", "  6      1  FAILED *", " 29      1  passed *"]
    )
    result.stdout.fnmatch_lines(["1 lines shown, 2 broken"])
