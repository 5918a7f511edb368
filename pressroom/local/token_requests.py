"""What ``POST /local/token`` is asked: a token of a person, or of a machine with scopes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pressroom.local.tokens import MAX_USER_CHARACTERS
from shared.contracts.sign_in import Scope
from shared.errors import BadField, PressroomError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BadTokenRequestError", "TokenRequest", "read_token_request"]

_MACHINE_NAME_CHARACTERS: Final = 64


class BadTokenRequestError(PressroomError):
    """The body is no such request; ``errors`` tells every bad field."""

    def __init__(self, *errors: BadField) -> None:
        super().__init__("The request is not valid.")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Whose token: the person ``name``, or with ``scopes`` the machine of that name."""

    name: str
    scopes: tuple[Scope, ...] | None = None


def read_token_request(raw: bytes) -> TokenRequest:
    """``{"user": "alice"}`` or ``{"client": "nightly", "scopes": ["pressroom/jobs.read"]}``.

    Raises:
        BadTokenRequestError: with every bad field.
    """
    try:
        body = json.loads(raw)
    except ValueError:
        raise BadTokenRequestError(BadField("", "The body is no JSON.")) from None
    if not isinstance(body, dict):
        raise BadTokenRequestError(BadField("", "The body is no object."))
    known = {"client", "scopes"} if "client" in body else {"user"}
    wrong = [BadField(f"/{_pointer(key)}", "There is no such field.") for key in body if key not in known]
    if "client" not in body:
        wrong += _wrong_name("user", body.get("user"), MAX_USER_CHARACTERS)
        return _checked(wrong, body.get("user"), None)
    wrong += _wrong_name("client", body["client"], _MACHINE_NAME_CHARACTERS)
    scopes = body.get("scopes", list(Scope))
    wrong += _wrong_scopes(scopes)
    return _checked(wrong, body["client"], scopes)


def _checked(wrong: Sequence[BadField], name: Any, scopes: Any) -> TokenRequest:  # noqa: ANN401  JSON
    if wrong:
        raise BadTokenRequestError(*wrong)
    return TokenRequest(name, None if scopes is None else tuple(map(Scope, scopes)))


def _wrong_name(field: str, name: object, longest: int) -> list[BadField]:
    """What is wrong with a name: Cognito takes so many characters that are no spaces."""
    if not isinstance(name, str):
        return [BadField(f"/{field}", "A name is a text.")]
    if not 1 <= len(name) <= longest:
        return [BadField(f"/{field}", f"A name has 1 to {longest} characters.")]
    if not name.isprintable() or any(character.isspace() for character in name):
        return [BadField(f"/{field}", "A name has no spaces and no control characters.")]
    return []


def _wrong_scopes(scopes: object) -> list[BadField]:
    if not isinstance(scopes, list) or not scopes:
        return [BadField("/scopes", "The scopes are a list of at least one.")]
    known = ", ".join(Scope)
    return [
        BadField(f"/scopes/{index}", f"There is no such scope; known are {known}.")
        for index, scope in enumerate(scopes)
        if not isinstance(scope, str) or scope not in set(Scope)
    ]


def _pointer(key: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
