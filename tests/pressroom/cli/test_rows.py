from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressroom.cli.rows import Row, Trouble, read_rows
from pressroom.cli.schema import InputSchema
from pressroom.cli.sources import Format, Source
from tests.support.fake_api import OUTLINE, PAIR

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = InputSchema(OUTLINE)


def read(form: Format, data: bytes | str, schema: InputSchema = SCHEMA) -> list[Row | Trouble]:
    return list(read_rows(Source("f", form, data.encode() if isinstance(data, str) else data), schema))


def faults(rows: Sequence[Row | Trouble]) -> list[str]:
    return [str(row) for row in rows if isinstance(row, Trouble)]


# -- txt ---------------------------------------------------------------------------------------------------


def test_reads_a_topic_a_line_whatever_ends_it() -> None:
    rows = read(Format.TXT, "\ufeffGreen tea\r\n\r\n  Black tea \n# not a comment\rWhite tea")
    assert rows == [
        Row("f", 1, {"topic": "Green tea"}),
        Row("f", 3, {"topic": "Black tea"}),
        Row("f", 4, {"topic": "# not a comment"}),
        Row("f", 5, {"topic": "White tea"}),
    ]


def test_refuses_text_for_a_kind_that_takes_two_fields() -> None:
    (fault,) = faults(read(Format.TXT, "a\nb", InputSchema(PAIR)))
    assert "left, right" in fault


# -- csv ---------------------------------------------------------------------------------------------------


def test_reads_csv_with_custom_ids_numbers_and_empty_cells() -> None:
    rows = read(Format.CSV, 'custom_id,topic,word_count,tone\ntea-1,"Tea, green",900,\n,Black tea,,friendly\n')
    assert rows == [
        Row("f", 2, {"topic": "Tea, green", "word_count": 900}, "tea-1"),
        Row("f", 3, {"topic": "Black tea", "tone": "friendly"}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tells_the_delimiter_from_the_header(delimiter: str) -> None:
    text = f"\n\ntopic{delimiter}tone\nGreen tea{delimiter}formal\n"
    assert read(Format.CSV, text) == [Row("f", 4, {"topic": "Green tea", "tone": "formal"})]


def test_names_the_line_where_a_row_of_several_lines_begins() -> None:
    rows = read(Format.CSV, 'topic\n"one\ntwo"\nthree\n')
    assert [row.line for row in rows] == [2, 4]


def test_reads_a_cell_of_more_than_128_kilobytes() -> None:
    (row,) = read(Format.CSV, "topic\n" + "x" * 200_000)
    assert isinstance(row, Row)


def test_leaves_a_number_that_is_none_for_the_check() -> None:
    assert read(Format.CSV, "topic,word_count\na,many\n") == [Row("f", 2, {"topic": "a", "word_count": "many"})]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (
            "topic,colour",
            "f, line 1: unknown column 'colour'; this kind takes custom_id, topic, tone, keyword, word_count",
        ),
        ("Green tea,Black tea", "f, line 1: the first line names none of the columns: custom_id, topic"),
        ("topic,topic", "f, line 1: column 'topic' stands there 2 times"),
        ("topic,,tone", "f, line 1: column 2 has no name"),
    ],
)
def test_names_what_is_wrong_with_the_header(header: str, fault: str) -> None:
    (found,) = faults(read(Format.CSV, f"{header}\na,b,c\n"))
    assert found.startswith(fault)


def test_names_a_row_with_too_many_cells_and_reads_on() -> None:
    rows = read(Format.CSV, "topic,tone\na,b,c\nGreen tea,formal\n")
    assert faults(rows) == ["f, line 2: has 3 cells, the header has 2: quote a text that holds ','"]
    assert isinstance(rows[1], Row)


def test_names_the_line_from_which_it_is_no_csv() -> None:
    rows = read(Format.CSV, 'topic\nGreen tea\n"open\nto the end')
    assert faults(rows) == ["f, line 3: is no CSV from here on: unexpected end of data"]


# -- jsonl -------------------------------------------------------------------------------------------------


def test_reads_objects_wrapped_and_plain() -> None:
    lines = (
        {"custom_id": "a", "input": {"topic": "Green tea"}},
        {"input": {"topic": "Black tea"}},
        {"topic": "White tea", "word_count": 900},
        {"custom_id": "b", "topic": "Oolong"},
    )
    assert read(Format.JSONL, "\n\n".join(json.dumps(line) for line in lines)) == [
        Row("f", 1, {"topic": "Green tea"}, "a"),
        Row("f", 3, {"topic": "Black tea"}),
        Row("f", 5, {"topic": "White tea", "word_count": 900}),
        Row("f", 7, {"topic": "Oolong"}, "b"),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"topic": ', "is no JSON: Expecting value at character 10"),
        ('{"topic": NaN}', "is no JSON that can be sent: NaN is no JSON"),
        pytest.param("[" * 100_000, "is no JSON that can be sent: it is nested too deeply", id="deep"),
        pytest.param("9" * 5000, "is no JSON that can be sent: ", id="digits"),
        ("[1]", 'should be an object, such as {"topic": "Green tea"}'),
        ('{"input": [1]}', "input should be an object"),
        ('{"custom_id": 1, "topic": "a"}', "custom_id should be text"),
    ],
)
def test_names_a_bad_line_and_reads_on(line: str, fault: str) -> None:
    first, second = read(Format.JSONL, f'{line}\n{{"topic": "Green tea"}}')
    assert str(first).startswith(f"f, line 1: {fault}")
    assert second == Row("f", 2, {"topic": "Green tea"})


def test_keeps_separators_of_unicode_inside_a_line() -> None:
    topic = "one\N{LINE SEPARATOR}two\N{NEXT LINE}three"
    (row,) = read(Format.JSONL, json.dumps({"topic": topic}, ensure_ascii=False))
    assert isinstance(row, Row)
    assert row.input == {"topic": topic}


# -- bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "f: it is empty"),
        (b" \r\n\t\n", "f: it is empty"),
        (b"\xef\xbb\xbf", "f: it is empty"),
        (b"PK\x03\x04rest", "f: it is a zip archive"),
        (b"%PDF-1.7", "f: it is a PDF"),
        (b"\xd0\xcf\x11\xe0", "f: it is an Excel or Word file"),
        ("topic\nTee".encode("utf-16"), "f: it is UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0", "f: it is a binary file"),
        (b"topic\0", "f: it is a binary file"),
        ("topic\nCafé\n".encode("latin-1"), "f: line 2: byte 0xe9 is no UTF-8"),
        pytest.param(b"x" * (32 * 1024 * 1024 + 1), "f: it is larger than 32 MB", id="large"),
    ],
)
def test_names_what_is_wrong_with_a_file(form: Format, data: bytes, fault: str) -> None:
    (found,) = faults(read(form, data))
    assert found.startswith(fault)


@given(st.sampled_from(Format), st.binary(max_size=300))
def test_never_raises_whatever_the_bytes_are(form: Format, data: bytes) -> None:
    for row in read(form, data):
        assert isinstance(row, Row | Trouble)


@given(st.sampled_from(Format), st.text(max_size=300))
def test_never_raises_whatever_the_text_is(form: Format, text: str) -> None:
    for row in read(form, text.encode("utf-8", "surrogatepass")):
        assert isinstance(row, Row | Trouble)


_CELL = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters='\0"'), min_size=1, max_size=20
) | st.just('quoted " and, comma')


@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=8))
def test_reads_back_what_was_written_as_csv(pairs: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("custom_id", "topic"))
    writer.writerows(pairs)

    rows = read(Format.CSV, text.getvalue())

    assert [(row.custom_id, row.input["topic"]) for row in rows if isinstance(row, Row)] == pairs


@given(st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.booleans()), max_size=5))
def test_reads_back_what_was_written_as_json_lines(inputs: list[dict[str, object]]) -> None:
    text = "".join(json.dumps({"input": entry, "custom_id": "c"}) + "\n" for entry in inputs)
    rows = read(Format.JSONL, text) if inputs else []
    assert [dict(row.input) for row in rows if isinstance(row, Row)] == inputs


def test_the_process_reads_csv_as_before_when_a_small_file_was_read() -> None:
    before = csv.field_size_limit()
    read(Format.CSV, "topic\nTea\n")
    assert csv.field_size_limit() == before


def test_large_cell_is_read_when_it_is_beyond_the_library_s_own_limit() -> None:
    topic = "x" * 200_000
    assert [row.input["topic"] for row in read(Format.CSV, f"topic\n{topic}\n") if isinstance(row, Row)] == [topic]
