from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.ids import JOB, PROJECT, TEMPLATE, is_id, new_id, new_token, new_ulid, ulid_of
from tests.support.clock import START

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
milliseconds = st.integers(min_value=0, max_value=4_102_444_800_000)  # until 2100


def moment(number: int) -> datetime:
    return EPOCH + timedelta(milliseconds=number)


def time_of(ulid: str) -> int:
    number = 0
    for character in ulid[:10]:
        number = number * 32 + CROCKFORD.index(character)
    return number


@given(milliseconds)
def test_ulid_carries_the_millisecond_when_it_is_made(number: int) -> None:
    ulid = new_ulid(moment(number))

    assert len(ulid) == 26
    assert time_of(ulid) == number


@given(milliseconds, st.integers(min_value=1, max_value=10_000))
def test_ids_sort_by_creation_when_a_millisecond_lies_between(number: int, later: int) -> None:
    assert new_id(JOB, moment(number)) < new_id(JOB, moment(number + later))


def test_ids_differ_when_made_in_the_same_millisecond() -> None:
    assert len({new_id(JOB, START) for _ in range(200)}) == 200


@pytest.mark.parametrize("prefix", [JOB, PROJECT, TEMPLATE])
def test_new_id_is_an_id_of_its_kind_and_of_no_other(prefix: str) -> None:
    identifier = new_id(prefix, START)

    assert [kind for kind in (JOB, PROJECT, TEMPLATE) if is_id(kind, identifier)] == [prefix]
    assert prefix + ulid_of(identifier) == identifier


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "job_",
        "01JDA4Y3C0D1E2F3G4H5J6K7M8",
        "JOB_01JDA4Y3C0D1E2F3G4H5J6K7M8",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7M",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7M80",
        "job_81JDA4Y3C0D1E2F3G4H5J6K7M8",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7MI",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7ML",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7MO",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7MU",
        "job_01jda4y3c0d1e2f3g4h5j6k7m8",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7M8\n",
        " job_01JDA4Y3C0D1E2F3G4H5J6K7M8",
        "job_01JDA4Y3C0D1E2F3G4H5J6K7M8#ITEM",
        "job_\u0660\u0661JDA4Y3C0D1E2F3G4H5J6K7M8",
        "job_../../../../../../../..",
    ],
)
def test_is_id_says_no_when_the_text_is_junk(junk: str) -> None:
    assert not is_id(JOB, junk)


@given(st.text())
def test_is_id_says_no_when_the_text_is_anything(text: str) -> None:
    assert not is_id(PROJECT, text)


def test_tokens_are_sixteen_url_safe_characters_and_differ() -> None:
    tokens = {new_token() for _ in range(200)}

    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {16}
    assert all(character.isalnum() or character in "-_" for token in tokens for character in token)
