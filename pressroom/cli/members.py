"""``pressroom members``: who may what in a project."""

# ruff: noqa: PLC0415  each command loads only its own work, so that --help stays quick

from __future__ import annotations

from enum import StrEnum, unique
from typing import Annotated

import typer

from pressroom.cli.options import DEFAULT_API_URL, ApiUrl, AsJson, Project, Verbose, Where
from pressroom.cli.terminal import emit_json, emit_table, say

__all__ = ["members_app"]

members_app = typer.Typer(help="See, add and remove a project's members; for its owners.", no_args_is_help=True)

User = Annotated[
    str, typer.Argument(metavar="USER", help="As their token names them; a machine is client:<its client id>.")
]


@unique
class MemberRole(StrEnum):
    """What a member may do."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


@members_app.command("list")
def list_members(
    *,
    as_json: AsJson = False,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """List the project's members."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        found = list(session.client.list_members(session.project_id()))
    if as_json:
        emit_json([dict(member.raw) for member in found])
    else:
        rows = [(member.user, member.role, f"{member.added_at:%Y-%m-%d %H:%M}") for member in found]
        emit_table(("user", "role", "since"), rows, optional=("since",))


@members_app.command("set")
def set_member(
    *,
    user: User,
    role: Annotated[
        MemberRole,
        typer.Option("--role", "-r", help="A viewer reads, an editor also runs jobs, an owner also says who is in."),
    ],
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Make somebody a member, or give a member another role."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        member = session.client.put_member(session.project_id(), user, role.value)
    say(f"{member.user} is {member.role} now.", "green")


@members_app.command("remove")
def remove_member(
    *,
    user: User,
    project: Project = None,
    api_url: ApiUrl = DEFAULT_API_URL,
    verbose: Verbose = False,  # noqa: ARG001  its callback keeps it
) -> None:
    """Take a membership away; jobs that they created stay."""
    from pressroom.cli.session import connect

    with connect(Where(api_url, project)) as session:
        session.client.remove_member(session.project_id(), user)
    say(f"{user} is no member any more.", "green")
