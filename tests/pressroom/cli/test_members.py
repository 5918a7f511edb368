from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.fake_api import Answer

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command
    from tests.support.fake_api import FakeApi


def test_members_are_set_listed_and_removed_when_an_owner_asks(command: Command, api: FakeApi) -> None:
    api.add_project("Blog")

    ran = command("members", "set", "bob@example.com", "--role", "editor")
    listed = command("members", "list").out.splitlines()
    told = json.loads(command("members", "list", "--json").out)
    removed = command("members", "remove", "bob@example.com")

    assert (ran.code, ran.out) == (0, "")
    assert "bob@example.com is editor now." in ran.err
    assert [line.split("\t") for line in listed] == [
        ["user", "role", "since"],
        ["bob@example.com", "editor", "2026-11-22 12:00"],
    ]
    assert told == [{"user": "bob@example.com", "role": "editor", "added_at": "2026-11-22T12:00:00.000Z"}]
    assert removed.code == 0
    assert api.members == {}


def test_a_role_that_is_none_is_refused_before_anything_is_sent(command: Command, api: FakeApi) -> None:
    assert command("members", "set", "bob", "--role", "king").code == 2
    assert api.asked == []


def test_the_reason_is_told_when_the_last_owner_would_go(command: Command, api: FakeApi) -> None:
    api.add_project("Blog")
    problem = {"status": 409, "code": "last_owner", "detail": "A project keeps at least one owner.", "retryable": False}
    api.refuse("DELETE .*/members/alice", Answer(409, problem, {"Content-Type": "application/problem+json"}))

    ran = command("members", "remove", "alice")

    assert ran.code == 4
    assert "A project keeps at least one owner." in ran.err
