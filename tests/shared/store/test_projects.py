from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import LastOwnerError, NoProjectError
from shared.jobs.ids import PROJECT, new_id
from shared.store.dynamodb import DynamoTable, RefusedError
from shared.store.keys import former_member_key
from shared.store.projects import Member, Membership, Project, ProjectStore, Role
from tests.support.ledgers import NOW, at

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf
    from tests.support.resources import TableHandle


def made(shelf: Shelf, owner: str, count: int = 1) -> list[Project]:
    projects = [Project(new_id(PROJECT, at(number)), f"P{number}", at(number)) for number in range(count)]
    for project in projects:
        ProjectStore(shelf.table).create(project, owner=owner)
    return projects


def test_project_is_read_as_it_was_created(shelf: Shelf) -> None:
    (project,) = made(shelf, "ada")

    assert ProjectStore(shelf.table).read(project.project_id) == project


def test_owner_has_a_role_and_a_stranger_none(shelf: Shelf) -> None:
    (project,) = made(shelf, "grace")
    store = ProjectStore(shelf.table)

    assert store.role_of(project.project_id, "grace") is Role.OWNER
    assert store.role_of(project.project_id, "eve") is None
    assert store.role_of(new_id(PROJECT, NOW), "grace") is None
    assert store.read(new_id(PROJECT, NOW)) is None


def test_a_role_is_read_consistently_when_the_latest_is_asked_for(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project,) = made(shelf, "grace")
    store = ProjectStore(shelf.table)
    reads: list[bool] = []
    get_item = shelf.table.client.get_item

    def spied(**request: Any) -> Any:
        reads.append(request["ConsistentRead"])
        return get_item(**request)

    monkeypatch.setattr(shelf.table.client, "get_item", spied)

    assert store.role_of(project.project_id, "grace", latest=True) is Role.OWNER
    assert store.role_of(project.project_id, "grace") is Role.OWNER

    assert reads == [True, False]


def test_projects_of_a_user_come_in_pages_in_the_order_of_creation(shelf: Shelf) -> None:
    projects = made(shelf, "alan", 3)
    made(shelf, "mallory")
    store = ProjectStore(shelf.table)

    first = store.of_user("alan", after=None, limit=2)
    second = store.of_user("alan", after=first[-1].project.project_id, limit=2)

    assert first + second == [Membership(project, Role.OWNER) for project in projects]
    assert store.of_user("nobody", after=None, limit=2) == []


def test_project_is_not_overwritten_when_its_id_is_taken(shelf: Shelf) -> None:
    (project,) = made(shelf, "barbara")

    with pytest.raises(RefusedError):
        ProjectStore(shelf.table).create(project, owner="eve")

    assert ProjectStore(shelf.table).role_of(project.project_id, "eve") is None
    assert ProjectStore(shelf.table).of_user("eve", after=None, limit=5) == []


def test_member_has_both_sides_of_the_membership_until_it_is_taken_away(shelf: Shelf) -> None:
    (project,) = made(shelf, "katherine")
    store, id_ = ProjectStore(shelf.table), project.project_id

    added = store.put_member(id_, "dorothy", Role.VIEWER, now=NOW)
    promoted = store.put_member(id_, "dorothy", Role.OWNER, now=at(60))

    assert (added, promoted) == (Member("dorothy", Role.VIEWER, NOW), Member("dorothy", Role.OWNER, NOW))
    assert store.put_member(id_, "dorothy", Role.OWNER, now=at(90)) == promoted
    assert store.members(id_, after=None, limit=5) == [promoted, Member("katherine", Role.OWNER, NOW)]
    assert store.of_user("dorothy", after=None, limit=5) == [Membership(project, Role.OWNER)]
    assert shelf.table.get(former_member_key(id_, "dorothy")) is None

    assert store.remove_member(id_, "dorothy")
    assert not store.remove_member(id_, "dorothy")
    assert store.of_user("dorothy", after=None, limit=5) == []
    assert shelf.table.get(former_member_key(id_, "dorothy")) is not None


def test_last_owner_neither_goes_nor_steps_down(shelf: Shelf) -> None:
    (project,) = made(shelf, "mary")
    store, id_ = ProjectStore(shelf.table), project.project_id
    store.put_member(id_, "jean", Role.EDITOR, now=NOW)

    with pytest.raises(LastOwnerError):
        store.remove_member(id_, "mary")
    with pytest.raises(LastOwnerError):
        store.put_member(id_, "mary", Role.VIEWER, now=NOW)

    assert store.role_of(id_, "mary") is Role.OWNER
    store.put_member(id_, "jean", Role.OWNER, now=NOW)
    assert store.put_member(id_, "mary", Role.VIEWER, now=NOW).role is Role.VIEWER


def test_nobody_becomes_a_member_when_there_is_no_project(shelf: Shelf) -> None:
    missing = new_id(PROJECT, NOW)

    for role in Role:
        with pytest.raises(NoProjectError):
            ProjectStore(shelf.table).put_member(missing, "ada", role, now=NOW)

    assert ProjectStore(shelf.table).members(missing, after=None, limit=5) == []


@pytest.mark.emulator
def test_one_owner_is_left_when_all_owners_remove_each_other_at_once(table: TableHandle) -> None:
    store = ProjectStore(DynamoTable(table.client, table.name))
    project = Project(new_id(PROJECT, NOW), "P", NOW)
    owners = [f"owner-{number}" for number in range(6)]
    store.create(project, owner=owners[0])
    for owner in owners[1:]:
        store.put_member(project.project_id, owner, Role.OWNER, now=NOW)

    def remove(owner: str) -> bool:
        try:
            return store.remove_member(project.project_id, owner)
        except LastOwnerError:
            return False

    with ThreadPoolExecutor(len(owners)) as threads:
        removed = list(threads.map(remove, owners))

    assert sum(removed) == len(owners) - 1
    (left,) = store.members(project.project_id, after=None, limit=10)
    assert left.role is Role.OWNER
    assert removed[owners.index(left.user)] is False
