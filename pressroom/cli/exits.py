"""How the command ends, for the scripts that call it."""

from __future__ import annotations

from enum import IntEnum, unique

from shared.errors import PressroomError

__all__ = ["CommandError", "ExitCode"]


@unique
class ExitCode(IntEnum):
    """The exit codes, also told by ``pressroom --help``."""

    OK = 0
    """It did what was asked; a job that was followed to its end completed every item."""
    INCOMPLETE = 1
    """The job that was followed ended with failed or cancelled items, or is paused until ``pressroom resume``.
    Also: ``pressroom doctor`` found something wrong."""
    BAD_INPUT = 2
    """A file, an option or a path is wrong. Nothing was sent, or all of it was refused."""
    NOT_AUTHORIZED = 3
    """No token, a bad one, or not the role that it takes."""
    REFUSED = 4
    """It does not exist, its state does not allow it, or a limit is reached."""
    UNREACHABLE = 5
    """No answer, none that is Pressroom's, or the service is in trouble."""
    INTERNAL = 70
    """The fault is Pressroom's own (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C, as a shell counts it: 128 + SIGINT."""
    OUTPUT_CLOSED = 141
    """Whoever read standard output went away: 128 + SIGPIPE."""


class CommandError(PressroomError):
    """The command cannot go on.

    Attributes:
        message: what is wrong, one line.
        code: how the command ends.
        hint: what to do about it; may be empty.
        details: everything that is wrong, where it is more than one thing.
    """

    def __init__(self, message: str, code: ExitCode, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.details = details
