"""What a route is: one declaration from which the router is filled and the OpenAPI document is made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, unique
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel

from functions.api.validating import checked, checked_query, invalid, pointer
from shared.contracts.requests import MAX_IDEMPOTENCY_KEY
from shared.contracts.sign_in import Scope
from shared.errors import BadField
from shared.store.projects import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from functions.api.services import Services

__all__ = [
    "KEY_PATTERN",
    "Access",
    "Answer",
    "Call",
    "Header",
    "Reply",
    "Route",
    "UndeclaredAccessError",
    "idempotency_key",
]

ModelT = TypeVar("ModelT", bound=BaseModel)
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
KEY_PATTERN: Final = rf"^[ -~]{{1,{MAX_IDEMPOTENCY_KEY}}}$"
"""Of an Idempotency-Key."""
PROJECT_PARAMETER: Final = "project"


class UndeclaredAccessError(TypeError):
    """A route does not say who may call it."""


@unique
class Access(Enum):
    """Who may call a route that belongs to no project."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"


AccessRule: TypeAlias = Access | Role
"""For a route of a project: the least role that may call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back. A model is written as JSON; None is an empty body. ``counts`` go to the metrics."""

    status: int = 200
    body: BaseModel | str | bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as far as it is checked: the caller is known, and has the role that the route asks for.

    Attributes:
        caller: the user, or ``client:<id>``; empty on a public route.
        role: the caller's role, on a route of a project.
        path: the path's parameters.
        raw_query: the query's parameters, not yet checked.
        json: the body, a JSON object; empty where there was none.
        headers: by lower-case name.
        seconds_left: what the function's time-out leaves.
    """

    services: Services
    caller: str
    role: Role | None
    path: Mapping[str, str]
    raw_query: Mapping[str, str]
    json: Mapping[str, Any]
    headers: Mapping[str, str]
    seconds_left: Callable[[], float]

    @property
    def project(self) -> str:
        """The id of the project whose route it is."""
        return self.path[PROJECT_PARAMETER]

    def query(self, model: type[ModelT]) -> ModelT:
        """The query's parameters.

        Raises:
            RequestError: 422 with every bad one.
        """
        return checked_query(model, self.raw_query)

    def body(self, model: type[ModelT]) -> ModelT:
        """The body.

        Raises:
            RequestError: 422 with every bad field.
        """
        return checked(model, self.json)


def idempotency_key(call: Call) -> str | None:
    """The call's Idempotency-Key, if it has one.

    Raises:
        RequestError: 422, it is none.
    """
    key = call.headers.get("idempotency-key")
    if key is not None and re.fullmatch(KEY_PATTERN, key) is None:
        told = f"1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters"
        raise invalid([BadField(pointer("headers", "Idempotency-Key"), told)])
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that the contract names."""

    name: str
    description: str
    required: bool = False
    pattern: str = ""
    """What a value looks like, where the contract says so: a regular expression of JSON Schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One way a call ends well."""

    description: str
    model: Any = None
    """A pydantic model, its generic alias included; None for a body that is no JSON, or for none."""
    content_types: tuple[str, ...] = ("application/json",)
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    Attributes:
        path: as OpenAPI writes it, with ``{parameters}``.
        operation: its name, unique.
        access: who may call it; there is no default, so that none can be forgotten.
        run: what it does.
        replies: how it may end well, by status.
        query: the query's model.
        body: the body's model; None for a route that takes none.
        body_required: whether an empty body is refused.
        problems: statuses of problems that are the route's own, with what they mean; those that follow from the
            declaration (401, 403 of scope and role, 404 of the project, 413, 415, 422, 503) need not be named.
        headers: request headers that matter to it.
    """

    method: str
    path: str
    operation: str
    summary: str
    access: AccessRule
    run: Callable[[Call], Answer]
    replies: Mapping[int, Reply]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    problems: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    headers: tuple[Header, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.access, Access | Role):
            raise UndeclaredAccessError(f"{self.operation}: {self.access!r} is no rule of access")
        if (PROJECT_PARAMETER in self.parameters) != isinstance(self.access, Role):
            raise UndeclaredAccessError(f"{self.operation}: a route of a project, and no other, asks for a role")

    @property
    def scope(self) -> Scope | None:
        """What a token must be good for; None for a route that needs no token. It follows, so none can be forgotten.

        Reading is reading, whoever may do it. What else only owners may do, or belongs to no project, is managing.
        """
        if self.access is Access.PUBLIC:
            return None
        if self.method == "GET":
            return Scope.READ
        return Scope.MANAGE if self.access in {Access.SIGNED_IN, Role.OWNER} else Scope.WRITE

    @property
    def needs_latest_role(self) -> bool:
        """Whether the caller's role must be that of this moment: for whatever changes something, or is for owners.

        Who was removed or demoted may go on reading for the moment that an eventually consistent read is behind.
        """
        return self.method != "GET" or self.access is Role.OWNER

    @property
    def parameters(self) -> tuple[str, ...]:
        """The path's parameters, in order."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Which paths are the route's, whatever their method; its groups are the parameters."""
        # No other character of ours means anything there.
        return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", self.path))

    def is_named_within(self, other: Route) -> bool:
        """Whether this path is one of the ``other``'s, with a name where the other has a parameter."""
        fewer = len(self.parameters) < len(other.parameters)
        return fewer and other.pattern.fullmatch(self.path) is not None

    @property
    def rule(self) -> str:
        """The path as Powertools writes it."""
        return _PARAMETER.sub(r"<\1>", self.path)
