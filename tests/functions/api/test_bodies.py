"""Whatever a body holds, the answer is a problem that says where the fault is; never a 500, and nothing is written."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from functions.api.bodies import MAX_DEPTH, MAX_MEMBERS
from tests.support.front_desk import body_of

if TYPE_CHECKING:
    from tests.support.front_desk import FrontDesk
    from tests.support.http_events import HttpAnswer

JSON = {"content-type": "application/json"}


def post(desk: FrontDesk, body: str, **parts: Any) -> HttpAnswer:
    return desk.client().post(desk.jobs, body=body, headers=JSON, **parts)


def nested(depth: int) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.acceptance(8)
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "a body is required"),
        ("{", "the body is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[]", "the body must be a JSON object"),
        ('"text"', "the body must be a JSON object"),
        ("null", "the body must be a JSON object"),
        ('{"a": NaN}', "the body is not JSON: a number is not finite or has too many digits"),
        ('{"a": -Infinity}', "the body is not JSON: a number is not finite or has too many digits"),
        ('{"a": 1e999}', "the body is not JSON: a number is not finite or has too many digits"),
        ('{"a": ' + "9" * 5_000 + "}", "the body is not JSON: a number is not finite or has too many digits"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "the body is nested too deeply"),
        ('{"a": "\ud800"}', "the body is not text in UTF-8"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_and_nothing_is_written(
    desk: FrontDesk, body: str, detail: str
) -> None:
    answer = post(desk, body)

    assert answer.status == 422
    assert answer.pointers == {"": detail}
    assert desk.client().get(desk.jobs).json["items"] == []


@pytest.mark.parametrize(
    ("raw", "detail"),
    [(b"\xff\xfe{}", "the body is not text in UTF-8"), (b"\x00\x01\x02", "the body is not JSON: ")],
)
def test_a_binary_body_is_refused(desk: FrontDesk, raw: bytes, detail: str) -> None:
    answer = post(desk, base64.b64encode(raw).decode(), base64_encoded=True)

    assert answer.status == 422
    assert answer.pointers[""].startswith(detail)


def test_a_body_that_claims_to_be_base64_is_refused_when_it_is_not(desk: FrontDesk) -> None:
    assert post(desk, "{}", base64_encoded=True).pointers == {"": "the body is not text in UTF-8"}


def test_a_base64_body_is_read_when_it_holds_json(desk: FrontDesk) -> None:
    encoded = base64.b64encode(json.dumps(body_of(1)).encode()).decode()

    assert post(desk, encoded, base64_encoded=True).status == 202


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        ('{"items": [{"input": {"topic": "a\\u0000b"}}]}', "/items/0/input/topic", "must not hold a NUL character"),
        ('{"items": [{"input": {"topic": "\u00e9\\u0000"}}]}', "/items/0/input/topic", "must not hold a NUL character"),
        (
            '{"items": [{"input": {"topic": "\\ud83d"}}]}',
            "/items/0/input/topic",
            "is not valid Unicode: half of a surrogate pair",
        ),
        ('{"items": [{"\\ud83d": 1}]}', "/items/0", "a field's name holds what cannot be stored"),
    ],
)
def test_a_text_that_cannot_be_stored_is_refused_by_its_pointer(
    desk: FrontDesk, text: str, pointer: str, detail: str
) -> None:
    assert post(desk, text).pointers == {pointer: detail}


def test_an_input_is_refused_when_it_nests_deeper_than_any_kind_needs(desk: FrontDesk) -> None:
    answer = desk.client().post(desk.jobs, {"items": [{"input": {"topic": nested(MAX_DEPTH)}}]})

    assert answer.status == 422
    (told,) = answer.pointers.items()
    assert told == ("/items/0/input/topic" + "/0" * (MAX_DEPTH - 4), f"nested deeper than {MAX_DEPTH} levels")


def test_an_object_is_refused_when_it_has_more_fields_than_could_be_told(desk: FrontDesk) -> None:
    answer = desk.client().post(desk.jobs, {f"field{number}": number for number in range(MAX_MEMBERS + 1)})

    assert answer.pointers == {"": f"more than {MAX_MEMBERS} fields"}


def test_integers_of_thousands_of_digits_are_refused_as_the_field_they_are(desk: FrontDesk) -> None:
    text = json.dumps(body_of([{"topic": "a", "word_count": "N"}])).replace('"N"', "9" * 4_000)

    answer = post(desk, text)

    assert answer.status == 422
    assert list(answer.pointers) == ["/items/0/input/word_count"]
