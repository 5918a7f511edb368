from __future__ import annotations

from typing import Annotated, Literal

import anthropic
from pydantic import BaseModel, Field

from shared.generation.schemas import wire_schema


class Leaf(BaseModel):
    """A leaf."""

    kind: Literal["oak", "elm"]
    note: str | None = None
    size: Annotated[int, Field(ge=1, le=9, description="In centimetres.")]


class Tree(BaseModel):
    leaves: Annotated[list[Leaf], Field(min_length=3, max_length=7)]
    spare: Annotated[list[Leaf], Field(min_length=0)]
    name: Annotated[str, Field(max_length=80)]


class Bare(BaseModel):
    name: str


def test_bounds_move_into_the_description() -> None:
    properties = wire_schema(Tree)["properties"]

    assert isinstance(properties, dict)
    assert properties["name"] == {"type": "string", "description": "{maxLength: 80}"}
    assert properties["leaves"]["description"] == "{maxItems: 7, minItems: 3}"
    assert properties["leaves"]["minItems"] == 1
    assert "minItems" not in properties["spare"]


def test_a_description_stays_before_the_bounds() -> None:
    definitions = wire_schema(Tree)["$defs"]

    assert isinstance(definitions, dict)
    assert definitions["Leaf"]["properties"]["size"]["description"] == "In centimetres. {maximum: 9, minimum: 1}"


def test_every_object_is_closed() -> None:
    schema = wire_schema(Tree)

    assert schema["additionalProperties"] is False
    assert isinstance(schema["$defs"], dict)
    assert schema["$defs"]["Leaf"]["additionalProperties"] is False


def test_what_the_sdk_would_send_is_the_same() -> None:
    for model in (Tree, Bare):
        schema = dict(wire_schema(model))
        sent = anthropic.transform_schema(schema)
        assert sent.get("$defs", {}).keys() == ({"Leaf"} if model is Tree else set())
        assert sent["properties"] == schema["properties"]


def test_a_model_without_parts_has_no_definitions() -> None:
    assert "$defs" not in wire_schema(Bare)
