from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from pressroom.local.claude.prose import Author
from pressroom.local.claude.shapes import fill
from shared.generation.kinds import KINDS


def filled(schema: dict[str, Any], *, words: int = 600, seed: int = 1) -> Any:
    return fill(schema, Author("Green tea", seed), words=words)


@pytest.mark.parametrize("words", [100, 300, 1_200, 4_000])
@pytest.mark.parametrize("name", KINDS)
def test_an_output_fits_its_kind_at_every_length(name: str, words: int) -> None:
    kind = KINDS[name]
    for seed in range(20):
        value = fill(kind.prompt(kind.sample).schema, Author("Green tea", seed), words=words)
        kind.output_model.model_validate(value)


def test_an_article_is_about_as_long_as_asked() -> None:
    kind = KINDS["article"]
    value = fill(kind.prompt(kind.sample).schema, Author("Green tea", 1), words=1_200)

    words = len(kind.to_markdown(kind.sample_input(), value).split())
    assert 1_100 < words < 1_500
    assert 6_500 < len(json.dumps(value)) < 10_000


def test_an_outline_shares_the_words_among_its_sections() -> None:
    kind = KINDS["outline"]
    value = fill(kind.prompt(kind.sample).schema, Author("Green tea", 1), words=1_200)

    assert 1_000 < sum(section["word_count"] for section in value["sections"]) < 1_400


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 7}, 7),
        ({"enum": ["only"]}, "only"),
        ({"anyOf": [{"const": "first"}, {"type": "null"}]}, "first"),
        ({"type": "null"}, None),
        ({"type": "object"}, {}),
        ({"$ref": "#/$defs/Leaf", "$defs": {"Leaf": {"const": "leaf"}}}, "leaf"),
    ],
)
def test_a_schema_with_one_value_gives_it(schema: dict[str, Any], expected: object) -> None:
    assert filled(schema) == expected


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_number_keeps_its_bounds(kind: str) -> None:
    values = {filled({"type": kind, "description": "{maximum: 5, minimum: 3}"}, seed=seed) for seed in range(40)}

    assert values == {3, 4, 5}


def test_a_boolean_is_either() -> None:
    assert {filled({"type": "boolean"}, seed=seed) for seed in range(20)} == {True, False}


def test_a_list_keeps_its_bounds() -> None:
    items = {"type": "string"}
    assert len(filled({"type": "array", "items": items, "description": "{minItems: 9}"})) == 9
    assert len(filled({"type": "array", "items": items, "description": "Two. {maxItems: 2}"})) == 2


def test_a_text_keeps_its_bound() -> None:
    class Short(BaseModel):
        name: str

    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "{maxLength: 8}"}},
    }
    value = filled(schema)

    assert len(Short.model_validate(value).name) <= 8
    assert value["name"].endswith("…")


def test_a_field_that_is_known_by_its_name_has_a_fitting_text() -> None:
    names = ("title", "heading", "summary", "keywords", "body", "remark")
    value = filled({"type": "object", "properties": {name: {"type": "string"} for name in names}})

    assert len(value["body"].split()) > 100
    assert value["summary"].count(" ") > value["heading"].count(" ")
    assert len({value[name] for name in names}) == len(names)
