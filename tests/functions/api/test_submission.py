"""What a new job may hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import BaseModel, ValidationInfo, field_validator

from functions.api.folding import folded
from functions.api.submission import SubmissionReader
from shared.contracts.limits import Limits
from shared.errors import RequestError
from shared.generation.kinds import KINDS
from shared.generation.pricing import BUILT_IN
from shared.jobs.ids import PROJECT, TEMPLATE, new_id
from shared.jobs.spec import TemplateRef
from shared.store.presets import Presets, PresetStore
from shared.store.templates import Template
from shared.store.voices import SILENCE, Voice
from tests.support.clock import START
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.api.submission import Submission
    from shared.store.dynamodb import DynamoTable
    from tests.support.front_desk import FrontDesk

PROJECT_ID = new_id(PROJECT, START)


@dataclass(frozen=True)
class Shelved(PresetStore):
    """Presets that a test has at hand."""

    voice: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[Template, ...] = ()

    def current(self, project_id: str, template_id: str | None) -> Presets:
        assert project_id == PROJECT_ID
        found = [template for template in self.templates if template.template_id == template_id]
        return Presets(found[0] if found else None, Voice(1, self.voice, START) if self.voice else SILENCE)

    def of_kind(self, project_id: str, kind: str) -> list[Template]:
        assert project_id == PROJECT_ID
        return [template for template in self.templates if template.kind == kind and template.deleted_at is None]


NO_TABLE = cast("DynamoTable", None)
READER = SubmissionReader(Limits(), lambda: KINDS, BUILT_IN, "claude-sonnet-5-5", Shelved(NO_TABLE))


def template_of(values: dict[str, Any], *, kind: str = "outline", minute: int = 0, deleted: bool = False) -> Template:
    at = START + timedelta(minutes=minute)
    return Template(
        template_id=new_id(TEMPLATE, at),
        version=2,
        name="House style",
        kind=kind,
        values=values,
        created_at=START,
        updated_at=at,
        deleted_at=at if deleted else None,
    )


def reader_with(*templates: Template, **voice: Any) -> SubmissionReader:
    return replace(READER, presets=Shelved(NO_TABLE, voice, templates))


def read(body: dict[str, Any], reader: SubmissionReader = READER) -> Submission:
    return reader.read(PROJECT_ID, body)


def faults(body: dict[str, Any], reader: SubmissionReader = READER) -> dict[str, str]:
    with pytest.raises(RequestError) as caught:
        reader.read(PROJECT_ID, body)
    assert caught.value.status == 422
    assert caught.value.code == "invalid"
    return {bad.pointer: bad.detail for bad in caught.value.errors}


@pytest.mark.acceptance(1)
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_sample_of_every_kind_is_accepted_and_reaches_the_row_whole(kind: Any) -> None:
    submission = read({"kind": kind.name, "items": [{"input": kind.sample_input()}]})

    assert submission.entries[0].values == kind.sample_input()


def test_values_merge_item_over_defaults_over_the_kinds_own() -> None:
    submission = read(
        body_of([{"topic": "a", "tone": "friendly"}, {"topic": "b"}], defaults={"tone": "formal", "word_count": 300})
    )

    first, second = (entry.values for entry in submission.entries)
    assert (first["tone"], first["word_count"], first["language"]) == ("friendly", 300, "en")
    assert second["tone"] == "formal"


def test_a_null_of_an_item_takes_a_default_away() -> None:
    submission = read(body_of([{"topic": "a", "keyword": None}], defaults={"keyword": "tea"}))

    assert "keyword" not in submission.entries[0].values


@pytest.mark.acceptance(8)
def test_every_bad_field_of_every_bad_item_is_told_at_once_by_its_pointer() -> None:
    body = {
        "kind": "outline",
        "name": "",
        "colour": 1,
        "defaults": {"tone": "loud", "a/b~c": 1},
        "options": {"concurrency": 0, "max_attempts": 6, "drive": "car", "speed": 9},
        "items": [
            {"input": {"topic": "fine"}},
            {"input": {"tone": "shrill", "word_count": 5}, "custom_id": "", "status": "completed"},
            {"input": "text"},
            7,
            {},
            {"input": {"topic": "x", "language": "tlh"}},
        ],
    }

    told = faults(body)

    assert set(told) == {
        "/name",
        "/colour",
        "/defaults/tone",
        "/defaults/a~1b~0c",
        "/options/concurrency",
        "/options/max_attempts",
        "/options/drive",
        "/options/speed",
        "/items/1/input/topic",
        "/items/1/input/tone",
        "/items/1/input/word_count",
        "/items/1/custom_id",
        "/items/1/status",
        "/items/2/input",
        "/items/3",
        "/items/4/input",
        "/items/5/input/language",
    }
    assert told["/items/1/input/topic"] == "this field is required"
    assert told["/items/3"] == "must be an object"
    assert "'professional'" in told["/items/1/input/tone"]


@pytest.mark.acceptance(8)
def test_items_are_checked_when_kind_or_defaults_or_options_are_wrong() -> None:
    assert set(faults({"kind": "novel", "items": [{"input": {}, "x": 1}]})) == {"/kind", "/items/0/x"}
    assert set(faults({"kind": 5, "items": [{}]})) == {"/kind", "/items/0/input"}
    assert set(faults({"items": [{}]})) == {"/kind", "/items/0/input"}
    assert set(faults({"kind": "outline", "defaults": 3, "items": [{"input": {}}]})) == {"/defaults"}
    assert set(faults({"kind": "outline", "options": [], "items": [{"input": {}}]})) == {
        "/options",
        "/items/0/input/topic",
    }


def test_a_wrong_default_is_told_once_even_where_items_override_it() -> None:
    inherited = faults(body_of([{"topic": "a"}, {"topic": "b"}], defaults={"tone": "loud"}))
    overridden = faults(body_of([{"topic": "a", "tone": "formal"}], defaults={"tone": "loud"}))

    assert list(inherited) == list(overridden) == ["/defaults/tone"]


def test_a_default_that_only_some_items_make_wrong_is_told_once() -> None:
    class Pair(BaseModel):
        low: int
        high: int

        @field_validator("high")
        @classmethod
        def ordered(cls, high: int, info: ValidationInfo) -> int:
            if high < info.data["low"]:
                raise ValueError("lower than low")
            return high

    pairs: Any = replace(KINDS["outline"], input_model=Pair, sample=Pair(low=0, high=1))
    reader = replace(READER, kinds=lambda: {"pairs": pairs})
    items = [{"input": {"low": 9}}, {"input": {"low": 8}}]

    assert list(faults({"kind": "pairs", "defaults": {"high": 5}, "items": items}, reader)) == ["/defaults/high"]


@pytest.mark.acceptance(9)
@pytest.mark.parametrize(
    "name", ["status", "position", "id", "job_id", "generation", "counts", "token", "output", "pk"]
)
def test_an_item_cannot_set_anything_outside_its_input(name: str) -> None:
    assert set(faults(body_of([{"topic": "a", name: "x"}]))) == {f"/items/0/input/{name}"}
    assert set(faults({"kind": "outline", "items": [{"input": {"topic": "a"}, name: "x"}]})) == {f"/items/0/{name}"}


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"concurrency": 33}, "/options/concurrency"),
        ({"concurrency": "2"}, "/options/concurrency"),
        ({"concurrency": True}, "/options/concurrency"),
        ({"concurrency": 2.5}, "/options/concurrency"),
        ({"max_attempts": 0}, "/options/max_attempts"),
        ({"item_timeout_seconds": 4}, "/options/item_timeout_seconds"),
        ({"item_timeout_seconds": 601}, "/options/item_timeout_seconds"),
        ({"deadline_minutes": 0}, "/options/deadline_minutes"),
        ({"deadline_minutes": 10_081}, "/options/deadline_minutes"),
        ({"min_interval_seconds": -1}, "/options/min_interval_seconds"),
        ({"min_interval_seconds": 3_601}, "/options/min_interval_seconds"),
        ({"budget_usd": 0}, "/options/budget_usd"),
        ({"budget_usd": "5"}, "/options/budget_usd"),
        ({"on_error": "shrug"}, "/options/on_error"),
        ({"on_duplicate": ""}, "/options/on_duplicate"),
        ({"drive": None}, "/options/drive"),
        ({"model": "gpt"}, "/options/model"),
        ({"model": ""}, "/options/model"),
    ],
)
def test_an_option_out_of_bounds_is_told(options: dict[str, Any], pointer: str) -> None:
    assert list(faults(body_of(1, options=options))) == [pointer]


@pytest.mark.acceptance(7)
def test_the_servers_own_bound_of_concurrency_holds_when_it_is_narrower() -> None:
    narrow = replace(READER, limits=Limits(concurrency_max=4))

    assert faults(body_of(1, options={"concurrency": 5}), narrow) == {"/options/concurrency": "at most 4"}
    assert read(body_of(1, options={"concurrency": 4}), narrow).options.concurrency == 4


@pytest.mark.acceptance(43)
def test_values_merge_item_over_defaults_over_template_over_voice_over_the_kinds_own() -> None:
    fields = ["tone", "writing_style", "audience_level", "language"]
    voice = dict(zip(fields, ["humorous", "narrative", "expert", "de"], strict=True)) | {"no_such_field": "x"}
    template = template_of({"tone": "formal", "writing_style": "technical", "audience_level": "beginner"})
    body = body_of(
        [{"topic": "a", "tone": "friendly"}, {"topic": "b"}],
        template_id=template.template_id,
        defaults={"tone": "casual", "writing_style": "academic"},
    )

    submission = read(body, reader_with(template, **voice))

    first, second = (entry.values for entry in submission.entries)
    assert [first[name] for name in fields] == ["friendly", "academic", "beginner", "de"]
    assert second == {**first, "topic": "b", "tone": "casual"}
    assert first["word_count"] == 1_200
    assert submission.presets.reference == TemplateRef(template.template_id, 2)
    assert submission.presets.voice.version == 1
    bare = read(body_of([{"topic": "a"}])).entries[0].values
    assert [bare[name] for name in fields] == ["professional", "expository", "general", "en"]


def test_a_null_takes_away_what_lies_below_it() -> None:
    template = template_of({"keyword": "tea", "custom_instructions": None})
    body = body_of([{"topic": "a", "keyword": None}, {"topic": "b"}], template_id=template.template_id)

    first, second = (
        entry.values for entry in read(body, reader_with(template, custom_instructions="Be brief.")).entries
    )

    assert "keyword" not in first
    assert second["keyword"] == "tea"
    assert "custom_instructions" not in second


def test_a_template_is_refused_when_it_cannot_be_used() -> None:
    article, gone = template_of({}, kind="article"), template_of({}, deleted=True)
    reader = reader_with(article, gone)

    told = {
        name: faults(body_of(1, template_id=name), reader)["/template_id"]
        for name in (new_id(TEMPLATE, START), "tpl_1", article.template_id, gone.template_id, "auto")
    }

    assert list(told.values()) == [
        "unknown template",
        "unknown template",
        "the template is of the kind article",
        "the template is deleted; restoring it makes it usable again",
        "the project has no template of the kind outline",
    ]
    assert read(body_of(1, template_id=None), reader).presets.reference is None


@pytest.mark.acceptance(5)
def test_a_stored_value_is_told_once_by_its_name_when_the_kind_takes_it_no_longer() -> None:
    template = template_of({"tone": "shrill", "word_count": 5})
    body = body_of(3, template_id=template.template_id)
    body["items"][2]["input"] |= {"tone": "friendly", "word_count": 100, "language": "tlh"}

    with pytest.raises(RequestError) as caught:
        read(body, reader_with(template, language="klingon"))

    told = [(bad.pointer, bad.detail.partition(":")[0]) for bad in caught.value.errors]
    assert caught.value.errors[-1].pointer == "/items/2/input/language"
    assert told[:-1] == [
        ("/template_id", "the template's tone"),
        ("/template_id", "the template's word_count"),
        ("", "the project's brand voice, language"),
    ]


@pytest.mark.acceptance(11)
def test_auto_means_the_template_that_contradicts_least_then_agrees_most_then_fills_most_then_the_latest() -> None:
    inputs = [{"topic": "a", "tone": "friendly"}, {"topic": "b", "language": "de"}]
    ladder = [
        template_of({"tone": "formal", "language": "de"}),  # contradicts an item
        template_of({"audience_level": "expert", "keyword": "x", "word_count": 300}),  # fills, agrees with nothing
        template_of({"tone": "friendly"}),  # agrees once
        template_of({"tone": "friendly", "keyword": "tea"}),  # and fills more
        template_of({"tone": "friendly", "keyword": "milk"}, minute=1),  # and was changed later
        template_of({"tone": "friendly", "language": "de"}, minute=-5),  # agrees twice
    ]
    for better in range(1, len(ladder) + 1):
        templates = ladder[:better]
        body = body_of(inputs, template_id="auto")

        for order in (templates, templates[::-1]):
            chosen = read(body, reader_with(*order, template_of({"tone": "friendly"}, kind="article"))).presets.template
            assert chosen is templates[-1]

    twins = sorted([template_of({}), template_of({})], key=lambda each: each.template_id)
    assert read(body_of(1, template_id="auto"), reader_with(*twins)).presets.template is twins[1]
    silent, contradicted = template_of({}), template_of({"tone": "formal"}, minute=1)
    body = body_of(1, template_id="auto", defaults={"tone": "casual"})
    assert read(body, reader_with(contradicted, silent)).presets.template is silent


@pytest.mark.parametrize(("usd", "microusd"), [(5, 5_000_000), (0.29, 290_000), (0.0000001, 1), (None, None)])
def test_a_budget_is_kept_in_whole_micro_dollars_rounded_up(usd: float | None, microusd: int | None) -> None:
    assert read(body_of(1, options={"budget_usd": usd})).options.budget_microusd == microusd


@pytest.mark.acceptance(7)
@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (10, True), (11, False)])
def test_a_job_has_as_many_items_as_the_limits_say(count: int, good: bool) -> None:
    limited = replace(READER, limits=Limits(max_items_per_job=10))

    if good:
        assert len(read(body_of(count), limited).entries) == count
    else:
        assert faults(body_of(count), limited) == {"/items": f"{count} items; a job has 1 to 10"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [({"kind": "outline"}, "this field is required"), ({"kind": "outline", "items": {}}, "must be a list")],
)
def test_items_must_be_a_list(body: dict[str, Any], detail: str) -> None:
    assert faults(body) == {"/items": detail}


@pytest.mark.acceptance(7)
def test_an_item_has_as_many_bytes_as_the_limits_say_with_the_defaults_merged_in() -> None:
    body = body_of([{"topic": "tea"}, {"topic": "\u00e9" * 20}], defaults={"tone": "formal"})
    size = len(
        json.dumps({"tone": "formal", "topic": "\u00e9" * 20}, ensure_ascii=False, separators=(",", ":")).encode()
    )

    assert len(read(body, replace(READER, limits=Limits(bytes_per_item=size))).entries) == 2
    assert faults(body, replace(READER, limits=Limits(bytes_per_item=size - 1))) == {
        "/items/1": f"its input has {size} bytes with what it inherits; an item has at most {size - 1}"
    }


@pytest.mark.acceptance(6)
def test_duplicates_are_found_through_space_case_and_unicode_and_told_by_index() -> None:
    spellings = [
        "Straße nach Café",
        "  strasse NACH cafe\u0301 ",
        "STRASSE\u3000nach CAF\u00c9",
        "\uff53trasse nach café",
    ]

    submission = read(body_of([{"topic": "other"}, *({"topic": text} for text in spellings)]))

    assert [(d.index, d.duplicate_of) for d in submission.duplicates] == [(2, 1), (3, 1), (4, 1)]
    assert [entry.index for entry in submission.entries] == [0, 1]


@pytest.mark.acceptance(6)
def test_duplicates_are_compared_on_the_merged_input() -> None:
    submission = read(
        body_of(
            [{"topic": "a", "tone": "formal"}, {"topic": "A"}, {"topic": "a", "tone": "casual"}],
            defaults={"tone": "formal"},
        )
    )

    assert [(d.index, d.duplicate_of) for d in submission.duplicates] == [(1, 0)]


@pytest.mark.acceptance(6)
def test_duplicates_are_kept_or_refused_when_asked() -> None:
    body = body_of([{"topic": "a"}, {"topic": "A"}])

    kept = read({**body, "options": {"on_duplicate": "allow"}})
    assert len(kept.entries) == 2
    assert not kept.duplicates
    assert faults({**body, "options": {"on_duplicate": "reject"}}) == {"/items/1": "repeats item 0 (counted from 0)"}


@pytest.mark.acceptance(8)
def test_duplicates_and_ids_are_told_together_with_other_faults() -> None:
    body = {
        "kind": "outline",
        "options": {"on_duplicate": "reject"},
        "items": [
            {"custom_id": "x", "input": {"topic": "a"}},
            {"custom_id": "x", "input": {"topic": "b"}},
            {"input": {"topic": "A"}},
            {"input": {}},
        ],
    }

    assert set(faults(body)) == {"/items/1/custom_id", "/items/2", "/items/3/input/topic"}


def test_a_line_that_was_sent_twice_with_its_id_is_a_duplicate_and_no_fault() -> None:
    item = {"custom_id": "x", "input": {"topic": "a"}}

    assert len(read({"kind": "outline", "items": [item, item]}).duplicates) == 1


def test_folding_reaches_into_lists_and_objects_and_leaves_the_rest() -> None:
    assert folded({"a": [" X ", 1, None, True, 1.5]}) == {"a": ["x", 1, None, True, 1.5]}


def test_a_name_is_made_up_when_none_is_given() -> None:
    assert read(body_of(1)).name == "Article outline, 1 item"
    assert read(body_of(2)).name == "Article outline, 2 items"
    assert read(body_of(2, name=" Tea ")).name == "Tea"


def test_an_answer_tells_as_many_faults_as_it_can_carry_when_there_are_more(desk: FrontDesk) -> None:
    many = {f"{'unknown' * 30}{number}": 1 for number in range(250)}
    desk.settings = {"bytes_per_item": 32 * 1024}

    for_all = [{"topic": "a", **{name[170:]: 1 for name in many}}] * 300
    answer = desk.client().post(desk.jobs, body_of(for_all))

    assert answer.status == 422
    assert "The first" in answer.json["detail"]
    assert 10_000 < len(answer.json["errors"]) < 75_000
    assert len(answer.content) < 4_000_000
