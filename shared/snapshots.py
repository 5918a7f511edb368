"""SnapStart: what a function does before its memory is kept, and after it comes to life again, many times over.

Before the snapshot everything that the first event would make is made, so that a restored function finds its code
loaded. After it all of that is made anew, for what was made holds what must not be shared or has grown old: sockets,
credentials, and the state of :mod:`random`, from which all copies would draw the same jitter. Ids and lease tokens come
from the operating system (:mod:`secrets`), which each copy asks for itself.
"""

from __future__ import annotations

import random
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from shared import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Hooks", "Made", "keep_ready"]

_KIND: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
_SNAPSHOT: Final = "snap-start"
_HOOKS: Final = "snapshot_restore_py"
"""Lambda's runtime brings it, as it brings botocore (https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html)."""


class Made(Protocol):
    """A cached function without arguments: what a handler makes once."""

    def __call__(self) -> object:
        """The thing; made where it is not there."""
        ...

    def cache_clear(self) -> None:
        """Forget it."""
        ...


class Hooks(Protocol):
    """What the library of hooks offers; a hook is called with what is registered beside it."""

    def register_before_snapshot(self, func: Callable[..., Any], *args: object) -> object:
        """Call ``func`` before the snapshot."""
        ...

    def register_after_restore(self, func: Callable[..., Any], *args: object) -> object:
        """Call ``func`` in every copy."""
        ...


def keep_ready(*made: Made, environ: Mapping[str, str], hooks: Hooks | None = None) -> bool:
    """Register the hooks of a function that SnapStart starts; whether it does.

    Args:
        made: what the handler makes, in the order in which it is made.
        environ: Lambda's environment, which says how the function is started.
        hooks: stands in for the runtime's module.

    Raises:
        ModuleNotFoundError: SnapStart is on, and the runtime has no hooks: without them copies would share state.
    """
    if environ.get(_KIND) != _SNAPSHOT:
        return False
    registry = hooks or cast("Hooks", import_module(_HOOKS))
    registry.register_before_snapshot(_make, made)
    registry.register_after_restore(_make_again, made)
    return True


def _make(made: tuple[Made, ...]) -> None:
    for each in made:
        each()


def _make_again(made: tuple[Made, ...]) -> None:
    random.seed()
    aws.forget()
    for each in made:
        each.cache_clear()
    _make(made)
