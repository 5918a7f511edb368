"""What the documents promise exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest
from typer._click.exceptions import BadOptionUsage, MissingParameter, UsageError
from typer.core import TyperGroup
from typer.main import get_command

from pressroom.cli.app import app
from tests.support.repository import ROOT, files, relative

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAGES = sorted(files(".md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^\.PHONY: ([\w-]+)$", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z_]+) *\?=", MAKEFILE, re.MULTILINE))


WORDS = {
    "CODE": "timeout",
    "JOB": "job_01JDA4Y3C0D1E2F3G4H5J6K7M8",
    "NUMBER": "7",
    "PROJECT": "prj_01JDA4Y2Z7QK3M8N5P6R9S0T1V",
}
"""What stands for a word that a reader fills in; any other is as good as its own value."""


def code_of(text: str) -> tuple[list[str], list[str]]:
    """The lines of a page's blocks of code, continued ones joined, and its spans of code, which may go over a line."""
    fence = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    blocks = [line.strip() for block in fence.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    prose = re.split(r"\n\s*\n", fence.sub("\n\n", text))
    return blocks, [" ".join(span.split()) for part in prose for span in re.findall(r"`([^`]+)`", part)]


def words_of(line: str, program: str) -> list[str] | None:
    """The words after ``program``, if the line calls it; what follows in a pipe or behind a # is not its own."""
    called = re.match(rf"(?:\$ |[A-Z_]+=\S+ )*{program}(?= |$)(.*)", line)
    if called is None:
        return None
    words = shlex.split(called[1], comments=True)
    ends = [number for number, word in enumerate(words) if word in {"|", ">", "&&", ";"}]
    return words[: ends[0]] if ends else words


def called(text: str, program: str) -> list[list[str]]:
    """Every call of ``program`` on a page."""
    blocks, spans = code_of(text)
    return [words for line in [*blocks, *spans] if (words := words_of(line, program))]


def refusal(words: Sequence[str], *, whole: bool) -> str | None:
    """Why the command line refuses ``words``; it is parsed and not run. One that is not whole only names commands."""
    command, left, context = get_command(app), [WORDS.get(word, word) for word in words], None
    try:
        while isinstance(command, TyperGroup):
            if not left:
                return "no command" if whole else None
            context = command.make_context("pressroom", list(left), parent=context)
            _, found, left = command.resolve_command(context, left)
            assert found is not None
            command = found
        command.make_context("pressroom", list(left), parent=context)
    except (BadOptionUsage, MissingParameter) as missing:
        return missing.format_message() if whole else None
    except UsageError as error:
        return error.format_message()
    return None


def test_help_lists_every_target_when_asked() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607

    assert {line.split()[1] for line in listed.splitlines() if line.startswith("  make ")} == TARGETS
    assert {"help", "setup", "demo", "local", "test", "check", "acceptance", "bench", "synth", "fmt"} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_takes_every_target_and_variable_when_a_page_names_them(page: Path) -> None:
    named = [word for words in called(page.read_text("utf-8"), "make") for word in words]
    variables = {word.partition("=")[0] for word in named if "=" in word}

    assert {word for word in named if "=" not in word} <= TARGETS
    assert variables <= VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere_when_a_page_has_them(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_headings_are_there_when_a_page_links_to_them(page: Path) -> None:
    def headings(of: Path) -> set[str]:
        found = re.findall(r"^#+ (.+)$", of.read_text("utf-8"), re.MULTILINE)
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}

    links = re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", page.read_text("utf-8"))

    assert [(path, to) for path, to in links if to not in headings(page.parent / path if path else page)] == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_command_line_takes_every_call_when_a_page_shows_it(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TABLE_NAME", "QUEUE_URL", "TOPIC_ARN"):  # which a page says once, and not in every line
        monkeypatch.setenv(f"PRESSROOM_{name}", "set")
    blocks, spans = code_of(page.read_text("utf-8"))
    shown = [(line, True) for line in blocks] + [(span, False) for span in spans]
    calls = [(line, words, whole) for line, whole in shown if (words := words_of(line, "pressroom")) is not None]

    refused = {line: refusal(words, whole=whole) for line, words, whole in calls}

    assert {line: why for line, why in refused.items() if why} == {}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("pressroom admin sweeps", "No such command 'sweeps'."),
        ("pressroom admin inspect JOB --projects PROJECT", "No such option: --projects"),
        ("pressroom retry JOB --code nonsense", "Invalid value for '--code'"),
        ("pressroom retry --code timeout", "Missing argument 'JOB'."),
        ("pressroom show JOB JOB", "Got unexpected extra argument"),
        ("pressroom admin", "no command"),
        ("pressroom retry JOB --code CODE --position NUMBER  # some", None),
    ],
)
def test_wrong_call_is_found_when_a_page_would_show_it(line: str, why: str | None) -> None:
    refused = refusal(words_of(line, "pressroom") or [], whole=True)

    assert refused is None if why is None else refused is not None and refused.startswith(why)


def test_decisions_are_numbered_without_gaps_when_listed() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=relative)
def test_decision_gives_context_choice_and_what_was_rejected_when_read(path: Path) -> None:
    text = path.read_text("utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Rejected", "Consequences"]
