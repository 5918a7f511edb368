from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jobs.ids import PROJECT, new_id
from shared.store.dynamodb import RefusedError
from shared.store.projects import Membership, Project, ProjectStore, Role
from tests.support.ledgers import NOW, at

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf


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
