"""Every way that a command can end early, as one line, what to do about it, and an exit code."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import VERBOSE, fail, say
from pressroom.client import (
    ApiError,
    ClientError,
    ConnectionFailedError,
    InvalidRequestError,
    LimitReachedError,
    NotAuthorizedError,
    UnavailableError,
    is_loopback,
)
from pressroom.client.errors import NotFoundError

if TYPE_CHECKING:
    from shared.errors import PressroomError

__all__ = ["report", "report_bug"]

_MINUTE: Final = 60
_HOUR: Final = 3600


def report(error: PressroomError) -> ExitCode:
    """Tells what happened; how the command ends."""
    if isinstance(error, CommandError):
        told = error
    elif isinstance(error, ApiError):
        told = _refused(error)
    elif isinstance(error, ConnectionFailedError):
        told = CommandError(str(error), ExitCode.UNREACHABLE, hint=_hint_for(error.base_url))
    elif isinstance(error, ClientError):
        told = CommandError(str(error), ExitCode.UNREACHABLE, hint="Does PRESSROOM_API_URL lead to Pressroom?")
    else:
        told = CommandError(str(error), ExitCode.INTERNAL)
    fail(told.message, hint=told.hint, details=told.details)
    if VERBOSE.get():
        _tell_causes(error)
    return told.code


def report_bug(error: Exception) -> ExitCode:
    """Tells of an error that nobody foresaw; how the command ends."""
    fail(
        f"this is a fault of Pressroom: {type(error).__qualname__}: {error}",
        hint="--verbose tells where it happened: please report that.",
    )
    if VERBOSE.get():
        say("".join(traceback.format_tb(error.__traceback__)).rstrip(), "dim")
    return ExitCode.INTERNAL


def _refused(error: ApiError) -> CommandError:
    prefix, code, hint = _meaning(error)
    details = tuple(f"{bad.pointer}: {bad.detail}" for bad in error.errors)
    return CommandError(f"{prefix}: {error.detail}", code, hint=hint, details=details)


def _meaning(error: ApiError) -> tuple[str, ExitCode, str]:
    """How the message begins, how the command ends, and what to do."""
    match error:
        case NotAuthorizedError(status=403):
            meaning = "not allowed", ExitCode.NOT_AUTHORIZED, ""
        case NotAuthorizedError():
            hint = "Sign in: pressroom login. Or set PRESSROOM_TOKEN to a valid token; for a local runtime, unset it."
            meaning = "the token was refused", ExitCode.NOT_AUTHORIZED, hint
        case NotFoundError():
            hint = "Check the id, and its project: --project or PRESSROOM_PROJECT chooses another."
            meaning = "not found", ExitCode.REFUSED, hint
        case InvalidRequestError(status=413):
            hint = "pressroom limits shows how large a request may be."
            meaning = "too large", ExitCode.BAD_INPUT, hint
        case InvalidRequestError():
            meaning = "refused", ExitCode.BAD_INPUT, ""
        case LimitReachedError():
            meaning = "a limit is reached", ExitCode.REFUSED, _hint_to_wait(error)
        case UnavailableError():
            request = f" Its request id is {error.request_id}." if error.request_id else ""
            meaning = f"Pressroom is in trouble ({error.status})", ExitCode.UNREACHABLE, f"Try again later.{request}"
        case _:
            meaning = "refused", ExitCode.REFUSED, ""
    return meaning


def _hint_for(base_url: str) -> str:
    if is_loopback(base_url):
        return "Is the local runtime running? Start it in another terminal: pressroom local"
    return "Check the network, and PRESSROOM_API_URL."


def _hint_to_wait(error: LimitReachedError) -> str:
    seconds = error.retry_after_seconds
    if not seconds:
        return ""
    if seconds < _MINUTE:
        return f"Try again in {seconds:.0f} s."
    if seconds < _HOUR:
        return f"Try again in {-(-seconds // _MINUTE):.0f} minutes."
    return f"Try again in {-(-seconds // _HOUR):.0f} hours."


def _tell_causes(error: BaseException) -> None:
    if isinstance(error, ApiError):
        say(f"  {error.status} {error.code} request id {error.request_id or 'none'}", "dim")
    cause = error.__cause__ or error.__context__
    while cause is not None:
        say(f"  because of {type(cause).__qualname__}: {cause}", "dim")
        cause = cause.__cause__ or cause.__context__
