from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest

from shared import aws, patience
from shared.snapshots import keep_ready

STARTED_BY_SNAPSHOT = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


class Hooks:
    """As the runtime's: hooks are called with what was registered beside them."""

    def __init__(self) -> None:
        self.before: list[tuple[Any, ...]] = []
        self.after: list[tuple[Any, ...]] = []

    def register_before_snapshot(self, func: Any, *args: Any) -> None:
        self.before.append((func, *args))

    def register_after_restore(self, func: Any, *args: Any) -> None:
        self.after.append((func, *args))


@pytest.mark.parametrize("environ", [{}, {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}])
def test_nothing_is_registered_when_no_snapshot_is_taken(environ: dict[str, str]) -> None:
    hooks = Hooks()

    assert not keep_ready(environ=environ, hooks=hooks)
    assert hooks.before == hooks.after == []


def test_function_is_refused_when_the_runtime_has_no_hooks() -> None:
    with pytest.raises(ModuleNotFoundError, match="snapshot_restore_py"):
        keep_ready(environ=STARTED_BY_SNAPSHOT)


def test_clients_and_random_state_are_new_when_a_copy_is_restored() -> None:
    hooks = Hooks()

    @cache
    def table() -> Any:
        return aws.client("dynamodb", patience.STORE)

    assert keep_ready(table, environ=STARTED_BY_SNAPSHOT, hooks=hooks)
    ((prepare, *before),) = hooks.before
    ((restore, *after),) = hooks.after
    prepare(*before)
    kept, state = table(), random.getstate()
    drawn = []
    for _ in range(2):
        random.setstate(state)  # two copies of one snapshot
        restore(*after)
        drawn.append(random.random())

    assert drawn[0] != drawn[1]
    assert table() is not kept
    assert table().meta.endpoint_url == kept.meta.endpoint_url
    assert table.cache_info().currsize == 1
