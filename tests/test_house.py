"""The rules of the house that no linter holds."""

from __future__ import annotations

import ast
import re
import tomllib

from tests.support.repository import PACKAGES, ROOT, files, modules, relative

DRAWERS = {"base", "common", "constants", "helpers", "misc", "tools", "util", "utils"}
"""Names that say nothing about what is inside."""
MIRRORED = {*PACKAGES, "benchmarks"}
THIS = "tests/test_house.py"


def test_tests_are_no_packages_when_they_mirror_the_source() -> None:
    # tests/functions/__init__.py would shadow the real functions package.
    assert [relative(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_no_module_is_a_drawer_when_named() -> None:
    drawers = [
        relative(path)
        for path in files(".py")
        if DRAWERS & {path.stem, *(part for part in path.relative_to(ROOT).parts[:-1])}
    ]

    assert drawers == []


def test_every_test_file_has_its_source_when_it_stands_under_a_package() -> None:
    orphans = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        package = path.relative_to(ROOT / "tests").parent
        if not package.parts or package.parts[0] not in MIRRORED:
            continue
        about = path.stem.removeprefix("test_")
        sources = {
            module.stem.strip("_") for module in (ROOT / package).glob("*") if module.suffix == ".py" or module.is_dir()
        }
        sources |= {package.name, "imports"}  # the package itself, and what it may load
        if not any(about == source or about.startswith(f"{source}_") for source in sources):
            orphans.append(relative(path))

    assert orphans == []


def test_no_test_is_skipped_or_expected_to_fail_when_collected() -> None:
    banned = re.compile(r"pytest\.(skip|importorskip|xfail|mark\.(skip|skipif|xfail))$")
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and banned.match(ast.unparse(node))
    ]

    assert found == []


def test_test_names_say_what_happens_when_read() -> None:
    # test_<what it does>_when_<state>; at the least a sentence, and no word that says nothing.
    sentence = re.compile(r"test_([a-z0-9]+_){2,}[a-z0-9]+$")
    says_nothing = re.compile(r"^((?!_when_).)*_(works|fails|correctly|properly|ok)$")
    vague = [
        f"{relative(path)}: {node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if says_nothing.match(node.name) or not sentence.match(node.name)
    ]

    assert vague == []


def test_no_unfinished_work_is_left_when_committed() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{relative(path)}:{number}"
        for path in files(".py")
        if relative(path) != THIS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marks.search(line)
    ]

    assert found == []


def test_no_path_of_one_machine_stands_anywhere_when_committed() -> None:
    homes = re.compile(r"(?<![\w.])/(home|root|Users|work)/\w")
    found = [
        f"{relative(path)}:{number}"
        for path in files(".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", "")
        if relative(path) != THIS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if homes.search(line)
    ]

    assert found == []


def test_time_is_asked_of_the_clock_when_a_module_needs_it() -> None:
    # Ruff bans the calls; this holds how many places may lift the ban.
    lifted = [relative(path) for path in modules() if "noqa: TID251" in path.read_text("utf-8")]

    assert lifted == ["shared/clock.py"]


def test_every_function_has_its_group_and_lock_when_it_is_a_lambda() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lambdas = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert lambdas <= set(project["dependency-groups"])
    assert [name for name in sorted(lambdas) if not (ROOT / "requirements" / f"{name}.txt").is_file()] == []
    assert [name for name in sorted(lambdas) if not (ROOT / "functions" / name / "settings.py").is_file()] == []


def test_packages_tell_type_checkers_that_they_are_typed_when_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert [name for name in shipped if not (ROOT / name / "py.typed").is_file()] == []
