from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.api.cursors import Listing
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk


def members(desk: FrontDesk) -> str:
    return f"/v1/projects/{desk.project}/members"


def test_an_owner_makes_changes_and_removes_members(desk: FrontDesk, clock: ManualClock) -> None:
    alice, path = desk.client(), f"{members(desk)}/bob"

    added = alice.put(path, {"role": "viewer"})
    clock.advance(60)
    changed = alice.put(path, {"role": "editor"})

    assert (added.status, changed.status) == (200, 200)
    assert added.json["user"] == "bob"
    assert changed.json == {**added.json, "role": "editor"}
    assert alice.get(path).json == changed.json
    assert desk.client("bob").get(f"/v1/projects/{desk.project}").json["role"] == "editor"
    assert [project["id"] for project in desk.client("bob").get("/v1/projects").json["items"]] == [desk.project]

    assert alice.delete(path).status == 204
    assert alice.get(path).json["detail"] == "The project has no such member."
    assert alice.delete(path).status == 404
    assert desk.client("bob").get(f"/v1/projects/{desk.project}").status == 404
    assert desk.client("bob").get("/v1/projects").json["items"] == []


def test_a_member_comes_back_with_the_role_that_is_given_when_they_were_removed_before(desk: FrontDesk) -> None:
    desk.join("bob", "owner")
    assert desk.client().delete(f"{members(desk)}/bob").status == 204

    assert desk.client().put(f"{members(desk)}/bob", {"role": "viewer"}).status == 200

    assert desk.client("bob").post(desk.jobs, body_of()).status == 403


@pytest.mark.parametrize("step", ["demoted", "removed"])
def test_the_last_owner_stays_when_they_are_to_be(desk: FrontDesk, step: str) -> None:
    desk.join("erin", "editor")
    alice, path = desk.client(), f"{members(desk)}/alice"

    answer = alice.put(path, {"role": "editor"}) if step == "demoted" else alice.delete(path)

    assert (answer.status, answer.json["code"]) == (409, "last_owner")
    assert alice.get(path).json["role"] == "owner"
    desk.join("bob", "owner")
    assert alice.put(path, {"role": "viewer"}).status == 200
    assert desk.client("bob").delete(f"{members(desk)}/alice").status == 204
    assert desk.client("bob").delete(f"{members(desk)}/bob").status == 409


def test_members_come_in_pages_in_the_order_of_their_names(desk: FrontDesk) -> None:
    for name in ("client:nightly", "bob@example.com", "M\u00fcller #1"):
        desk.join(name, "viewer")
    alice = desk.client()

    first = alice.get(members(desk), query={"limit": 2}).json
    second = alice.get(members(desk), query={"limit": 2, "cursor": first["next_cursor"]}).json

    assert [member["user"] for member in first["items"] + second["items"]] == [
        "M\u00fcller #1",
        "alice",
        "bob@example.com",
        "client:nightly",
    ]
    assert second["next_cursor"] is None


@pytest.mark.acceptance(41)
def test_a_cursor_of_another_projects_members_is_refused(desk: FrontDesk) -> None:
    desk.join("bob", "viewer")
    cursor = desk.client().get(members(desk), query={"limit": 1}).json["next_cursor"]
    other = desk.client().post("/v1/projects", {"name": "Other"}).json["id"]

    answer = desk.client().get(f"/v1/projects/{other}/members", query={"cursor": cursor})

    assert answer.status == 422
    assert answer.pointers == {"/query/cursor": "is no cursor of this list"}


@pytest.mark.parametrize(("user", "body"), [("bob", {"role": "admin"}), ("bob", {}), ("x" * 257, {"role": "viewer"})])
def test_nobody_becomes_a_member_when_name_or_role_is_none(desk: FrontDesk, user: str, body: dict[str, str]) -> None:
    answer = desk.client().put(f"{members(desk)}/{user}", body)

    assert answer.status == 422
    assert set(answer.pointers) == ({"/role"} if user == "bob" else {"/path/user"})
    assert [member["user"] for member in desk.client().get(members(desk)).json["items"]] == ["alice"]


@pytest.mark.acceptance(40)
@pytest.mark.parametrize("user", ["\U00020000" * 256, "\U0001f600" * 129, "a" * 257, "a\u200bb"])
def test_a_member_is_refused_and_never_a_fault_when_the_name_is_none(desk: FrontDesk, user: str) -> None:
    alice, path = desk.client(), f"{members(desk)}/{user}"

    put, read, removed = alice.put(path, {"role": "viewer"}), alice.get(path), alice.delete(path)

    assert (put.status, list(put.pointers)) == (422, ["/path/user"])
    assert [(answer.status, answer.json["detail"]) for answer in (read, removed)] == [
        (404, "The project has no such member.")
    ] * 2


@pytest.mark.parametrize("user", ["M\u00fcller #1", "who?", "\U0001f600" * 128, "100%", "a\\b", '"quoted"'])
def test_a_member_can_be_read_changed_and_removed_when_the_name_has_any_printable_characters(
    desk: FrontDesk, user: str
) -> None:
    alice, path = desk.client(), f"{members(desk)}/{user}"

    assert alice.put(path, {"role": "viewer"}).status == 200
    assert alice.get(path).json["user"] == user
    assert alice.put(path, {"role": "editor"}).json["role"] == "editor"
    assert alice.delete(path).status == 204
    assert alice.get(path).status == 404


@pytest.mark.acceptance(40)
def test_a_cursor_is_refused_when_its_name_is_too_long(desk: FrontDesk) -> None:
    forged = Listing(("members", desk.project)).cursor("\U00020000" * 129)

    answer = desk.client().get(members(desk), query={"cursor": forged})

    assert answer.status == 422
    assert answer.pointers == {"/query/cursor": "is no cursor of this list"}


@pytest.mark.parametrize("name", ["\U0001f600" * 128, "zz" + '"' * 168 + "\U0001f600" * 85])
def test_a_list_goes_on_when_it_broke_off_at_the_longest_name(desk: FrontDesk, name: str) -> None:
    desk.join(name, "viewer")
    desk.join("\U0001f680", "viewer")
    alice = desk.client()

    first = alice.get(members(desk), query={"limit": 2}).json
    second = alice.get(members(desk), query={"limit": 2, "cursor": first["next_cursor"]})

    assert second.status == 200
    assert [member["user"] for member in first["items"] + second.json["items"]] == ["alice", name, "\U0001f680"]
