"""What every error of the API looks like: problem details (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["BadFieldView", "Problem"]


class BadFieldView(BaseModel):
    """One bad field. ``pointer`` is a JSON pointer (RFC 6901) into the request's body.

    What stands in the query or in a header has no place in the body: its pointer begins with ``/query/`` or
    ``/headers/``, which no body has.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, hide_input_in_errors=True)

    pointer: str
    detail: str


class Problem(BaseModel):
    """A problem. ``extra`` members, such as the job's ``status`` of an illegal transition, follow these."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True, hide_input_in_errors=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool = False
    errors: tuple[BadFieldView, ...] | None = None
