from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressroom.local.claude.prose import Author, _subject

SENTENCE = re.compile(r"[^.?!]+[.?!]")


@given(topic=st.text(), seed=st.integers(min_value=0, max_value=2**64 - 1))
def test_the_same_topic_and_seed_give_the_same_words(topic: str, seed: int) -> None:
    one, other = Author(topic, seed), Author(topic, seed)

    assert one.title() == other.title()
    assert one.paragraphs(80) == other.paragraphs(80)


def test_another_topic_gives_other_words() -> None:
    assert Author("Tea", 1).paragraphs(200) != Author("Coffee", 1).paragraphs(200)


@pytest.mark.parametrize("words", [100, 1_200, 4_000])
def test_no_sentence_comes_twice_and_the_length_is_about_right(words: int) -> None:
    text = Author("How to brew green tea", 7).paragraphs(words)

    sentences = [sentence.strip() for sentence in SENTENCE.findall(text)]
    assert len(set(sentences)) == len(sentences)
    assert words <= len(text.split()) < words + 40


def test_the_text_is_about_its_topic() -> None:
    assert Author("Solar panels", 3).paragraphs(600).count("solar panels") > 5


def test_what_has_run_out_gets_a_number() -> None:
    author = Author("Tea", 1)
    names = [author.heading() for _ in range(3_000)]

    assert len(set(names)) == len(names)


def test_no_article_stands_wrong_before_a_vowel() -> None:
    assert not re.search(r"\ba (?:[aeio]|hon)", Author("Solar panels", 3).paragraphs(4_000), re.IGNORECASE)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("How to brew green tea at home", "brewing green tea at home"),
        ("How to bake bread", "baking bread"),
        ("How to plan a trip", "planning a trip"),
        ("How to see more birds", "seeing more birds"),
        ("How to 3D-print a gear", "3D-print a gear"),
        ("A guide to solar panels", "solar panels"),
        ("Solar panels?", "solar panels"),
        ("USB cables", "USB cables"),
        ("  iPhone  care ", "iPhone care"),
        ("...", "this topic"),
        ("", "this topic"),
    ],
)
def test_a_topic_fits_into_a_sentence(topic: str, subject: str) -> None:
    assert _subject(topic) == subject
