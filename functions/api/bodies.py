"""Reading a body: is it JSON, is it small enough, is it an object, and can all of it be stored?"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING, Any, Final, NoReturn

from functions.api.validating import invalid, pointer
from shared.errors import BadField, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MAX_DEPTH", "MAX_MEMBERS", "canonical", "read_body"]

MAX_DEPTH: Final = 24
"""No request of ours is deeper than an item's input; what nests deeper is meant to exhaust somebody's stack."""
MAX_MEMBERS: Final = 256
"""Likewise: no object of ours has so many fields, and every unknown one would be told."""

_EXACT: Final = 2**53
"""Up to here a float and the integer that it is are the same number."""


def read_body(event: Mapping[str, Any], headers: Mapping[str, str], *, max_bytes: int) -> dict[str, Any] | None:
    """The event's body as a JSON object; None where there is none.

    A body without a content type is taken for JSON: nothing else is understood anyway.

    Raises:
        RequestError: 415 for another type or an encoded body, 413 for one that is too large, 422 for what is no JSON
            object, or holds what cannot be stored.
    """
    text = event.get("body") or ""
    if text:
        _require_json(headers)
    raw = _decoded(text, is_base64=bool(event.get("isBase64Encoded")), max_bytes=max_bytes)
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    return _parsed(raw) if raw else None


def canonical(body: Mapping[str, Any]) -> bytes:
    """The same bytes for the same JSON, however it was written."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _require_json(headers: Mapping[str, str]) -> None:
    media_type, _, parameters = headers.get("content-type", "application/json").partition(";")
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise RequestError(415, "unsupported_media_type", "The body must be application/json in UTF-8.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RequestError(415, "unsupported_media_type", "An encoded (compressed) body is not understood.")


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(
        413, "request_too_large", f"A request may have {max_bytes} bytes.", extra={"bytes_per_request": max_bytes}
    )


def _malformed(detail: str) -> RequestError:
    return invalid([BadField("", detail)])


def _decoded(text: str, *, is_base64: bool, max_bytes: int) -> bytes:
    try:
        if is_base64:
            return base64.b64decode(text, validate=True)
        if len(text) > max_bytes:
            raise _too_large(max_bytes)
        return text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _malformed("the body is not text in UTF-8") from error


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode(), parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _malformed("the body is not text in UTF-8") from error
    except RecursionError as error:
        raise _malformed("the body is nested too deeply") from error
    except json.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise _malformed(detail) from error
    except ValueError as error:  # a number that no JSON number is, or with thousands of digits
        raise _malformed("the body is not JSON: a number is not finite or has too many digits") from error
    if not isinstance(value, dict):
        raise _malformed("the body must be a JSON object")
    errors = [BadField(pointer(*path), detail) for path, detail in _unfit(value)]
    if errors:
        raise invalid(errors)
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number with a point or an exponent. ``23.0`` is the integer 23: JSON has one kind of numbers."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _unfit(body: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What cannot be stored or sent on, and where it stands; walks without recursion."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), body)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            if fault := _text_fault(value):
                yield path, fault
        elif isinstance(value, dict | list):
            if len(path) >= MAX_DEPTH:
                yield path, f"nested deeper than {MAX_DEPTH} levels"
            elif isinstance(value, list):
                stack += [((*path, index), entry) for index, entry in enumerate(value)]
            elif len(value) > MAX_MEMBERS:
                yield path, f"more than {MAX_MEMBERS} fields"
            elif any(map(_text_fault, value)):
                yield path, "a field's name holds what cannot be stored"
            else:
                stack += [((*path, name), entry) for name, entry in value.items()]


def _text_fault(text: str) -> str | None:
    if text.isascii():
        return "must not hold a NUL character" if "\0" in text else None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode: half of a surrogate pair"
    return "must not hold a NUL character" if "\0" in text else None
