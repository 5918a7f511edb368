"""What does not fit a model, in words that repeat none of it: they go to logs, errors and the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["misfit"]

_FIELDS_NAMED: Final = 5


def misfit(error: ValidationError) -> str:
    """Where and why ``error``, the first few fields; no value is repeated."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    named = [
        f"{'.'.join(str(part) for part in detail['loc']) or '(whole)'}: {detail['msg']}"
        for detail in details[:_FIELDS_NAMED]
    ]
    more = len(details) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
