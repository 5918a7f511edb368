"""What a run of a function is, whose calls of AWS can be made to fail one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from shared.store.keys import WATCH_SHARDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant

__all__: list[str] = []

DONE: Final = MappingProxyType({"completed": 2})
ONE_FAILED: Final = MappingProxyType({"completed": 1, "failed": 1})
ONE_STOPPED: Final = MappingProxyType({"failed": 1, "cancelled": 1})
CUT: Final = MappingProxyType({"cancelled": 2})


def _nothing(_: Plant, __: Ledger) -> None:
    """The job ends by itself."""


def _anything(_: Plant) -> None:
    """Nothing more is known of it."""


@dataclass(frozen=True)
class Flow:
    """A run of one function.

    Attributes:
        name: what happens.
        prepare: how the job comes to it, without a fault; None where the run itself creates the job.
        run: the run; what its driver or caller hears.
        calls: the operations that the run asks for when nothing fails, in no order.
        hears: what is heard, also when any single call fails: the run's own repeats make up for that.
        is_same_again: whether a caller who got a 503 hears the same by asking again, done or not done before.
        hears_instead: what is heard where the answer of this call, by operation and number, is lost: it says no less.
        ends: how many items end how, once everybody has done what they must; empty where no job is left.
        told: the generation that ends.
        calls_an_item: how often Claude may be asked for an item without a lost worker.
        is_deleted: whether the job ends deleted: its rows go, by further runs of the eraser; the record of its
            creation's Idempotency-Key stays until its time.
        then: what somebody does with the job after the run, so that it can end here.
        holds: what else must be so after it.
    """

    name: str
    prepare: Callable[[Plant], Ledger | None]
    run: Callable[[Plant, Ledger], object]
    calls: tuple[str, ...]
    hears: object
    ends: Mapping[str, int] = field(default_factory=lambda: DONE)
    told: int = 1
    calls_an_item: int = 1
    is_deleted: bool = False
    is_same_again: bool = False
    then: Callable[[Plant, Ledger], object] = _nothing
    holds: Callable[[Plant], object] = _anything
    hears_instead: Mapping[tuple[str, int], object] = field(default_factory=lambda: MappingProxyType({}))


GET: Final = "dynamodb.GetItem"
BATCH_GET: Final = "dynamodb.BatchGetItem"
QUERY: Final = "dynamodb.Query"
UPDATE: Final = "dynamodb.UpdateItem"
TRANSACT: Final = "dynamodb.TransactWriteItems"
BATCH_WRITE: Final = "dynamodb.BatchWriteItem"
SEND: Final = "sqs.SendMessage"
SEND_BATCH: Final = "sqs.SendMessageBatch"
VISIBILITY: Final = "sqs.ChangeMessageVisibility"
PUBLISH: Final = "sns.Publish"
INVOKE: Final = "lambda.Invoke"
SECRET: Final = "secretsmanager.GetSecretValue"
CLAIM: Final = (GET, UPDATE, VISIBILITY, BATCH_GET)
TAKE_OVER: Final = (GET, UPDATE, GET, UPDATE, VISIBILITY, BATCH_GET)
LISTED: Final = WATCH_SHARDS
"""Queries of the sweeper for what is due, one a shard."""
SWEEP: Final = (*[QUERY] * LISTED, BATCH_GET)
