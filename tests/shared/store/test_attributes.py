from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.statuses import JobStatus
from shared.store.attributes import attributes, from_attributes

LEAVES = st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text() | st.binary()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
ROWS = st.dictionaries(st.text(), VALUES, max_size=6)


@given(ROWS)
def test_row_is_written_as_boto3_would_and_read_back_when_converted(row: dict[str, Any]) -> None:
    written = attributes(row)

    assert written == {name: TypeSerializer().serialize(value) for name, value in row.items()}
    assert from_attributes(written) == row


def test_tuple_and_status_are_a_list_and_text_when_converted() -> None:
    assert attributes({"past": (JobStatus.QUEUED, 1)}) == {"past": {"L": [{"S": "queued"}, {"N": "1"}]}}


@pytest.mark.parametrize("value", [1.5, Decimal(1), {"a"}, object()])
def test_row_is_refused_when_a_value_at_any_depth_is_of_no_type_of_ours(value: object) -> None:
    with pytest.raises(TypeError, match=f"of type {type(value).__name__}"):
        attributes({"lanes": [{"next": value}]})


def test_row_is_refused_when_a_map_has_a_key_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="key of a map in a row is 7"):
        attributes({"lanes": {7: "x"}})


def test_attribute_is_refused_when_its_type_is_none_of_ours() -> None:
    with pytest.raises(TypeError, match="'SS'"):
        from_attributes({"names": {"SS": ["a"]}})


def test_attribute_is_refused_when_its_number_is_not_whole() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        from_attributes({"count": {"N": "1.5"}})
