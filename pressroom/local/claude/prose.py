"""English prose about any topic, made up from a seed: plain, plausible, and no sentence twice."""

from __future__ import annotations

import itertools
import random
import re
from typing import TYPE_CHECKING, Final

from pressroom.local.claude.vocabulary import (
    ADJECTIVES,
    HEADINGS,
    NOUNS,
    NUMBERS,
    PEOPLE,
    PERIODS,
    REFERENCES,
    SENTENCES,
    STOP_WORDS,
    TERMS,
    TIMES,
    TITLES,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Author"]

_WORD: Final = re.compile(r"[^\W_][\w'-]*")
_NAMED: Final = re.compile(r"^(?:how to|an? guide to|the guide to|guide to)\s+(.+)$", re.IGNORECASE)
_ARTICLE: Final = re.compile(r"\b([Aa]) ([aeio]|u[^ns]|hon)")
_CONSONANT_ENDING: Final = re.compile(r"^[^aeiou]*[aeiou][^aeiouwxy]$")
_TRIES: Final = 40
_PARAGRAPH_SENTENCES: Final = (3, 6)


class Author:
    """Writes about one topic. The same topic and seed give the same words; no sentence comes twice."""

    def __init__(self, topic: str, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  prose, no secrets
        self._subject = _subject(topic)
        self._naming = (self._subject, *REFERENCES)
        words = [word for word in _WORD.findall(self._subject) if word.lower() not in STOP_WORDS]
        self._terms = [" ".join(pair) for pair in itertools.pairwise(words)] or words or [self._subject]
        self._used: set[str] = set()
        self._deck: list[str] = []

    def choose(self, least: int, most: int) -> int:
        """A whole number from ``least`` to ``most``."""
        return self._random.randint(least, most)

    def title(self) -> str:
        """A title."""
        return self._fresh(TITLES)

    def heading(self) -> str:
        """The heading of a section."""
        return self._fresh(HEADINGS)

    def keyword(self) -> str:
        """A search term."""
        return self._once(self._term)

    def sentence(self) -> str:
        """One sentence."""
        return self._fresh(SENTENCES)

    def sentences(self, count: int) -> str:
        """``count`` sentences as one paragraph."""
        return " ".join(self.sentence() for _ in range(count))

    def paragraphs(self, words: int) -> str:
        """Paragraphs of about ``words`` words together, at least one sentence, parted by an empty line."""
        paragraphs: list[str] = []
        written = 0
        while written < words or not paragraphs:
            lines: list[str] = []
            length = self.choose(*_PARAGRAPH_SENTENCES)
            while not lines or (len(lines) < length and written < words):
                lines.append(self.sentence())
                written += lines[-1].count(" ") + 1
            paragraphs.append(" ".join(lines))
        return "\n\n".join(paragraphs)

    def _fresh(self, templates: tuple[str, ...]) -> str:
        return self._once(lambda: self._filled(self._dealt(templates)))

    def _once(self, write: Callable[[], str]) -> str:
        """What ``write`` gives, again and again until it is new; in the end with a number of its own."""
        for _ in range(_TRIES):
            text = write()
            if text not in self._used:
                break
        else:
            text = f"{text} ({len(self._used)})"
        self._used.add(text)
        return text

    def _term(self) -> str:
        term = self._random.choice(self._terms)
        return self._random.choice(TERMS).format(term=term, adjective=self._random.choice(ADJECTIVES)).lower()

    def _dealt(self, templates: tuple[str, ...]) -> str:
        """A template; sentences are dealt like cards, so that their shapes do not repeat soon."""
        if templates is not SENTENCES:
            return self._random.choice(templates)
        if not self._deck:
            self._deck = list(templates)
            self._random.shuffle(self._deck)
        return self._deck.pop()

    def _filled(self, template: str) -> str:
        noun, noun2 = self._random.sample(NOUNS, 2)
        adjective, adjective2 = self._random.sample(ADJECTIVES, 2)
        people, number = self._random.choice(PEOPLE), self._random.choice(NUMBERS)
        text = template.format(
            subject=self._subject,
            Subject=_capital(self._subject),
            word=self._random.choice(self._naming),
            noun=noun,
            noun2=noun2,
            adjective=adjective,
            adjective2=adjective2,
            people=people,
            People=_capital(people),
            time=self._random.choice(TIMES),
            period=self._random.choice(PERIODS),
            number=number,
            Number=_capital(number),
        )
        return _capital(_ARTICLE.sub(r"\1n \2", text))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _subject(topic: str) -> str:
    """``topic`` as it stands inside a sentence: "How to brew tea" becomes "brewing tea"."""
    plain = " ".join(topic.split()).rstrip(" .?!:;,") or "this topic"
    first = plain.partition(" ")[0]
    if first[1:] == first[1:].lower() and len(first) > 1:  # "USB" and "iPhone" keep their capitals
        plain = plain[0].lower() + plain[1:]
    named = _NAMED.match(plain)
    if named is None:
        return plain
    verb, space, rest = named.group(1).partition(" ")
    if not plain.startswith("how to") or not verb.isalpha():
        return named.group(1)
    return f"{_gerund(verb)}{space}{rest}"


def _gerund(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    if _CONSONANT_ENDING.match(verb):
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"
