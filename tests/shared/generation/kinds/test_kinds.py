"""What holds for every kind, whatever its fields: a new kind or field is tested without a line here."""

from __future__ import annotations

import json
import types
from enum import Enum
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import anthropic
import pytest
from annotated_types import Ge, Le, MaxLen
from pydantic import ValidationError

from shared.errors import CorruptRowError
from shared.generation.kinds import KINDS
from shared.generation.pricing import BUILT_IN
from shared.generation.thinking import THINKING_TOKENS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from pressroom.local.claude import OfflineClaude
    from shared.generation.client import ClaudeClient
    from shared.generation.kind import Kind

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
every_field = pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, id=f"{kind.name}-{name}")
        for kind in KINDS.values()
        for name in kind.input_model.model_fields
    ],
)

NON_STREAMING_TOKENS = 21_333
"""More than these the SDK refuses to ask for without streaming, unless it is told a time limit."""


def minimal(**fields: object) -> dict[str, object]:
    return {"topic": "Green tea", **fields}


def plain_type(field: FieldInfo) -> Any:
    if get_origin(field.annotation) in {Union, types.UnionType}:
        (inner,) = [part for part in get_args(field.annotation) if part is not type(None)]
        return inner
    return field.annotation


def bound(field: FieldInfo, kind: type[Any]) -> Any:
    (found,) = [rule for rule in field.metadata if isinstance(rule, kind)]
    return found


def probes(field: FieldInfo) -> list[Any]:
    """Values of a field whose traces in a prompt can be told apart."""
    inner = plain_type(field)
    if issubclass(inner, Enum):
        return list(inner)
    if inner is int:
        least, most = bound(field, Ge).ge, bound(field, Le).le
        return [least, most, (least + most) // 2 + 1]
    assert inner is str, f"teach this test to probe {inner}"
    return ["a heron in the reeds", "quince & <medlar>"]


@every_field
@pytest.mark.acceptance(1)
def test_every_field_reaches_the_prompt(kind: Kind[Any, Any], name: str) -> None:
    field = kind.input_model.model_fields[name]
    seen = set()

    for probe in probes(field):
        prompt = kind.prompt(kind.validate(minimal(**{name: probe})))
        trace = probe.words if isinstance(probe, Enum) else str(probe)  # type: ignore[attr-defined]
        assert trace in prompt.user
        seen.add(prompt.user)

    assert len(seen) == len(probes(field))


@every_field
@pytest.mark.acceptance(5)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(kind: Kind[Any, Any], name: str) -> None:
    text = plain_type(kind.input_model.model_fields[name]) is str

    with pytest.raises(ValidationError) as refused:
        kind.validate(minimal(**{name: "" if text else "-"}))

    assert {detail["loc"][0] for detail in refused.value.errors()} == {name}


@every_field
@pytest.mark.acceptance(7)
def test_a_text_takes_its_longest_length_and_no_more(kind: Kind[Any, Any], name: str) -> None:
    field = kind.input_model.model_fields[name]
    if plain_type(field) is not str:
        assert not any(isinstance(rule, MaxLen) for rule in field.metadata)
        return
    most = bound(field, MaxLen).max_length

    assert getattr(kind.validate(minimal(**{name: "x" * most})), name) == "x" * most
    with pytest.raises(ValidationError):
        kind.validate(minimal(**{name: "x" * (most + 1)}))


@every_kind
@pytest.mark.acceptance(1)
def test_an_unknown_field_is_refused_by_its_name(kind: Kind[Any, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        kind.validate(minimal(shoe_size=43))

    assert [(detail["loc"], detail["type"]) for detail in refused.value.errors()] == [
        (("shoe_size",), "extra_forbidden")
    ]


@every_kind
@pytest.mark.acceptance(8)
def test_all_bad_fields_are_named_together(kind: Kind[Any, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        kind.validate({"tone": "grumpy", "word_count": 0, "language": "xx", "status": "completed"})

    assert {detail["loc"][0] for detail in refused.value.errors()} == {
        "topic",
        "tone",
        "word_count",
        "language",
        "status",
    }


@every_kind
def test_a_topic_of_blanks_is_refused(kind: Kind[Any, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.validate({"topic": " \n\t "})


@every_kind
def test_text_that_is_no_unicode_is_refused(kind: Kind[Any, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.validate({"topic": json.loads(r'"tea \ud800"')})


@every_kind
def test_only_the_topic_is_required(kind: Kind[Any, Any]) -> None:
    assert kind.required_fields == ("topic",)
    assert kind.validate({"topic": "Tea"}).word_count == 1_200


@every_kind
def test_an_input_is_the_same_after_it_was_stored(kind: Kind[Any, Any]) -> None:
    stored = json.loads(json.dumps(kind.sample.model_dump(mode="json")))

    assert kind.validate(stored) == kind.sample
    assert kind.prompt(kind.validate(stored)) == kind.prompt(kind.sample)


@every_kind
def test_a_sample_is_an_input(kind: Kind[Any, Any]) -> None:
    assert kind.validate(kind.sample_input()) == kind.sample


@every_kind
def test_the_schemas_for_callers_are_json_and_closed(kind: Kind[Any, Any]) -> None:
    for schema in (kind.input_schema(), kind.output_schema()):
        assert json.loads(json.dumps(schema))["additionalProperties"] is False
    assert kind.input_schema()["required"] == list(kind.required_fields)


@every_kind
def test_the_schema_for_claude_is_one_that_the_sdk_would_leave_as_it_is(kind: Kind[Any, Any]) -> None:
    schema = dict(kind.prompt(kind.sample).schema)

    assert anthropic.transform_schema(schema) == schema


@every_kind
def test_an_answer_of_the_greatest_length_needs_no_streaming(kind: Kind[Any, Any]) -> None:
    for language in type(kind.sample.language):
        most = kind.validate(minimal(language=language, word_count=4_000))
        assert kind.prompt(most).max_tokens <= NON_STREAMING_TOKENS


@every_kind
@pytest.mark.acceptance(1)
def test_the_sample_runs_end_to_end(kind: Kind[Any, Any], client: ClaudeClient, claude: OfflineClaude) -> None:
    generation = client.generate(
        kind.prompt(kind.sample), model="claude-sonnet-5-5", idempotency_key="job_1:1:1", timeout_seconds=10
    )

    output = json.loads(generation.output)
    markdown = kind.to_markdown(kind.sample_input(), output)
    assert markdown.startswith(f"# {output['title']}\n")
    assert markdown.endswith("\n")
    assert [call.status for call in claude.calls] == [200]


@every_kind
def test_every_section_stands_in_the_markdown(kind: Kind[Any, Any], client: ClaudeClient) -> None:
    generation = client.generate(
        kind.prompt(kind.sample), model="claude-sonnet-5-5", idempotency_key="job_1:1:1", timeout_seconds=10
    )

    output = json.loads(generation.output)
    markdown = kind.to_markdown(kind.sample_input(), output)
    assert [line[3:] for line in markdown.splitlines() if line.startswith("## ")] == [
        section["heading"] for section in output["sections"]
    ]


@every_kind
def test_a_stored_output_of_another_form_is_a_corrupt_row(kind: Kind[Any, Any]) -> None:
    with pytest.raises(CorruptRowError):
        kind.to_markdown(kind.sample_input(), {"heading": "no title"})


@every_kind
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5"])
def test_a_call_never_costs_more_than_its_estimate(kind: Kind[Any, Any], model: str, client: ClaudeClient) -> None:
    prompt = kind.prompt(kind.sample)
    generation = client.generate(prompt, model=model, idempotency_key="job_1:1:1", timeout_seconds=10)

    assert 0 < generation.cost_microusd <= BUILT_IN.estimate_microusd(prompt, model)
    assert generation.output_tokens <= prompt.max_tokens < prompt.max_tokens + THINKING_TOKENS
