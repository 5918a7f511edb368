from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import PreconditionError
from shared.generation.kinds import KINDS
from shared.store.presets import PresetStore
from shared.store.templates import TemplateStore
from tests.support.crashing import Calls, CrashError, watched
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from shared.generation.prompts import Prompt
    from tests.support.clock import ManualClock
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer

FRIENDLY = {"name": "House style", "kind": "outline", "values": {"tone": "friendly", "keyword": " tea "}}


def templates(desk: FrontDesk) -> str:
    return f"/v1/projects/{desk.project}/templates"


def made(desk: FrontDesk, **changes: Any) -> HttpAnswer:
    answer = desk.client().post(templates(desk), FRIENDLY | changes)
    assert answer.status == 201, answer.text
    return answer


def if_match(version: int | str, owner: str) -> dict[str, str]:
    """The header of the template at this path, or of the voice of the project with this id."""
    return {"If-Match": f'"{version}-{owner[-8:]}"'}


def prompts(desk: FrontDesk, job: str) -> list[Prompt]:
    """The prompts of the job's items, made anew from the versions that the job names and the items' own inputs."""
    spec = desk.items.require_spec(job.rpartition("/")[2])
    kind = KINDS[spec.kind]
    inherited = PresetStore(desk.store()).pinned(spec).values(kind.fields)
    own = [{"topic": f"Topic {number}"} for number in range(1, desk.ledger(job).total + 1)]
    return [kind.prompt(kind.validate({**inherited, **values})) for values in own]


def stored_prompts(desk: FrontDesk, job: str) -> list[Prompt]:
    kind = KINDS[desk.items.require_spec(job.rpartition("/")[2]).kind]
    rows = desk.items.after(job.rpartition("/")[2], 0, page=100, outputs=False)
    return [kind.prompt(kind.validate(row.input)) for row in rows]


def test_a_template_is_made_read_and_listed(desk: FrontDesk, clock: ManualClock) -> None:
    first = made(desk)
    clock.advance(1)
    second = made(desk, name="Other", values={})

    assert first.json["values"] == {"tone": "friendly", "keyword": "tea"}
    assert (first.json["version"], first.json["deleted_at"], first.headers["etag"]) == (
        1,
        None,
        if_match(1, first.json["id"])["If-Match"],
    )
    assert set(first.json) == {
        "id",
        "version",
        "name",
        "kind",
        "values",
        "created_at",
        "updated_at",
        "deleted_at",
    }
    read = desk.client().get(first.headers["location"])
    assert (read.json, read.headers["etag"]) == (first.json, first.headers["etag"])
    page = desk.client().get(templates(desk), query={"limit": 1}).json
    assert page["items"] == [first.json]
    rest = desk.client().get(templates(desk), query={"limit": 1, "cursor": page["next_cursor"]}).json
    assert (rest["items"], rest["next_cursor"]) == ([second.json], None)


@pytest.mark.acceptance(42)
def test_a_change_makes_a_version_and_leaves_the_earlier_ones_as_they_are(desk: FrontDesk, clock: ManualClock) -> None:
    first = made(desk)
    path = first.headers["location"]
    clock.advance(60)

    second = desk.client().put(path, FRIENDLY | {"values": {"tone": "formal"}}, headers=if_match(1, path))

    assert second.status == 200
    assert (second.json["version"], second.json["created_at"]) == (2, first.json["created_at"])
    assert second.json["updated_at"] > first.json["updated_at"]
    assert desk.client().get(path).json == second.json
    versions = desk.client().get(f"{path}/versions", query={"limit": 1}).json
    assert versions["items"] == [second.json]
    older = desk.client().get(f"{path}/versions", query={"cursor": versions["next_cursor"]}).json
    assert (older["items"], older["next_cursor"]) == ([first.json], None)
    assert desk.client().get(f"{path}/versions/1").json == first.json
    for number in ("0", "3", "x", "-1", "1" * 9):
        assert desk.client().get(f"{path}/versions/{number}").status == 404


@pytest.mark.acceptance(42)
@pytest.mark.parametrize(
    ("known", "status", "code"),
    [
        (None, 428, "precondition_required"),
        (1, 412, "precondition_failed"),
        ("2-deleted", 412, "precondition_failed"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_changes_when_the_caller_does_not_name_the_version_that_stands(
    desk: FrontDesk, method: str, known: int | str | None, status: int, code: str
) -> None:
    path = made(desk).headers["location"]
    headers = {} if known is None else if_match(known, path)
    desk.client().put(path, FRIENDLY | {"name": "Newer"}, headers=if_match(1, path))

    answer = desk.client().call(method, path, FRIENDLY if method == "PUT" else None, headers=headers)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json.get("current_version") == (2 if status == 412 else None)
    assert desk.client().get(path).json["name"] == "Newer"


@pytest.mark.acceptance(41)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_changes_when_the_tag_is_another_projects_templates(desk: FrontDesk, method: str) -> None:
    client = desk.client()
    other = client.post("/v1/projects", {"name": "Other"}).json["id"]
    path, elsewhere = made(desk).headers["location"], f"/v1/projects/{other}/templates"
    foreign = client.post(elsewhere, FRIENDLY).headers["etag"]

    answer = client.call(method, path, FRIENDLY if method == "PUT" else None, headers={"If-Match": foreign})

    assert (answer.status, answer.json["current_version"]) == (412, 1)
    read = client.get(path)
    assert (read.json["version"], read.json["deleted_at"]) == (1, None)
    assert read.headers["etag"] != foreign


def test_a_change_whose_answer_was_lost_is_answered_again_when_it_is_repeated(desk: FrontDesk) -> None:
    path, client = made(desk).headers["location"], desk.client()
    change = FRIENDLY | {"name": "Newer"}

    answers = [client.put(path, change, headers=if_match(1, path)) for _ in range(2)]
    deletions = [client.delete(path, headers=if_match(2, path)) for _ in range(2)]

    assert answers[0].json == answers[1].json
    assert [answer.status for answer in deletions] == [204, 204]
    assert client.put(path, FRIENDLY, headers=if_match(1, path)).status == 409


@pytest.mark.acceptance(42)
@pytest.mark.parametrize("what", ["delete", "restore"])
def test_a_deletion_and_its_undoing_are_no_race_with_themselves_when_an_answer_was_lost(
    desk: FrontDesk, what: str
) -> None:
    def ask(calls: Calls) -> tuple[str, int]:
        path = made(desk).headers["location"]
        if what == "restore":
            assert desk.client().delete(path, headers=if_match(1, path)).status == 204
        calm, desk.dynamodb = desk.dynamodb, watched(desk.dynamodb, calls)
        if what == "delete":
            answer = desk.client().delete(path, headers=if_match(1, path))
        else:
            answer = desk.client().post(f"{path}/restore", {})
        desk.dynamodb = calm
        return path, answer.status

    _, usual = ask(counted := Calls())
    write = counted.made.index("update_item") + 1

    path, status = ask(calls := Calls(lose=frozenset({write})))

    assert calls.made[write - 1 : write + 1] == ["update_item"] * 2
    assert status == usual == {"delete": 204, "restore": 200}[what]
    assert (desk.client().get(path).json["deleted_at"] is None) is (what == "restore")


@pytest.mark.parametrize("what", ["delete", "restore"])
def test_a_template_that_changed_meanwhile_keeps_its_mark(desk: FrontDesk, clock: ManualClock, what: str) -> None:
    path = made(desk).headers["location"]
    store = TemplateStore(desk.store())
    seen = store.read(desk.project, path.rpartition("/")[2])
    assert seen is not None
    assert desk.client().put(path, FRIENDLY, headers=if_match(1, path)).status == 200
    if what == "restore":
        assert desk.client().delete(path, headers=if_match(2, path)).status == 204

    with pytest.raises(PreconditionError):
        store.delete(desk.project, seen, now=clock.now()) if what == "delete" else store.restore(desk.project, seen)

    assert (desk.client().get(path).json["deleted_at"] is None) is (what == "delete")


@pytest.mark.acceptance(42)
def test_a_deleted_template_can_be_read_and_restored_but_not_used(desk: FrontDesk) -> None:
    created = made(desk)
    path, client = created.headers["location"], desk.client()
    job = desk.job(2, template_id=created.json["id"])

    assert client.delete(path, headers=if_match(1, path)).status == 204

    assert client.get(templates(desk)).json["items"] == []
    (hidden,) = client.get(templates(desk), query={"deleted": "true"}).json["items"]
    assert (hidden["id"], hidden["deleted_at"] is None) == (created.json["id"], False)
    assert client.get(path).headers["etag"] == if_match("1-deleted", path)["If-Match"]
    assert desk.create(1, template_id=created.json["id"]).pointers.keys() == {"/template_id"}
    assert client.put(path, FRIENDLY, headers=if_match("1-deleted", path)).json["code"] == "template_deleted"
    desk.settle(job, items=2)
    assert client.get(job).json["counts"]["completed"] == 2

    restored = [client.post(f"{path}/restore") for _ in range(2)]

    assert [(answer.status, answer.json) for answer in restored] == [(200, created.json)] * 2
    assert desk.create(1, template_id=created.json["id"]).status == 202


@pytest.mark.acceptance(42, 43)
def test_a_job_keeps_its_version_and_its_prompts_whatever_becomes_of_template_and_voice(desk: FrontDesk) -> None:
    client, voice = desk.client(), f"/v1/projects/{desk.project}/voice"
    client.put(voice, {"values": {"language": "de", "tone": "humorous"}}, headers=if_match(0, desk.project))
    created = made(desk)
    path = created.headers["location"]
    job = desk.job(3, template_id=created.json["id"])
    before = stored_prompts(desk, job)
    assert all("Language: German" in prompt.user and "Tone: friendly" in prompt.user for prompt in before)

    client.put(path, FRIENDLY | {"values": {"tone": "formal"}}, headers=if_match(1, path))
    client.put(voice, {"values": {"language": "fr"}}, headers=if_match(1, desk.project))
    client.delete(path, headers=if_match(2, path))

    assert client.get(job).json["template"] == {"id": created.json["id"], "version": 1}
    assert prompts(desk, job) == before == stored_prompts(desk, job)
    desk.settle(job)
    assert desk.workshop.claude.prompts[-1] == before[0]


@pytest.mark.acceptance(11)
def test_auto_is_resolved_when_the_job_is_created_and_kept(desk: FrontDesk) -> None:
    made(desk, values={"tone": "formal"})
    fitting = made(desk, values={"tone": "friendly"})

    created = desk.create([{"topic": "a", "tone": "friendly"}], template_id="auto", key="k")

    chosen = {"id": fitting.json["id"], "version": 1}
    assert created.json["template"] == chosen
    made(desk, values={"tone": "friendly", "language": "de"})
    assert desk.client().get(created.headers["location"]).json["template"] == chosen
    again = desk.create([{"topic": "a", "tone": "friendly"}], template_id="auto", key="k")
    assert (again.json, again.headers["idempotent-replayed"]) == (created.json, "true")


def test_a_creation_is_replayed_when_its_template_has_gone_since(desk: FrontDesk) -> None:
    created = made(desk)
    first = desk.create(2, template_id=created.json["id"], key="k")
    desk.client().delete(created.headers["location"], headers=if_match(1, created.headers["location"]))

    again = desk.create(2, template_id=created.json["id"], key="k")

    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (202, first.json, "true")
    assert desk.create(3, template_id=created.json["id"], key="k").status == 422


@pytest.mark.acceptance(10, 42)
def test_an_intake_is_finished_with_the_version_it_was_begun_with_when_the_template_changed_in_between(
    live_desk: FrontDesk, clock: ManualClock
) -> None:
    created = made(live_desk)
    # The caller's role, the presets, the project's quota, the first of the job's transactions.
    live_desk.dynamodb = watched(live_desk.table.client, calls := Calls(die_after=4))
    with pytest.raises(CrashError):
        live_desk.create(110, template_id=created.json["id"], key="k")
    assert calls.made == ["get_item", "batch_get_item", "get_item", "transact_write_items"]
    live_desk.dynamodb = live_desk.table.client
    live_desk.client().put(
        created.headers["location"],
        FRIENDLY | {"values": {"tone": "formal"}},
        headers=if_match(1, created.headers["location"]),
    )
    clock.advance(120)

    again = live_desk.create(110, template_id=created.json["id"], key="k")

    assert again.json["template"] == {"id": created.json["id"], "version": 1}
    rows = live_desk.items.after(again.json["id"], 0, page=100, outputs=False)
    assert [row.input["tone"] for row in rows] == ["friendly"] * 110


def test_one_key_makes_one_template(desk: FrontDesk) -> None:
    client, headers = desk.client(), {"Idempotency-Key": "k"}

    first, again = (client.post(templates(desk), FRIENDLY, headers=headers) for _ in range(2))

    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")
    other = client.post(templates(desk), FRIENDLY | {"name": "x"}, headers=headers)
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")
    assert desk.create(1, key="k").json["code"] == "idempotency_mismatch"
    assert len(client.get(templates(desk)).json["items"]) == 1


def test_no_template_is_made_when_the_project_has_as_many_as_it_may(desk: FrontDesk) -> None:
    desk.settings = {"templates_per_project": 1}
    path = made(desk).headers["location"]
    desk.client().delete(path, headers=if_match(1, path))

    answer = desk.client().post(templates(desk), FRIENDLY)

    assert (answer.status, answer.json["code"]) == (409, "too_many_templates")
    assert len(desk.client().get(templates(desk), query={"deleted": "true"}).json["items"]) == 1
    assert desk.client().get("/v1/limits").json["templates_per_project"] == 1


@pytest.mark.acceptance(5)
@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"values": {"tone": "shrill", "word_count": 5, "colour": "red"}}, {"tone", "word_count", "colour"}),
        ({"values": {"custom_instructions": "x" * 4_001}}, {"custom_instructions"}),
    ],
)
def test_every_bad_value_is_told_when_a_template_or_a_voice_has_some(
    desk: FrontDesk, changes: dict[str, Any], pointers: set[str]
) -> None:
    path, client = made(desk).headers["location"], desk.client()
    voice = f"/v1/projects/{desk.project}/voice"

    answers = [
        client.post(templates(desk), FRIENDLY | changes),
        client.put(path, FRIENDLY | changes, headers=if_match(1, path)),
        client.put(voice, changes, headers=if_match(0, desk.project)),
    ]

    for answer in answers:
        assert (answer.status, set(answer.pointers)) == (422, {f"/values/{name}" for name in pointers})
    assert client.get(path).json["version"] == 1
    assert client.get(voice).json["version"] == 0


def test_kind_name_and_size_are_checked_when_a_template_is_made_or_changed(desk: FrontDesk) -> None:
    path, client = made(desk).headers["location"], desk.client()

    assert client.post(templates(desk), FRIENDLY | {"kind": "poem"}).pointers.keys() == {"/kind"}
    assert client.post(templates(desk), {"values": []}).pointers.keys() == {"/name", "/kind", "/values"}
    moved = client.put(path, FRIENDLY | {"kind": "article"}, headers=if_match(1, path))
    assert moved.pointers == {"/kind": "a template keeps its kind, which is outline"}
    desk.settings = {"bytes_per_item": 30}
    assert client.post(templates(desk), FRIENDLY).pointers.keys() == {"/values"}


@pytest.mark.acceptance(41)
def test_nobody_reaches_a_template_through_another_project(desk: FrontDesk) -> None:
    created = made(desk)
    made(desk)
    stranger = desk.client("mallory")
    elsewhere = f"/v1/projects/{stranger.post('/v1/projects', {'name': 'Mine'}).json['id']}"
    template = created.json["id"]

    for path in (template, f"{template}/versions", f"{template}/versions/1", "tpl_1", "nonsense"):
        assert stranger.get(f"{elsewhere}/templates/{path}").status == 404
    assert stranger.put(f"{elsewhere}/templates/{template}", FRIENDLY, headers=if_match(1, template)).status == 404
    assert stranger.delete(f"{elsewhere}/templates/{template}", headers=if_match(1, template)).status == 404
    job = stranger.post(f"{elsewhere}/jobs", body_of(1, template_id=template))
    assert job.pointers == {"/template_id": "unknown template"}
    cursor = desk.client().get(templates(desk), query={"limit": 1}).json["next_cursor"]
    assert stranger.get(f"{elsewhere}/templates", query={"cursor": cursor}).status == 422
    assert TemplateStore(desk.store()).read(desk.project, template) is not None
