"""``If-Match``: a change of something that others may change too names the version that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import RequestError

if TYPE_CHECKING:
    from functions.api.routing import Call

__all__ = ["changed_since", "require_match"]

_ANY = "*"


def require_match(call: Call, *etags: str, version: int) -> None:
    """Nothing, where the call's ``If-Match`` names one of ``etags``, or is ``*``.

    Raises:
        RequestError: 428 without the header (RFC 6585); 412 where it names none of them.
    """
    header = call.headers.get("if-match")
    if header is None:
        raise RequestError(
            428, "precondition_required", "That needs an If-Match header with the ETag of what is to be changed."
        )
    known = {part.strip() for part in header.split(",")}
    if not known & {_ANY, *etags}:
        raise changed_since(version)


def changed_since(version: int) -> RequestError:
    """The caller knew another version; which one stands now helps to see what happened."""
    return RequestError(
        412,
        "precondition_failed",
        f"It has been changed since: its version is {version} now.",
        extra={"current_version": version},
    )
