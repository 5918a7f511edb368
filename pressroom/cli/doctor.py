"""``pressroom doctor``: looks a deployment over and says what is wrong, with the one command that helps."""

# ruff: noqa: PLC0415  botocore is loaded when it is needed

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import emit, emit_json, say
from shared.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pressroom.admin.doctor import Finding

__all__ = ["examine"]


def examine(stage: str, *, region: str | None, endpoint_url: str | None, as_json: bool) -> None:
    """Look the stage over and print what came of it.

    Raises:
        CommandError: AWS does not answer, or lets nobody in.
        typer.Exit: something is wrong.
    """
    try:
        from botocore.exceptions import BotoCoreError

        from pressroom.admin.doctor import Doctor
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the operator's commands are not installed here: {error.name} is missing",
            ExitCode.BAD_INPUT,
            hint="They come with a checkout of Pressroom: run make setup there.",
        ) from error
    try:
        with closing(Doctor.from_aws(stage, SystemClock(), region=region, endpoint_url=endpoint_url)) as doctor:
            findings = list(doctor.look())
    except BotoCoreError as error:
        hint = "Check the AWS credentials, --region and --endpoint-url: aws sts get-caller-identity"
        raise CommandError(f"AWS: {error}", ExitCode.UNREACHABLE, hint=hint) from error
    _show(findings, as_json=as_json)
    if any(finding.troubles for finding in findings):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _show(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        emit_json(
            [
                {
                    "check": finding.check,
                    "ok": not finding.troubles,
                    "troubles": [{"what": each.what, "helps": each.helps} for each in finding.troubles],
                }
                for finding in findings
            ]
        )
        return
    for finding in findings:
        emit(f"{finding.check}: {'ok' if not finding.troubles else 'WRONG'}")
        for trouble in finding.troubles:
            emit(f"  {trouble.what}")
            emit(f"  helps: {trouble.helps}")
    wrong = sum(bool(finding.troubles) for finding in findings)
    say(f"{wrong} of {len(findings)} checks found something." if wrong else "Everything is as it should be.")
