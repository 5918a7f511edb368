"""Options that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Annotated, Final

import typer

from pressroom.cli.terminal import VERBOSE

__all__ = [
    "DEFAULT_API_URL",
    "ApiUrl",
    "AsJson",
    "AsView",
    "JobId",
    "Project",
    "ResultFormat",
    "Verbose",
    "Where",
    "Yes",
]

DEFAULT_API_URL: Final = "http://127.0.0.1:8787"
"""Where ``pressroom local`` listens."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which Pressroom, and which project there: an id, a name, or the caller's first."""

    api_url: str
    project: str | None = None


def _be_verbose(value: bool) -> bool:
    VERBOSE.set(value)
    return value


@unique
class ResultFormat(StrEnum):
    """How results are written."""

    NDJSON = "ndjson"
    CSV = "csv"
    MARKDOWN = "markdown"


_CONNECTION: Final = "Connection"

ApiUrl = Annotated[
    str,
    typer.Option("--api-url", envvar="PRESSROOM_API_URL", help="The API's address.", rich_help_panel=_CONNECTION),
]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        envvar="PRESSROOM_PROJECT",
        help="A project's id or name; without it, your oldest one.",
        rich_help_panel=_CONNECTION,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_be_verbose,
        help="Tell details: tries, request ids, causes.",
        rich_help_panel=_CONNECTION,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
AsView = Annotated[bool, typer.Option("--json", help="Print what the API answered as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, job_….")]
