from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk


def known(desk: FrontDesk, version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}-{desk.project[-8:]}"'}


def test_a_voice_speaks_in_every_kind_that_has_its_fields(desk: FrontDesk) -> None:
    client, path = desk.client(), f"/v1/projects/{desk.project}/voice"
    before = client.get(path)

    answer = client.put(
        path, {"values": {"tone": "humorous", "target_audience": " tea lovers "}}, headers=known(desk, 0)
    )

    assert (before.json, before.headers["etag"]) == (
        {"version": 0, "values": {}, "updated_at": None},
        known(desk, 0)["If-Match"],
    )
    assert answer.json["values"] == {"tone": "humorous", "target_audience": "tea lovers"}
    assert (answer.json["version"], answer.headers["etag"]) == (1, known(desk, 1)["If-Match"])
    assert client.get(path).json == answer.json
    for kind in ("outline", "article"):
        job = client.post(desk.jobs, body_of([{"topic": "a"}], kind=kind)).headers["location"]
        item = client.get(f"{job}/items/1").json
        assert (item["input"]["tone"], item["input"]["target_audience"]) == ("humorous", "tea lovers")


def test_a_voice_changes_only_for_whoever_knows_it(desk: FrontDesk) -> None:
    client, path = desk.client(), f"/v1/projects/{desk.project}/voice"
    assert client.put(path, {"values": {"tone": "formal"}}).status == 428
    assert client.put(path, {"values": {"tone": "formal"}}, headers=known(desk, 1)).status == 412
    first = client.put(path, {"values": {"tone": "formal"}}, headers=known(desk, 0))

    lost = client.put(path, {"values": {"tone": "formal"}}, headers=known(desk, 0))
    late = client.put(path, {"values": {"tone": "casual"}}, headers=known(desk, 0))
    anyway = client.put(path, {"values": {}}, headers={"If-Match": "*"})

    assert lost.json == first.json
    assert (late.status, late.json["current_version"]) == (412, 1)
    assert (anyway.json["version"], anyway.json["values"]) == (2, {})


@pytest.mark.acceptance(41)
def test_a_voice_stays_when_the_tag_is_another_projects(desk: FrontDesk) -> None:
    client, path = desk.client(), f"/v1/projects/{desk.project}/voice"
    other = client.post("/v1/projects", {"name": "Other"}).json["id"]
    foreign = client.get(f"/v1/projects/{other}/voice").headers["etag"]

    answer = client.put(path, {"values": {"tone": "formal"}}, headers={"If-Match": foreign})

    assert (answer.status, answer.json["current_version"]) == (412, 0)
    assert client.get(path).json["version"] == 0
