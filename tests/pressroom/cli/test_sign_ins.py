"""The file of tokens: its owner's alone."""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.sign_ins import SignInFile, StoredSignIn, claims_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE, THERE = "https://a.example", "https://b.example"
ALICE = StoredSignIn("alice", "access-secret", "refresh-secret", "https://pool.example", "client-1")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SignInFile]:
    before = os.umask(0)  # whoever runs the command may have the most generous one
    yield SignInFile(tmp_path / "config" / "pressroom" / "sign-ins.json")
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_sign_in_is_kept_for_its_address_and_its_owner_only(file: SignInFile) -> None:
    assert file.read(HERE) is None

    file.write(HERE, ALICE)
    file.write(THERE, StoredSignIn("bob", "other"))

    assert (file.read(HERE), file.read("https://a.example.evil")) == (ALICE, None)
    assert (mode(file.path), mode(file.path.parent)) == (0o600, 0o700)
    file.write(HERE, None)
    assert "access-secret" not in file.path.read_text()
    assert file.read(THERE) is not None
    assert [path.name for path in file.path.parent.iterdir()] == ["sign-ins.json"]


@pytest.mark.parametrize(
    ("target", "loose", "hint"),
    [("file", 0o640, "chmod 600"), ("file", 0o602, "chmod 600"), ("folder", 0o750, "chmod 700")],
)
def test_tokens_are_not_used_when_others_could_have_read_or_planted_them(
    file: SignInFile, target: str, loose: int, hint: str
) -> None:
    file.write(HERE, ALICE)
    (file.path if target == "file" else file.path.parent).chmod(loose)

    with pytest.raises(CommandError, match="others may use") as raised:
        file.read(HERE)
    with pytest.raises(CommandError, match="others may use"):
        file.write(THERE, ALICE)
    assert raised.value.code is ExitCode.NOT_AUTHORIZED
    assert hint in raised.value.hint


def test_tokens_are_not_used_when_the_file_is_a_link(file: SignInFile, tmp_path: Path) -> None:
    file.write(HERE, ALICE)
    file.path.rename(tmp_path / "elsewhere.json")
    file.path.symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(CommandError, match="cannot be used"):
        file.read(HERE)


def test_tokens_are_not_used_when_the_file_belongs_to_somebody_else(
    file: SignInFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write(HERE, ALICE)
    monkeypatch.setattr(os, "geteuid", lambda: file.path.stat().st_uid + 1)

    with pytest.raises(CommandError, match="belongs to somebody else"):
        file.read(HERE)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sign_ins": {"x": {}}}', '{"sign_ins": {"x": {"user": 1}}}'])
def test_a_damaged_file_is_told_without_what_stands_in_it(file: SignInFile, text: str) -> None:
    file.write(HERE, ALICE)
    file.path.write_text(text)

    with pytest.raises(CommandError, match="is damaged") as raised:
        file.read(HERE)

    assert raised.value.hint.endswith("pressroom login")


def test_no_sign_in_is_lost_when_many_commands_write_at_once(file: SignInFile) -> None:
    urls = [f"https://{number}.example" for number in range(12)]
    threads = [threading.Thread(target=file.write, args=(url, ALICE)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(json.loads(file.path.read_text())["sign_ins"].keys() ^ set(urls)) == []


def test_tokens_never_stand_in_the_text_of_a_sign_in() -> None:
    assert "secret" not in repr(ALICE)


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.bnVsbA.c", "a.W10.c", "a.\xff.c"])
def test_claims_are_none_when_a_token_is_no_jwt(token: str) -> None:
    assert claims_of(token) == {}
