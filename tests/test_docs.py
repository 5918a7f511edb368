"""What the documents promise exists."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

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


def test_pressroom_commands_exist_when_a_page_names_them() -> None:
    named = set().union(*(commands(page.read_text("utf-8"), "pressroom") for page in PAGES))
    known = subprocess.run(
        [sys.executable, "-m", "pressroom.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert {name for name in named if not re.search(rf"^\W*{name}\s", known, re.MULTILINE)} == set()


def test_decisions_are_numbered_without_gaps_when_listed() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=relative)
def test_decision_gives_context_choice_and_what_was_rejected_when_read(path: Path) -> None:
    text = path.read_text("utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Rejected", "Consequences"]
