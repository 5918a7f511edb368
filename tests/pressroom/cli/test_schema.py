from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pressroom.cli.schema import InputSchema
from shared.generation.kinds import KINDS
from tests.support.fake_api import OUTLINE

KIND = KINDS["outline"]
REAL = InputSchema(KIND.input_schema())
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-10, 5000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=130)
    | st.sampled_from(["friendly", "en", "900", " professional ", "", "  ", "x" * 501])
    | st.lists(st.text(max_size=3), max_size=2)
)
SCHEMA = InputSchema(OUTLINE)
OPEN = InputSchema(
    {
        "properties": {
            "words": {"type": "array", "minItems": 1, "maxItems": 2},
            "ratio": {"type": "number", "minimum": 0},
            "draft": {"type": "boolean"},
            "mode": {"const": "spin"},
            "either": {"oneOf": [{"type": "integer"}, {"type": "string", "minLength": 3}]},
            "anything": {},
            "top": {"type": "integer", "maximum": 5},
        }
    }
)


@pytest.mark.parametrize(
    "values",
    [
        {"topic": "Tea"},
        {"topic": " " * 600 + "Tea", "tone": "friendly", "keyword": None, "word_count": 100},
        {"topic": "Tea", "keyword": "green"},
    ],
)
def test_finds_nothing_wrong(values: dict[str, object]) -> None:
    assert list(SCHEMA.faults(values)) == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "topic is missing"),
        ({"topic": "  "}, "topic is empty"),
        ({"topic": "x" * 501}, "topic should have at most 500 characters, not 501"),
        ({"topic": 5}, "topic should be text, not 5"),
        ({"topic": "a", "colour": "red"}, "colour is no field of this kind; it takes topic, tone, keyword, word_count"),
        ({"topic": "a", "tone": "loud"}, 'tone should be one of professional, friendly, formal, not "loud"'),
        ({"topic": "a", "word_count": "many"}, 'word_count should be a whole number, not "many"'),
        ({"topic": "a", "word_count": True}, "word_count should be a whole number, not true"),
        ({"topic": "a", "word_count": 99}, "word_count should be 100 to 4,000, not 99"),
        ({"topic": "a", "keyword": "x" * 21}, "keyword should have at most 20 characters, not 21"),
        ({"topic": "a", "keyword": ["x" * 90]}, 'keyword should be text, not ["' + "x" * 38 + "…"),
    ],
)
def test_names_the_field_and_what_is_wrong(values: dict[str, object], fault: str) -> None:
    assert list(SCHEMA.faults(values)) == [fault]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"words": []}, "words should have 1 to 2 entries, not 0"),
        ({"ratio": -0.5}, "ratio should be at least 0, not -0.5"),
        ({"top": 6}, "top should be at most 5, not 6"),
        ({"mode": "topic"}, 'mode should be one of spin, not "topic"'),
        ({"either": "ab"}, "either should have at least 3 characters, not 2"),
        ({"either": []}, "either should be a whole number, not []"),
    ],
)
def test_understands_other_bounds(values: dict[str, object], fault: str) -> None:
    assert list(OPEN.faults(values)) == [fault]


def test_takes_any_field_where_the_schema_is_open() -> None:
    assert list(OPEN.faults({"colour": "red", "anything": object})) == []


def test_names_all_that_is_wrong() -> None:
    assert len(list(SCHEMA.faults({"tone": "loud", "word_count": 1, "x": 1}))) == 4


def test_needs_no_field_that_the_defaults_give() -> None:
    assert list(SCHEMA.faults({}, provided=frozenset({"topic"}))) == []


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("word_count", "900", 900),
        ("word_count", "9.5", "9.5"),
        pytest.param("word_count", "9" * 5000, "9" * 5000, id="digits"),
        ("topic", "900", "900"),
        ("keyword", "900", "900"),
        ("unknown", "900", "900"),
    ],
)
def test_reads_a_cell_as_its_field_wants_it(field: str, text: str, value: object) -> None:
    assert SCHEMA.from_text(field, text) == value


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("words", "green; black ;", ["green", "black"]),
        ("ratio", "0.5", 0.5),
        ("ratio", "nan", "nan"),
        ("draft", "Yes", True),
        ("draft", "0", False),
        ("draft", "perhaps", "perhaps"),
        ("either", "7", 7),
        ("either", "seven", "seven"),
    ],
)
def test_reads_lists_numbers_and_truth(field: str, text: str, value: object) -> None:
    assert OPEN.from_text(field, text) == value


@given(st.dictionaries(st.sampled_from([*REAL.fields, "colour"]), _VALUES), st.text(min_size=1, max_size=5))
def test_refuses_nothing_that_the_server_would_take(values: dict[str, object], topic: str) -> None:
    given_values = {"topic": topic, **values}
    if list(REAL.faults(given_values)):
        with pytest.raises(ValidationError):
            KIND.validate(given_values)


@pytest.mark.parametrize("kind", list(KINDS))
def test_takes_the_sample_of_every_kind(kind: str) -> None:
    assert list(InputSchema(KINDS[kind].input_schema()).faults(KINDS[kind].sample_input())) == []
