"""What the documents promise exists."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import typer

from pressroom.cli.app import app
from tests.support.repository import ROOT, files, relative

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(files(".md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^\.PHONY: ([\w-]+)$", MAKEFILE, re.MULTILINE))


def commands(text: str, program: str) -> set[str]:
    """The sub-commands of ``program`` that a page shows, in code only."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    code = "\n".join([*blocks, *spans])
    return set(re.findall(rf"^(?:\$ |[A-Z_]+=\S+ )*{program} ([a-z][a-z-]*)", code, re.MULTILINE))


def test_help_lists_every_target_when_asked() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607

    assert {line.split()[1] for line in listed.splitlines() if line.startswith("  make ")} == TARGETS
    assert {"help", "setup", "demo", "local", "test", "check", "acceptance", "bench", "synth", "fmt"} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_targets_exist_when_a_page_names_them(page: Path) -> None:
    assert commands(page.read_text("utf-8"), "make") <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere_when_a_page_has_them(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def lines(text: str, program: str) -> list[list[str]]:
    """The words of every call of ``program`` that a page shows in code, without ``program`` itself."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    code = "\n".join([*blocks, *spans])
    found = re.findall(rf"^(?:\$ |[A-Z_]+=\S+ )*{program} (.*)$", code, re.MULTILINE)
    return [shlex.split(re.split(r" [|>&;]|\n", line)[0], comments=True) for line in found]


def misuse(words: list[str]) -> str | None:
    """What is wrong with a call of the command, as its own parser sees it; a sub-command alone may be spoken of."""
    command: Any = typer.main.get_command(app)
    taken = list(words)
    while taken and hasattr(command, "commands"):
        command = command.commands.get(taken.pop(0))
        if command is None:
            return f"no such command: {words}"
    if not taken:
        return None
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}
    given = 0
    while taken:
        name, _, value = taken.pop(0).partition("=")
        if not name.startswith("--"):
            given += 1
        elif name not in options:
            return f"no such option: {name} of {words}"
        elif taken and not value and not options[name].is_flag:
            taken.pop(0)  # its value; where there is none, the option itself is spoken of
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    least = sum(each.required for each in arguments)
    most = sum(each.nargs if each.nargs > 0 else 999 for each in arguments)
    is_spoken_of = all(word.startswith("--") for word in words[1:])
    return None if least <= given <= most or is_spoken_of else f"{given} arguments, not {least} to {most}: {words}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_pressroom_commands_are_as_their_parser_takes_them_when_a_page_shows_them(page: Path) -> None:
    assert [wrong for words in lines(page.read_text("utf-8"), "pressroom") if (wrong := misuse(words))] == []


@pytest.mark.parametrize(
    "line",
    ["no-such", "admin no-such", "show JOB --no-such", "show JOB JOB", "admin quota --items 5"],
)
def test_a_wrong_command_is_seen_when_a_page_shows_it(line: str) -> None:
    assert misuse(line.split())


def test_decisions_are_numbered_without_gaps_when_listed() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=relative)
def test_decision_gives_context_choice_and_what_was_rejected_when_read(path: Path) -> None:
    text = path.read_text("utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Rejected", "Consequences"]
