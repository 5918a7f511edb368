"""The locks fit pyproject.toml, carry hashes and name no host. Read offline: nothing is resolved here."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.repository import ROOT

LOCKS = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))
RUNTIME = {"boto3", "botocore", "s3transfer"}
"""What the Lambda runtime brings and a bundle must not carry."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked version and the number of its hashes."""

    version: Version
    hashes: int


@cache
def pins(lock: str) -> dict[str, Pin]:
    """What a lock pins, by canonical name."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8").replace("\\\n", " ")
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", line):
            found[canonicalize_name(match[1])] = Pin(Version(match[2]), line.count("--hash=sha256:"))
    return found


def wanted(group: str) -> list[Requirement]:
    """What a dependency group of pyproject.toml asks for, with the groups that it includes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: list[Requirement] = []
    if group == "dev":
        found += [Requirement(text) for text in project["project"]["dependencies"]]
    for entry in project["dependency-groups"][group]:
        found += [Requirement(entry)] if isinstance(entry, str) else wanted(entry["include-group"])
    return found


def test_there_is_a_lock_for_development_and_for_each_bundle_when_listed() -> None:
    assert {"api", "dead_letters", "dev", "finalizer", "journal", "node", "processor", "sweeper", "uv"} <= set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_meets_its_group_when_compared(lock: str) -> None:
    unmet = [
        str(requirement)
        for requirement in wanted(lock)
        if (pin := pins(lock).get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(pin.version)
    ]

    assert unmet == [], "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_hashes_when_locked(lock: str) -> None:
    assert [name for name, pin in pins(lock).items() if not pin.hashes] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host_when_read(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")

    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text) == []


@pytest.mark.parametrize("lock", ["api", "dead_letters", "finalizer", "journal", "processor", "sweeper"])
def test_bundle_agrees_with_development_when_both_pin_a_package(lock: str) -> None:
    differing = {
        name: (str(pin.version), str(pins("dev")[name].version))
        for name, pin in pins(lock).items()
        if pins("dev")[name].version != pin.version
    }

    assert differing == {}
    assert RUNTIME.isdisjoint(pins(lock))


def test_the_cdk_command_line_is_locked_without_a_host_when_npm_reads_it() -> None:
    wanted_version = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]["aws-cdk"]
    locked = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]

    assert set(locked) == {"", "node_modules/aws-cdk"}
    assert locked["node_modules/aws-cdk"]["version"] == wanted_version
    assert locked["node_modules/aws-cdk"]["integrity"].startswith("sha512-")
    assert "resolved" not in locked["node_modules/aws-cdk"]


def test_only_the_processor_carries_the_sdk_when_bundled() -> None:
    slim = ("dead_letters", "finalizer", "journal", "sweeper")
    assert [lock for lock in ("api", *slim, "processor") if "anthropic" in pins(lock)] == ["processor"]
    assert [lock for lock in slim if "pydantic" in pins(lock)] == []
