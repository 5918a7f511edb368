"""How every function logs: Powertools' structured lines, and no words of an error that may repeat somebody's text.

A traceback tells where an error was raised, and that is what a reader looks for. Its words are a different matter:
Claude's explanation of a refusal, the keys of an answer that fits no schema or the value that a library could not
convert are an item's texts, which must not outlive the job in a log. So below debug an error says its words only if it
is known to have none of somebody else's.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from shared.errors import ItemError, PressroomError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import TextIO

__all__ = ["function_logger"]

_OURS: Final = (PressroomError, ClientError, BotoCoreError)
"""Errors that name rows, operations, fields and codes, never what is in them; but for the two below."""
_WITH_TEXTS: Final = (ItemError, ParamValidationError)
_LINKS: Final = {
    True: "\nThe above exception was the direct cause of the following exception:\n\n",
    False: "\nDuring handling of the above exception, another exception occurred:\n\n",
}


def function_logger(service: str, *, level: str | None = None, stream: TextIO | None = None) -> Logger:
    """The logger of a function.

    Args:
        service: the function's name, in every line.
        level: the least that is written; by default what the environment's ``POWERTOOLS_LOG_LEVEL`` says, or INFO.
        stream: where to; standard output by default.
    """
    return Logger(service=service, level=level, stream=stream, logger_formatter=_Formatter(logging.getLogger(service)))


class _Formatter(LambdaPowertoolsFormatter):
    """Formats errors; their words only where ``logger`` writes everything."""

    def __init__(self, logger: logging.Logger) -> None:
        # The library's other account of an error has its words whatever we do.
        super().__init__(serialize_stacktrace=False)
        self._logger = logger

    def format(self, record: logging.LogRecord) -> str:
        """One line; notes that somebody added to an error are words too."""
        if not self._tells_all:
            record.exception_notes = None
        return super().format(record)

    def formatException(  # noqa: N802  the library's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback of ``ei`` and of whatever caused it."""
        if self._tells_all or ei[1] is None:
            return super().formatException(ei)
        return "".join(_told(ei[1], set())).rstrip("\n")

    @property
    def _tells_all(self) -> bool:
        return self._logger.isEnabledFor(logging.DEBUG)


def _told(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from _told(earlier, seen)
        yield _LINKS[earlier is error.__cause__]
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    words = _words(error)
    yield f"{type(error).__qualname__}{': ' if words else ''}{words}\n"


def _words(error: BaseException) -> str:
    if isinstance(error, ItemError):
        return error.code.value
    return str(error) if isinstance(error, _OURS) and not isinstance(error, _WITH_TEXTS) else ""
