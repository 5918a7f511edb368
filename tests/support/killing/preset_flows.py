"""The api's runs that change templates and the brand voice: no job is concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.store.keys import TEMPLATE_PREFIX, project_partition
from shared.store.voices import VoiceStore
from tests.support.killing.flows import Flow
from tests.support.killing.project_flows import NO_JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.killing.stage import Invocation, Stage

__all__ = ["FLOWS", "STYLE"]

STYLE = {"name": "Style", "kind": "outline", "values": {"tone": "formal"}}
ANY = {"If-Match": "*"}


def templates(stage: Stage) -> str:
    """The path of the project's templates."""
    return f"/v1/projects/{stage.desk.project}/templates"


def made(stage: Stage) -> Invocation:
    """A request for a template, with a key."""
    return stage.request(body=STYLE, path=templates(stage), key="style")


def changed(method: str, *, again: bool) -> Callable[[Stage], Invocation]:
    """A request to change, or to delete, a template."""

    def arrange(stage: Stage) -> Invocation:
        path = stage.desk.client().post(templates(stage), STYLE).headers["location"]
        body: dict[str, Any] = STYLE | {"values": {"tone": "casual"}}
        return stage.request(body=body, path=path, method=method, again=again, headers=ANY)

    return arrange


def restored(stage: Stage) -> Invocation:
    """A request to undo a template's deletion."""
    client = stage.desk.client()
    path = client.post(templates(stage), STYLE).headers["location"]
    assert client.delete(path, headers=ANY).status == 204
    return stage.request(path=f"{path}/restore")


def lives_again(stage: Stage) -> None:
    """The template is restored, for its owner asked until he was answered."""
    every_version_stands(stage)
    [template] = stage.desk.services().templates.page(stage.desk.project, after=None, limit=10, deleted=True)
    assert template.deleted_at is None


def voice_set(stage: Stage) -> Invocation:
    """A request for another brand voice."""
    path = f"/v1/projects/{stage.desk.project}/voice"
    return stage.request(body={"values": {"language": "de"}}, path=path, method="PUT", headers=ANY)


def every_version_stands(stage: Stage) -> None:
    """A template, and the voice, has every version up to the one that it is at, and the project counts templates."""
    table, services = stage.workshop.table, stage.desk.services()
    partition, project = project_partition(stage.desk.project), stage.desk.project
    found = services.templates.page(project, after=None, limit=10, deleted=True)
    for template in found:
        versions = services.templates.versions(project, template.template_id, before=None, limit=10)
        assert [each.version for each in versions] == list(range(template.version, 0, -1))
        assert versions[0].says(template)
    (row,) = table.query(partition, prefix="PROJECT", consistent=True)
    assert row.get("templates", 0) == len(list(table.query(partition, prefix=TEMPLATE_PREFIX, consistent=True)))
    voice = VoiceStore(table).read(project)
    assert all(VoiceStore(table).read_version(project, number) for number in range(1, voice.version + 1))


FLOWS = (
    Flow(name="api: a template is made", arrange=made, holds=every_version_stands, ends=[NO_JOB]),
    Flow(
        name="api: a template is changed, and the caller asks again",
        arrange=changed("PUT", again=True),
        holds=every_version_stands,
        ends=[NO_JOB],
    ),
    Flow(
        name="api: a template is deleted, and the caller never comes back",
        arrange=changed("DELETE", again=False),
        holds=every_version_stands,
        ends=[NO_JOB],
    ),
    Flow(name="api: a template is restored", arrange=restored, holds=lives_again, ends=[NO_JOB]),
    Flow(name="api: a brand voice is set", arrange=voice_set, holds=every_version_stands, ends=[NO_JOB]),
)
