from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.clock import to_iso
from tests.support.clock import START, ManualClock

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk


def test_a_new_project_belongs_to_its_creator(desk: FrontDesk) -> None:
    created = desk.client("bob").post("/v1/projects", {"name": "  News  "})

    assert created.status == 201
    project = created.json
    assert created.headers["location"] == f"/v1/projects/{project['id']}"
    assert project == {
        "id": project["id"],
        "name": "News",
        "role": "owner",
        "created_at": to_iso(START),
    }
    assert desk.client("bob").get(created.headers["location"]).json == project
    assert desk.client("bob").get("/v1/projects").json == {"items": [project], "next_cursor": None}
    assert desk.client("carol").get("/v1/projects").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\nb", None, 5, ["x"]])
def test_a_name_that_is_none_is_refused(desk: FrontDesk, name: object) -> None:
    answer = desk.client().post("/v1/projects", {"name": name})

    assert answer.status == 422
    assert list(answer.pointers) == ["/name"]


def test_a_member_sees_the_role_that_the_project_gave(desk: FrontDesk) -> None:
    desk.join("victor", "viewer")

    assert desk.client("victor").get(f"/v1/projects/{desk.project}").json["role"] == "viewer"


def test_projects_come_in_pages_of_the_callers_own(desk: FrontDesk, clock: ManualClock) -> None:
    client = desk.client("bob")
    names = []
    for number in range(5):
        clock.advance(1)
        names.append(client.post("/v1/projects", {"name": f"Project {number}"}).json["name"])

    seen, query = [], {"limit": "2"}
    while True:
        page = client.get("/v1/projects", query=query).json
        seen.append([project["name"] for project in page["items"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == [names[:2], names[2:4], names[4:]]
    assert desk.client("carol").get("/v1/projects", query=query).status == 422


def test_a_project_whose_row_is_gone_is_404(desk: FrontDesk) -> None:
    desk.table.client.delete_item(
        TableName=desk.table.name, Key={"pk": {"S": f"PROJECT#{desk.project[4:]}"}, "sk": {"S": "PROJECT"}}
    )

    assert desk.client().get(f"/v1/projects/{desk.project}").status == 404
