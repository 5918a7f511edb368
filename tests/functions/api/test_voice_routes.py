from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk

NEW = {"If-Match": '"0"'}


def test_a_voice_speaks_in_every_kind_that_has_its_fields(desk: FrontDesk) -> None:
    client, path = desk.client(), f"/v1/projects/{desk.project}/voice"
    before = client.get(path)

    answer = client.put(path, {"values": {"tone": "humorous", "target_audience": " tea lovers "}}, headers=NEW)

    assert (before.json, before.headers["etag"]) == ({"version": 0, "values": {}, "updated_at": None}, '"0"')
    assert answer.json["values"] == {"tone": "humorous", "target_audience": "tea lovers"}
    assert (answer.json["version"], answer.headers["etag"]) == (1, '"1"')
    assert client.get(path).json == answer.json
    for kind in ("outline", "article"):
        job = client.post(desk.jobs, body_of([{"topic": "a"}], kind=kind)).headers["location"]
        item = client.get(f"{job}/items/1").json
        assert (item["input"]["tone"], item["input"]["target_audience"]) == ("humorous", "tea lovers")


def test_a_voice_changes_only_for_whoever_knows_it(desk: FrontDesk) -> None:
    client, path = desk.client(), f"/v1/projects/{desk.project}/voice"
    assert client.put(path, {"values": {"tone": "formal"}}).status == 428
    assert client.put(path, {"values": {"tone": "formal"}}, headers={"If-Match": '"1"'}).status == 412
    first = client.put(path, {"values": {"tone": "formal"}}, headers=NEW)

    lost = client.put(path, {"values": {"tone": "formal"}}, headers=NEW)
    late = client.put(path, {"values": {"tone": "casual"}}, headers=NEW)
    anyway = client.put(path, {"values": {}}, headers={"If-Match": "*"})

    assert lost.json == first.json
    assert (late.status, late.json["current_version"]) == (412, 1)
    assert (anyway.json["version"], anyway.json["values"]) == (2, {})
