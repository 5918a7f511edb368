"""Roles against calls: what the functions do to rows is what they may do, and the other way round."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from tests.infra.templates import statements
from tests.support.emulator import REGION
from tests.support.resources import fresh_queue, fresh_table
from tests.support.row_calls import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.templates import Assembly
    from tests.support.row_calls import RowCall

FUNCTIONS = ["api", "dead_letters", "finalizer", "journal", "processor", "sweeper"]
CONDITION = "ForAllValues:StringLike"


@pytest.fixture(scope="module")
def calls() -> Iterator[dict[str, set[RowCall]]]:
    """What every function was seen doing, once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
        with (
            mock_aws(),
            fresh_table(boto3.client("dynamodb", region_name=REGION)) as table,
            fresh_queue(boto3.client("sqs", region_name=REGION)) as queue,
        ):
            yield recorded(table, queue)


def _granted(assembly: Assembly, name: str) -> dict[str, tuple[str, ...]]:
    """The patterns of partition keys that the function ``name`` may take each action on."""
    granted: dict[str, tuple[str, ...]] = {}
    for statement in statements(assembly, name):
        if statement.resource != "Table.Arn":
            continue
        assert statement.conditions.keys() == {CONDITION}, "an action on rows is bounded by their keys"
        patterns = statement.conditions[CONDITION]["dynamodb:LeadingKeys"]
        for action in statement.actions:
            # IAM wants all keys of a call within one statement, so an action has one.
            assert action not in granted
            granted[action.removeprefix("dynamodb:")] = tuple([patterns] if isinstance(patterns, str) else patterns)
    return granted


def _pattern(partition: str, patterns: tuple[str, ...]) -> str:
    """The one of ``patterns`` that ``partition`` matches, or what it began with."""
    return next((each for each in patterns if fnmatchcase(partition, each)), f"{partition.partition('#')[0]}: missing")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_role_allows_the_rows_that_are_touched_and_no_others_when_deployed(
    dev: Assembly, calls: dict[str, set[RowCall]], name: str
) -> None:
    granted = _granted(dev, name)
    touched: dict[str, set[str]] = {}
    for call in calls[name]:
        if call.index is None:
            patterns = {_pattern(each, granted.get(call.action, ())) for each in call.partitions}
            touched.setdefault(call.action, set()).update(patterns)

    assert touched == {action: set(patterns) for action, patterns in granted.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_role_allows_the_indexes_that_are_read_when_deployed(
    dev: Assembly, calls: dict[str, set[RowCall]], name: str
) -> None:
    read = {call.index for call in calls[name] if call.index is not None}
    allowed: dict[str, Any] = {
        each.resource.removeprefix("Table.Arn/index/"): each.actions
        for each in statements(dev, name)
        if each.resource.startswith("Table.Arn/index/")
    }

    assert allowed == {index: {"dynamodb:Query"} for index in read}


def test_pattern_is_missing_when_a_row_is_not_allowed() -> None:
    assert _pattern("PROJECT#1", ("JOB#*",)) == "PROJECT: missing"
    assert _pattern("PROJECT#1", ("JOB#*", "PROJECT#*")) == "PROJECT#*"
