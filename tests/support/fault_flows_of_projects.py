"""What the api does to projects, their members, templates and brand voices: no job is concerned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from functions.api.presenter import template_etag, voice_etag
from shared.store.keys import MEMBER_PREFIX, PROJECT_PREFIX, project_id_of, project_partition, user_partition
from shared.store.projects import ProjectStore, Role
from shared.store.templates import TemplateStore
from shared.store.voices import VoiceStore
from tests.support.fault_flows_of_erasing import project_is_gone
from tests.support.fault_runs import GET, QUERY, TRANSACT, UPDATE, Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs.ledger import Ledger
    from shared.store.templates import Template
    from tests.support.plant import Plant

__all__ = ["PROJECTS", "STYLE"]

STYLE: Final = {"name": "Style", "kind": "outline", "values": {"tone": "formal"}}
CASUAL: Final = STYLE | {"values": {"tone": "casual"}}
GERMAN: Final = {"values": {"language": "de"}}
ENGLISH: Final = {"values": {"language": "en"}}


def nothing(_: Plant) -> None:
    """The project is new."""


def with_a_template(plant: Plant) -> None:
    assert plant.once("POST", f"{plant.path_of_project}/templates", STYLE).status == 201


def with_a_deleted_template(plant: Plant) -> None:
    with_a_template(plant)
    template = the_template(plant)
    TemplateStore(plant.direct).delete(plant.project, template, now=plant.clock.now())


def with_a_voice(plant: Plant) -> None:
    VoiceStore(plant.direct).put(plant.project, GERMAN["values"], old=0, now=plant.clock.now())


def with_bob(role: Role) -> Callable[[Plant], None]:
    """Somebody else is a member too."""

    def prepare(plant: Plant) -> None:
        ProjectStore(plant.direct).put_member(plant.project, "bob", role, now=plant.clock.now())

    return prepare


def the_template(plant: Plant) -> Template:
    (found,) = TemplateStore(plant.direct).page(plant.project, after=None, limit=10, deleted=True)
    return found


def asks(method: str, path: str, body: object = None) -> Callable[[Plant, Ledger], object]:
    """A request about the project; its status."""
    return lambda plant, _: plant.once(method, f"{plant.path_of_project}{path}", body).status


def creates_project(plant: Plant, _: Ledger) -> object:
    return plant.once("POST", "/v1/projects", {"name": "Another"}).status


def creates_template(plant: Plant, _: Ledger) -> object:
    answer = plant.once("POST", f"{plant.path_of_project}/templates", STYLE, headers={"Idempotency-Key": "style"})
    return answer.status, answer.headers.get("idempotent-replayed")


def on_template(method: str, path: str = "", body: object = None) -> Callable[[Plant, Ledger], object]:
    """A request about the template by somebody who knows its first version, also where it is a repeat."""

    def run(plant: Plant, _: Ledger) -> object:
        template = the_template(plant).template_id
        known = {"If-Match": template_etag(template, 1, deleted=False)}
        answer = plant.once(method, f"{plant.path_of_project}/templates/{template}{path}", body, headers=known)
        return answer.status, answer.json.get("version") if answer.content else None

    return run


def sets_voice(body: object, *, known: int) -> Callable[[Plant, Ledger], object]:
    """Another voice, by somebody who knows the version ``known``."""

    def run(plant: Plant, _: Ledger) -> object:
        headers = {"If-Match": voice_etag(plant.project, known)}
        answer = plant.once("PUT", f"{plant.path_of_project}/voice", body, headers=headers)
        return answer.status, answer.json.get("version")

    return run


def template_is(version: int, values: Any, *, deleted: bool = False) -> Callable[[Plant], None]:
    """The project's one template stands so, and has each version up to its own; the project counts it."""

    def holds(plant: Plant) -> None:
        template, store = the_template(plant), TemplateStore(plant.direct)
        assert (template.version, dict(template.values)) == (version, values["values"])
        assert (template.deleted_at is not None) == deleted
        versions = store.versions(plant.project, template.template_id, before=None, limit=10)
        assert [each.version for each in versions] == list(range(version, 0, -1))
        assert versions[0].says(template)
        (row,) = plant.direct.query(project_partition(plant.project), prefix="PROJECT", consistent=True)
        assert row["templates"] == 1

    return holds


def voice_is(version: int, values: Any) -> Callable[[Plant], None]:
    """The voice stands so, and has each version up to its own."""

    def holds(plant: Plant) -> None:
        store = VoiceStore(plant.direct)
        voice = store.read(plant.project)
        assert (voice.version, dict(voice.values)) == (version, values["values"])
        assert store.read_version(plant.project, version) == voice
        assert store.read_version(plant.project, version + 1) is None

    return holds


def members_are(**roles: Role) -> Callable[[Plant], None]:
    """Every membership is seen from both sides or from neither, and the project counts its owners."""

    def holds(plant: Plant) -> None:
        partition = project_partition(plant.project)
        rows = plant.direct.query(partition, prefix=MEMBER_PREFIX, consistent=True)
        assert {row["sk"].removeprefix(MEMBER_PREFIX): row["role"] for row in rows} == roles
        for user in ("alice", "bob"):
            seen = plant.direct.query(user_partition(user), prefix=PROJECT_PREFIX, consistent=True)
            own = {project_id_of(row["sk"]): row["role"] for row in seen}
            assert own == ({plant.project: roles[user]} if user in roles else {})
        (project,) = plant.direct.query(partition, prefix="PROJECT", consistent=True)
        assert project["owners"] == list(roles.values()).count(Role.OWNER)

    return holds


PROJECTS: Final = (
    Flow("a project is created", nothing, creates_project, (TRANSACT,), 201, ends={}),
    Flow(
        "a project is deleted",
        nothing,
        asks("DELETE", ""),
        (GET, QUERY, UPDATE, QUERY, TRANSACT),
        204,
        ends={},
        holds=project_is_gone,
    ),
    Flow(
        "somebody becomes a member",
        nothing,
        asks("PUT", "/members/bob", {"role": "editor"}),
        (GET, GET, TRANSACT),
        200,
        ends={},
        is_same_again=True,
        holds=members_are(alice=Role.OWNER, bob=Role.EDITOR),
    ),
    Flow(
        "a member becomes an owner",
        with_bob(Role.VIEWER),
        asks("PUT", "/members/bob", {"role": "owner"}),
        (GET, GET, TRANSACT),
        200,
        ends={},
        is_same_again=True,
        holds=members_are(alice=Role.OWNER, bob=Role.OWNER),
    ),
    Flow(
        "an owner is removed",
        with_bob(Role.OWNER),
        asks("DELETE", "/members/bob"),
        (GET, GET, TRANSACT),
        204,
        ends={},
        holds=members_are(alice=Role.OWNER),
    ),
    Flow(
        "a template is created",
        nothing,
        creates_template,
        (GET, TRANSACT),
        (201, None),
        ends={},
        holds=template_is(1, STYLE),
    ),
    Flow(
        "a template is changed",
        with_a_template,
        on_template("PUT", body=CASUAL),
        (GET, GET, TRANSACT),
        (200, 2),
        ends={},
        is_same_again=True,
        holds=template_is(2, CASUAL),
    ),
    Flow(
        "a template is deleted",
        with_a_template,
        on_template("DELETE"),
        (GET, GET, UPDATE),
        (204, None),
        ends={},
        is_same_again=True,
        holds=template_is(1, STYLE, deleted=True),
    ),
    Flow(
        "a template is restored",
        with_a_deleted_template,
        on_template("POST", "/restore"),
        (GET, GET, UPDATE),
        (200, 1),
        ends={},
        is_same_again=True,
        holds=template_is(1, STYLE),
    ),
    Flow(
        "a brand voice is set",
        nothing,
        sets_voice(GERMAN, known=0),
        (GET, GET, TRANSACT),
        (200, 1),
        ends={},
        is_same_again=True,
        holds=voice_is(1, GERMAN),
    ),
    Flow(
        "a brand voice is changed",
        with_a_voice,
        sets_voice(ENGLISH, known=1),
        (GET, GET, TRANSACT),
        (200, 2),
        ends={},
        is_same_again=True,
        holds=voice_is(2, ENGLISH),
    ),
)
