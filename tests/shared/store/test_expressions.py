from __future__ import annotations

from shared.store.expressions import Change, Check, Insert

KEY = {"pk": "P", "sk": "S"}
TYPED = {"pk": {"S": "P"}, "sk": {"S": "S"}}


def test_every_name_becomes_a_placeholder_and_only_used_values_are_sent() -> None:
    change = Change(
        KEY,
        "status IN (:queued, :paused) AND attribute_not_exists(lanes.3.lease) AND lanes.3.next < lanes.3.end",
        sets=("errors.timeout = if_not_exists(errors.timeout, :zero) + :one", "open = held"),
        removes=("lanes.3.not_before",),
        values={"queued": "queued", "paused": "paused", "zero": 0, "one": 1, "unused": "x"},
    )

    request = change.request("t")

    assert request == {
        "TableName": "t",
        "Key": TYPED,
        "UpdateExpression": "SET #errors.#timeout = if_not_exists(#errors.#timeout, :zero) + :one, #open = #held"
        " REMOVE #lanes.#3.#not_before",
        "ConditionExpression": "#status IN (:queued, :paused) AND attribute_not_exists(#lanes.#3.#lease)"
        " AND #lanes.#3.#next < #lanes.#3.#end",
        "ExpressionAttributeNames": {
            f"#{name}": name
            for name in (
                *("errors", "timeout", "open", "held", "lanes", "3", "not_before", "status", "lease", "next", "end"),
            )
        },
        "ExpressionAttributeValues": {
            ":one": {"N": "1"},
            ":paused": {"S": "paused"},
            ":queued": {"S": "queued"},
            ":zero": {"N": "0"},
        },
    }


def test_members_are_left_out_when_there_is_nothing_to_say() -> None:
    assert Change(KEY, removes=("a",)).request("t") == {
        "TableName": "t",
        "Key": TYPED,
        "UpdateExpression": "REMOVE #a",
        "ExpressionAttributeNames": {"#a": "a"},
    }
    assert Insert({**KEY, "n": 1}, "").member("t") == {"Put": {"TableName": "t", "Item": {**TYPED, "n": {"N": "1"}}}}


def test_members_of_a_transaction_say_what_they_are() -> None:
    assert Change(KEY, removes=("a",)).member("t")["Update"]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert Insert(KEY).member("t")["Put"]["ConditionExpression"] == "attribute_not_exists(#pk)"
    assert Check(KEY, "n = :n", {"n": 1}).member("t")["ConditionCheck"] == {
        "TableName": "t",
        "Key": TYPED,
        "ConditionExpression": "#n = :n",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {":n": {"N": "1"}},
    }
