"""Texts of items, Claude's and the users', stay out of logs and errors."""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from aws_lambda_powertools import Logger
from pydantic import BaseModel, Field, ValidationError

import shared.generation
from shared.contracts import problems, requests, views
from shared.errors import CorruptRowError, ItemError
from shared.generation.answers import judge
from shared.generation.kinds import KINDS
from shared.generation.misfits import misfit
from shared.generation.pricing import BUILT_IN
from shared.jobs.ids import new_token
from tests.support.claude_answers import MODEL, answer, message

if TYPE_CHECKING:
    from shared.generation.kind import Kind

TEXT = "a text that nobody else must read"
KIND: Kind[Any, Any] = KINDS["outline"]
ANSWERS = {
    "no JSON": TEXT,
    "JSON that breaks off": f'{{"title": "{TEXT}',
    "no object": json.dumps(TEXT),
    "another schema": json.dumps({"title": [TEXT], "summary": {"of": TEXT}, "sections": TEXT}),
    "a key that nobody asked for": json.dumps({"title": "T", "sections": [], TEXT: 1}),
    "such a key in a part": json.dumps({"title": "T", "summary": "S", "sections": [{TEXT: {TEXT: TEXT}}]}),
    "parts of it": json.dumps({"title": TEXT, "sections": [{"heading": TEXT, "key_points": TEXT}]}),
}


def logged(error: Exception) -> str:
    """What a function's logger writes of ``error``, with all that caused it."""
    stream = io.StringIO()
    Logger(service=new_token(), level="DEBUG", stream=stream).warning("the call failed", exc_info=error)
    assert type(error).__name__ in stream.getvalue()
    return stream.getvalue()


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_answer_is_not_repeated_when_it_does_not_fit(text: str) -> None:
    prompt = KIND.prompt(KIND.sample)
    with pytest.raises(ItemError) as caught:
        judge(answer(message(text)), prompt, model=MODEL, prices=BUILT_IN)

    assert TEXT not in logged(caught.value)
    assert TEXT not in caught.value.message
    assert caught.value.__cause__ is None  # its own words name the keys


def test_body_is_not_repeated_when_it_is_no_message() -> None:
    with pytest.raises(ItemError) as caught:
        judge(answer({"content": TEXT, "usage": TEXT}), KIND.prompt(KIND.sample), model=MODEL, prices=BUILT_IN)

    assert TEXT not in logged(caught.value)


def test_row_is_not_repeated_when_it_fits_its_kind_no_more() -> None:
    with pytest.raises(CorruptRowError) as caught:
        KIND.to_markdown(KIND.sample_input(), {"title": [TEXT], "sections": TEXT})

    assert TEXT not in logged(caught.value)


def test_first_fields_are_named_when_there_are_many() -> None:
    class Wide(BaseModel):
        a: int
        b: int
        c: int
        d: int
        e: int
        f: int

    with pytest.raises(ValidationError) as caught:
        Wide.model_validate({})

    told = misfit(caught.value, Wide)
    assert told.startswith("a: Field required; b: ")
    assert told.endswith("e: Field required; and 1 more")


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Zoo(BaseModel):
    animals: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    ages: dict[str, int]


def test_only_names_of_the_model_are_told_when_keys_and_tags_are_made_up() -> None:
    wrong = {"animals": [{"kind": "cat", "lives": TEXT}, {"kind": TEXT}], "ages": {TEXT: TEXT}}
    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate(wrong)

    assert misfit(caught.value, Zoo).split("; ") == [
        "animals.0.(unknown).lives: Input should be a valid integer, unable to parse string as an integer",
        "animals.1: Unknown tag",
        "ages.(unknown): Input should be a valid integer, unable to parse string as an integer",
    ]


def test_no_model_repeats_what_it_is_given() -> None:
    for module in pkgutil.walk_packages(shared.generation.__path__, "shared.generation."):
        importlib.import_module(module.name)
    places = ("shared.generation.", *(module.__name__ for module in (problems, requests, views)))
    waiting = [BaseModel]
    found = dict[str, bool]()
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if model.__module__.startswith(places):
            found[model.__qualname__] = bool(model.model_config.get("hide_input_in_errors"))

    kinds, bodies = {"OutlineOutput", "ArticleOutput", "WritingInput"}, {"NewItemRequest", "JobEnvelope"}
    assert kinds | bodies | {"ItemView", "Problem"} <= found.keys()
    assert [name for name, hides in found.items() if not hides] == []
