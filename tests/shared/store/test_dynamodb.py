from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from shared.errors import StoreUnavailableError
from shared.store.attributes import attributes
from shared.store.dynamodb import DynamoTable, RefusedError, TokenReusedError
from shared.store.expressions import Change, Check, Insert
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb.client import DynamoDBClient

    from tests.shared.store.conftest import Shelf

KEY = {"pk": "P", "sk": "S"}
CHANGE = Change(KEY, "n = :old", sets=("n = :new",), values={"old": 1, "new": 2})
URL = "http://nowhere"
CUT = [
    ConnectionClosedError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
    ReadTimeoutError(endpoint_url=URL),
]


def refusal(code: str, *, status: int = 400, **more: Any) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(cast("Any", answer), "Operation")


def cancelled(*codes: str, items: tuple[dict[str, Any] | None, ...] = ()) -> ClientError:
    reasons = [
        {"Code": code, **({"Item": attributes(item)} if item else {})}
        for code, item in zip(codes, items or (None,) * len(codes), strict=True)
    ]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


PASSING = [
    *CUT,
    refusal("ThrottlingException"),
    refusal("ProvisionedThroughputExceededException"),
    refusal("RequestLimitExceeded"),
    refusal("InternalServerError", status=500),
    refusal("SomethingNew", status=503),
]
PASSING_TRANSACTIONS = [
    *PASSING,
    refusal("TransactionInProgressException"),
    cancelled("TransactionConflict", "None"),
    cancelled("None", "ThrottlingError"),
    cancelled("ProvisionedThroughputExceeded", "TransactionConflict"),
]


@dataclass
class FakeClient:
    """Answers from a script; keeps every request."""

    script: list[Exception | dict[str, Any]]
    requests: list[dict[str, Any]] = field(default_factory=list)

    def _answer(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    get_item = update_item = transact_write_items = batch_get_item = query = _answer


def over(*script: Exception | dict[str, Any], clock: ManualClock | None = None) -> tuple[DynamoTable, FakeClient]:
    client = FakeClient(list(script))
    table = DynamoTable(cast("DynamoDBClient", client), "t", clock=clock or ManualClock(), jitter=lambda: 1.0)
    return table, client


def name_of(error: Exception) -> str:
    return (
        f"{type(error).__name__} {error.response['Error']['Code']}" if isinstance(error, ClientError) else repr(error)
    )


@pytest.mark.parametrize("error", PASSING, ids=name_of)
def test_update_is_tried_again_with_the_same_bytes_when_the_error_passes(error: Exception) -> None:
    table, client = over(error, error, {"Attributes": attributes({**KEY, "n": 2})})

    assert table.update("step", CHANGE) == {**KEY, "n": 2}

    assert client.requests[0] == client.requests[1] == client.requests[2]


@pytest.mark.parametrize("error", PASSING_TRANSACTIONS, ids=name_of)
def test_transaction_is_tried_again_with_the_same_bytes_and_token_when_the_error_passes(error: Exception) -> None:
    table, client = over(error, error, {})

    table.transact("step", [CHANGE])

    assert client.requests[0] == client.requests[1] == client.requests[2]
    assert client.requests[0]["ClientRequestToken"]


@pytest.mark.parametrize("error", PASSING, ids=name_of)
def test_read_is_tried_again_when_the_error_passes(error: Exception) -> None:
    table, _ = over(error, {"Item": attributes({**KEY, "n": 1})})

    assert table.get(KEY) == {**KEY, "n": 1}


def test_waits_grow_up_to_a_second_when_an_error_keeps_passing() -> None:
    clock = ManualClock()
    table, client = over(*[refusal("ThrottlingException")] * 12, clock=clock)

    with pytest.raises(StoreUnavailableError, match="ThrottlingException"):
        table.get(KEY)

    assert clock.slept == [0.05, 0.1, 0.2, 0.4, 0.8, *[1.0] * 6]
    assert len(client.requests) == 12


def test_store_is_unavailable_when_nobody_answers() -> None:
    table, client = over(*[CUT[0]] * 12)

    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        table.update("step", CHANGE)

    assert len(client.requests) == 12


@pytest.mark.parametrize("call", [lambda t: t.get(KEY), lambda t: t.update("s", CHANGE), lambda t: t.transact("s", [])])
def test_error_is_raised_as_it_is_when_another_try_would_not_help(call: Callable[[DynamoTable], object]) -> None:
    table, client = over(refusal("ValidationException"))

    with pytest.raises(ClientError, match="ValidationException"):
        call(table)

    assert len(client.requests) == 1


def test_transaction_error_is_raised_as_it_is_when_no_condition_refused() -> None:
    table, _ = over(cancelled("None", "ValidationError"))

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        table.transact("step", [CHANGE])


def test_refused_update_carries_the_row_that_refused() -> None:
    table, client = over(refusal("ConditionalCheckFailedException", Item=attributes({**KEY, "n": 7})))

    with pytest.raises(RefusedError) as refused:
        table.update("step", CHANGE)

    assert (refused.value.row, refused.value.transition) == ({**KEY, "n": 7}, "step")
    assert len(client.requests) == 1


def test_refused_update_carries_none_when_there_is_no_row() -> None:
    table, _ = over(refusal("ConditionalCheckFailedException"))

    with pytest.raises(RefusedError) as refused:
        table.update("step", CHANGE)

    assert refused.value.row is None


def test_refused_transaction_carries_a_row_for_each_member() -> None:
    table, client = over(
        cancelled("TransactionConflict", "ConditionalCheckFailed", items=(None, {**KEY, "n": 7})),
    )

    with pytest.raises(RefusedError) as refused:
        table.transact("step", [CHANGE, CHANGE])

    assert refused.value.rows == (None, {**KEY, "n": 7})
    assert refused.value.row == {**KEY, "n": 7}
    assert len(client.requests) == 1


def test_reused_token_is_told_apart_from_a_refusal() -> None:
    table, _ = over(refusal("IdempotentParameterMismatchException"))

    with pytest.raises(TokenReusedError):
        table.transact("step", [CHANGE], token="mine")


def test_transactions_have_tokens_of_their_own_when_none_is_given() -> None:
    table, client = over({}, {})

    table.transact("step", [CHANGE])
    table.transact("step", [CHANGE])

    first, second = (request["ClientRequestToken"] for request in client.requests)
    assert first != second


def test_get_many_asks_again_for_what_was_left_unread() -> None:
    keys = [{"pk": "P", "sk": str(number)} for number in range(3)]
    rows = [{**key, "n": number} for number, key in enumerate(keys)]
    table, client = over(
        {
            "Responses": {"t": [attributes(rows[2])]},
            "UnprocessedKeys": {"t": {"Keys": list(map(attributes, keys[:2]))}},
        },
        {"Responses": {"t": [attributes(rows[0])]}, "UnprocessedKeys": {}},
    )

    assert table.get_many(keys) == [rows[0], None, rows[2]]

    assert client.requests[1]["RequestItems"]["t"]["Keys"] == list(map(attributes, keys[:2]))


def test_get_many_gives_up_when_rows_stay_unread() -> None:
    left = {"Responses": {"t": []}, "UnprocessedKeys": {"t": {"Keys": [attributes(KEY)]}}}
    table, client = over(*[left] * 12)

    with pytest.raises(StoreUnavailableError, match="unread"):
        table.get_many([KEY])

    assert len(client.requests) == 12


# ------------------------------------------------------------------------------------------- on the emulators


def test_get_many_keeps_the_order_of_its_keys(shelf: Shelf) -> None:
    for number in (1, 2, 3):
        shelf.put({"pk": "many", "sk": str(number), "n": number})

    rows = shelf.table.get_many([{"pk": "many", "sk": sk} for sk in ("3", "9", "1")], consistent=True)

    assert [row and row["n"] for row in rows] == [3, None, 1]


def test_query_reads_every_page_in_order(shelf: Shelf) -> None:
    for number in range(7):
        shelf.put({"pk": "pages", "sk": f"A#{number}", "even": "yes" if number % 2 == 0 else "no"})
    shelf.put({"pk": "pages", "sk": "B#0", "even": "yes"})

    def read(**how: Any) -> list[str]:
        return [row["sk"] for row in shelf.table.query("pages", **how)]

    assert read() == [*(f"A#{number}" for number in range(7)), "B#0"]
    assert read(prefix="A#", limit=2) == [f"A#{number}" for number in range(7)]
    assert read(prefix="A#", limit=2, newest_first=True, consistent=True) == [f"A#{n}" for n in reversed(range(7))]
    assert read(prefix="A#", start={"pk": "pages", "sk": "A#3"}) == ["A#4", "A#5", "A#6"]
    assert read(prefix="A#", limit=1, where=("even", "yes")) == ["A#0", "A#2", "A#4", "A#6"]
    assert list(shelf.table.query("pages", prefix="B#", projection=("even",))) == [{"even": "yes"}]


def test_query_reads_an_index_by_its_own_keys(shelf: Shelf) -> None:
    for number in range(3):
        shelf.put({"pk": f"I{number}", "sk": f"JOB#{number}", "active": "one", "name": "not projected"})

    rows = list(shelf.table.query("one", index="active", limit=1))
    behind = list(shelf.table.query("one", index="active", start=cast("Any", {**rows[0]})))

    assert rows == [{"pk": f"I{number}", "sk": f"JOB#{number}", "active": "one"} for number in range(3)]
    assert behind == rows[1:]


def test_query_asks_for_no_page_that_nobody_reads() -> None:
    page = {"Items": [attributes({**KEY, "n": number}) for number in range(2)], "LastEvaluatedKey": attributes(KEY)}
    table, client = over(page, {"Items": []})

    rows = table.query("P")
    next(rows)
    next(rows)

    assert len(client.requests) == 1


def test_transaction_writes_all_or_nothing(shelf: Shelf) -> None:
    members: list[Change | Check | Insert] = [
        Insert({"pk": "tx", "sk": "1", "n": 1}),
        Change({"pk": "tx", "sk": "2"}, sets=("n = :n",), values={"n": 2}),
        Check({"pk": "tx", "sk": "3"}, "attribute_not_exists(pk)"),
    ]
    shelf.table.transact("all", members)
    with pytest.raises(RefusedError):
        shelf.table.transact(
            "nothing", [Change({"pk": "tx", "sk": "2"}, sets=("n = :n",), values={"n": 9}), members[0]]
        )
    with pytest.raises(RefusedError) as refused:
        shelf.table.transact(
            "nothing",
            [
                Change({"pk": "tx", "sk": "2"}, "n = :n", sets=("n = :n",), values={"n": 9}),
                Insert({"pk": "tx", "sk": "4"}),
            ],
        )

    assert refused.value.row == {"pk": "tx", "sk": "2", "n": 2}
    assert [row["n"] for row in shelf.table.query("tx")] == [1, 2]
