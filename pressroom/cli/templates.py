"""``pressroom templates`` and ``pressroom voice``: what stands behind a job's items."""

# ruff: noqa: PLC0415  each command loads only its own work, so that --help stays quick

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.options import DEFAULT_API_URL, ApiUrl, AsJson, AsView, Project, Verbose, Where
from pressroom.cli.terminal import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pressroom.client import Kind, Template

__all__ = ["templates_app", "voice_app"]

templates_app = typer.Typer(help="See and change the project's templates.", no_args_is_help=True)
voice_app = typer.Typer(help="See and change the project's brand voice.", no_args_is_help=True)

TemplateId = Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's id, tpl_….")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A value; may be given several times.")
]
Unset = Annotated[list[str] | None, typer.Option("--unset", metavar="FIELD", help="A value that is to go.")]


@templates_app.command("list")
def list_templates(
    *,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones too.")] = False,
    as_json: AsJson = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """List the project's templates."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        found = list(session.client.list_templates(session.project_id(), deleted=deleted))
    if as_json:
        emit_json([dict(template.raw) for template in found])
        return
    rows = [(each.id, each.name, each.kind, each.version, "deleted" if each.deleted_at else "") for each in found]
    emit_table(("id", "name", "kind", "version", "state"), rows, right=("version",), optional=("state",))


@templates_app.command("show")
def show_template(
    *,
    template: TemplateId,
    version: Annotated[int | None, typer.Option("--version", min=1, help="As it stood then.")] = None,
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Show what a template says."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        found = session.client.get_template(session.project_id(), template, version=version)
    if as_json:
        emit_json(dict(found.raw))
        return
    emit_table(("field", "value"), _rows(found.values))
    state = ", deleted" if found.deleted_at else ""
    say(f"{found.name}: {found.kind}, version {found.version}{state}.")


@templates_app.command("create")
def create_template(
    *,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    kind: Annotated[str, typer.Option("--kind", "-k", help="What it is for: see pressroom kinds.")] = "outline",
    settings: Settings = None,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Make a template; prints its id."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        values = _read(settings, _kinds_called(kind, session.client.kinds()))
        made = session.client.create_template(session.project_id(), name, kind, values)
    emit(made.id)
    say(f"Use it: pressroom submit FILE --kind {made.kind} --template {made.id}")


@templates_app.command("change")
def change_template(
    *,
    template: TemplateId,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    settings: Settings = None,
    unset: Unset = None,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Make a new version. Jobs that were created keep the one they had."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        known = session.client.get_template(session.project_id(), template)
        values = _changed(known.values, _read(settings, _kinds_called(known.kind, session.client.kinds())), unset)
        new = session.client.update_template(session.project_id(), known, name=name or known.name, values=values)
    _tell(new, f"is at version {new.version} now")


@templates_app.command("delete")
def delete_template(
    *,
    template: TemplateId,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Hide a template from lists and new jobs. pressroom templates restore brings it back."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        known = session.client.get_template(session.project_id(), template)
        session.client.delete_template(session.project_id(), known)
    _tell(known, f"is deleted; it comes back by pressroom templates restore {known.id}")


@templates_app.command("restore")
def restore_template(
    *,
    template: TemplateId,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Bring a deleted template back."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        restored = session.client.restore_template(session.project_id(), template)
    _tell(restored, "is back")


@voice_app.command("show")
def show_voice(
    *,
    as_json: AsView = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Show the brand voice: inputs of every item of a kind with such fields."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        voice = session.client.voice(session.project_id())
    if as_json:
        emit_json(dict(voice.raw))
    else:
        emit_table(("field", "value"), _rows(voice.values))


@voice_app.command("change")
def change_voice(
    *,
    settings: Settings = None,
    unset: Unset = None,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Change the brand voice. Jobs that were created keep the one they had."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        known = session.client.voice(session.project_id())
        values = _changed(known.values, _read(settings, session.client.kinds()), unset)
        new = session.client.put_voice(session.project_id(), known, values)
    say(f"The brand voice is at version {new.version} now.", "green")


def _tell(template: Template, what: str) -> None:
    say(f"{template.name} ({template.id}) {what}.", "green")


def _rows(values: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [(name, "nothing" if value is None else value) for name, value in values.items()]


def _kinds_called(name: str, kinds: Sequence[Kind]) -> list[Kind]:
    found = [kind for kind in kinds if kind.name == name]
    if not found:
        known = ", ".join(kind.name for kind in kinds)
        raise CommandError(f"there is no kind {name!r}; there are {known}", ExitCode.BAD_INPUT)
    return found


def _changed(values: Mapping[str, Any], new: Mapping[str, Any], unset: Sequence[str] | None) -> dict[str, Any]:
    gone = set(unset or ())
    if missing := sorted(gone - values.keys()):
        raise CommandError(f"--unset {missing[0]}: it has no such value", ExitCode.BAD_INPUT)
    return {name: value for name, value in values.items() if name not in gone} | dict(new)


def _read(settings: Sequence[str] | None, kinds: Sequence[Kind]) -> dict[str, object]:
    """``field=value`` options as one of ``kinds`` reads them; all that is wrong with them at once."""
    from pressroom.cli.schema import InputSchema

    schemas = [InputSchema(kind.input_schema) for kind in kinds]
    values: dict[str, object] = {}
    faults: list[str] = []
    for setting in settings or ():
        field, equals, value = (part.strip() for part in setting.partition("="))
        schema = next((each for each in schemas if each.knows(field)), None)
        if not equals or not field:
            faults.append(f"--set {setting}: should be FIELD=VALUE")
        elif schema is None:
            faults.append(f"--set {field}: no kind has this field")
        else:
            values[field] = schema.from_text(field, value)
            one = {field: values[field]}
            faults += [f"--set {fault}" for fault in schema.faults(one, provided=frozenset(schema.required))]
    if faults:
        raise CommandError("the values are wrong; nothing was sent:", ExitCode.BAD_INPUT, details=tuple(faults))
    return values
