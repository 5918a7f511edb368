"""Nobody waits for AWS longer than what is held meanwhile allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from functions.sweeper.settings import SECONDS_FOR_THE_LAST
from shared import patience
from shared.errors import StoreUnavailableError
from shared.queue.queues import LEASE_MARGIN_SECONDS
from shared.store.dynamodb import DynamoTable
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

GATEWAY_SECONDS = 30
BOTOCORE_WAITS = {"QUEUE": 3.0, "TOPIC": 3.0, "INVOKE": 1.0}
"""The most that the client waits between its tries: 1 s, then 2 s, when it is throttled."""


class Silent:
    """A client whose every call ends in a time-out, and takes as long as it may."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked = 0

    def __getattr__(self, _: str) -> Any:
        def call(**_: object) -> None:
            self.asked += 1
            self.clock.advance(patience.longest_seconds(patience.STORE))
            raise ReadTimeoutError(endpoint_url="https://aws")

        return call


@pytest.mark.parametrize("call", ["get", "get_many", "put_many", "query"])
def test_call_of_the_table_ends_within_the_margin_of_a_lease_when_nobody_answers(call: str) -> None:
    clock = ManualClock()
    client, before = Silent(clock), clock.now()
    table = DynamoTable(cast("Any", client), "t", clock=clock)
    key = {"pk": "P", "sk": "S"}
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: table.get(key),
        "get_many": lambda: table.get_many([key]),
        "put_many": lambda: table.put_many([key]),
        "query": lambda: list(table.query("P")),
    }

    with pytest.raises(StoreUnavailableError):
        calls[call]()

    assert client.asked > 1
    assert (clock.now() - before).total_seconds() <= patience.STORE_SECONDS <= LEASE_MARGIN_SECONDS


def test_rows_left_over_share_the_time_of_their_call_when_they_stay_so() -> None:
    clock = ManualClock()
    before = clock.now()

    class Busy(Silent):
        def batch_write_item(self, **request: Any) -> dict[str, Any]:
            self.clock.advance(2)
            return {"UnprocessedItems": request["RequestItems"]}

    with pytest.raises(StoreUnavailableError, match="unwritten"):
        DynamoTable(cast("Any", Busy(clock)), "t", clock=clock).put_many([{"pk": "P", "sk": "S"}])

    assert (clock.now() - before).total_seconds() <= patience.STORE_SECONDS


@pytest.mark.parametrize("name", BOTOCORE_WAITS)
def test_other_calls_end_before_the_gateway_does_when_nobody_answers(name: str) -> None:
    config: Any = getattr(patience, name)

    tries = config.retries["total_max_attempts"]

    assert tries * patience.longest_seconds(config) + BOTOCORE_WAITS[name] < GATEWAY_SECONDS


def test_the_sweepers_last_call_ends_within_its_run_when_nobody_answers() -> None:
    configs: list[Any] = [patience.QUEUE, patience.TOPIC]
    longest = [config.retries["total_max_attempts"] * patience.longest_seconds(config) + 3.0 for config in configs]

    assert max(patience.STORE_SECONDS, *longest) < SECONDS_FOR_THE_LAST


def test_the_table_has_one_place_that_repeats_when_a_call_fails() -> None:
    settings: Any = [patience.STORE, patience.GLANCE]

    assert [config.retries["total_max_attempts"] for config in settings] == [1, 1]
    assert isinstance(patience.STORE, Config)
