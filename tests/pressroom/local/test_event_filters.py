"""Lambda's event filters, as far as we use them."""

from __future__ import annotations

from typing import Any

import pytest

from functions.finalizer.settings import STREAM_FILTERS
from functions.journal.settings import STREAM_FILTERS as JOURNAL_FILTERS
from pressroom.local.errors import FilterPatternError
from pressroom.local.event_filters import EventFilters


def change(**image: Any) -> dict[str, Any]:
    kinds = {str: "S", int: "N", bool: "BOOL"}
    attributes = {
        name: {kinds[type(value)]: str(value) if type(value) is int else value} for name, value in image.items()
    }
    return {"eventName": "MODIFY", "dynamodb": {"NewImage": attributes}}


@pytest.mark.parametrize(
    ("pattern", "event", "passes"),
    [
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x"]}, {"a": "y"}, False),
        ({"a": ["x"]}, {}, False),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
        ({"a": {"b": ["x"]}}, {"a": {"b": "x", "c": "z"}}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        ({"a": [0]}, {"a": "0"}, True),
        ({"a": ["0"]}, {"a": 0}, True),
        ({"a": [True]}, {"a": True}, True),
        ({"a": ["True"]}, {"a": True}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": ["x"]}, {"a": ["w", "x"]}, True),
        ({"a": [{"prefix": "JOB#"}]}, {"a": "JOB#1"}, True),
        ({"a": [{"prefix": "JOB#"}]}, {"a": "EVENT#JOB#"}, False),
        ({"a": [{"prefix": "JOB#"}]}, {}, False),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "z"}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": "x"}, False),
        ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "xy"}, False),
        ({"a": [{"anything-but": ["x"]}]}, {}, False),
        ({"a": [{"exists": True}]}, {"a": ""}, True),
        ({"a": [{"exists": True}]}, {}, False),
        ({"a": [{"exists": False}]}, {}, True),
        ({"a": [{"exists": False}]}, {"a": "x"}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": "x"}}, False),
    ],
)
def test_event_passes_or_not_when_a_pattern_is_given(
    pattern: dict[str, Any], event: dict[str, Any], *, passes: bool
) -> None:
    assert EventFilters([pattern]).match(event) is passes


def test_event_passes_when_one_of_several_patterns_matches() -> None:
    filters = EventFilters([{"a": ["x"]}, {"b": ["y"]}])

    assert filters.match({"b": "y"})
    assert not filters.match({"a": "y", "b": "x"})


def test_every_event_passes_when_there_is_no_pattern() -> None:
    assert EventFilters([]).match({"a": "x"})


@pytest.mark.parametrize(
    "pattern", [{}, {"a": "x"}, {"a": [{"suffix": "x"}]}, {"a": [{"prefix": "x", "exists": True}]}]
)
def test_pattern_is_refused_when_it_says_what_we_do_not_match(pattern: dict[str, Any]) -> None:
    with pytest.raises(FilterPatternError):
        EventFilters([pattern])


@pytest.mark.parametrize(
    ("event", "passes"),
    [
        (change(sk="JOB#1", open=0, status="processing"), True),
        (change(sk="JOB#1", open=0, status="completed"), False),
        (change(sk="JOB#1", open=1, status="processing"), False),
        (change(sk="ITEM#00001", status="completed"), False),
        ({"eventName": "REMOVE", "dynamodb": {"OldImage": {}}}, False),
    ],
)
def test_finalizer_hears_only_of_ledgers_with_nothing_open_when_the_table_changes(
    event: dict[str, Any], *, passes: bool
) -> None:
    assert EventFilters(STREAM_FILTERS).match(event) is passes


@pytest.mark.parametrize(
    ("event", "passes"),
    [
        (change(sk="JOB#1", open=3, status="intake"), True),
        (change(sk="JOB#1", open=0, status="completed"), True),
        (change(sk="EVENT#2026-11-22T12:00:00Z#1", type="job.created"), False),
        (change(sk="ITEM#00001", status="completed"), False),
        (change(sk="PROJECT"), False),
        (
            {"eventName": "REMOVE", "dynamodb": {"Keys": {"sk": {"S": "JOB#1"}}, "OldImage": {"sk": {"S": "JOB#1"}}}},
            False,
        ),
    ],
)
def test_journal_hears_of_every_ledger_and_of_nothing_else_when_the_table_changes(
    event: dict[str, Any], *, passes: bool
) -> None:
    assert EventFilters(JOURNAL_FILTERS).match(event) is passes
