"""JSON that fits a JSON Schema, filled with prose: what structured output would give.

Only what structured output knows is understood: types, ``enum``, ``const``, ``anyOf``, ``$ref``, closed objects.
Bounds stand in descriptions, as ``{minItems: 2, maxItems: 24}``, where the SDK too puts them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pressroom.local.claude.prose import Author

__all__ = ["fill"]

_LONG: Final = frozenset({"article", "body", "conclusion", "content", "introduction", "text"})
_OPENING: Final = frozenset({"conclusion", "introduction"})
_SHORT: Final = frozenset({"heading", "headline", "name"})
_SUMMARIES: Final = frozenset({"description", "meta_description", "summary"})
_NOTES: Final = re.compile(r"\{([^{}]*)\}$")
_NOTE: Final = re.compile(r"(\w+): (-?\d+)(?:,|$)")
_WORDS_A_SECTION: Final = 220
_OPENING_SHARE: Final = 0.1
_ITEMS: Final = (3, 6)


def fill(schema: Mapping[str, Any], author: Author, *, words: int) -> Any:  # noqa: ANN401  JSON is any type
    """A value for ``schema``; its long texts have about ``words`` words together."""
    return _Filling(schema, author, words).value(schema, "")


class _Filling:
    def __init__(self, schema: Mapping[str, Any], author: Author, words: int) -> None:
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        self._author = author
        self._words = words
        self._sections = max(3, min(8, round(words / _WORDS_A_SECTION)))

    def value(self, schema: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  JSON is any type
        match schema:
            case {"$ref": str(reference)}:
                return self.value(self._definitions[reference.rpartition("/")[2]], name)
            case {"const": constant}:
                return constant
            case {"enum": [*choices]}:
                return choices[self._author.choose(0, len(choices) - 1)]
            case {"anyOf": [first, *_]}:
                return self.value(first, name)
            case _:
                return self._typed(schema, name, _limits(schema))

    def _typed(self, schema: Mapping[str, Any], name: str, limits: Mapping[str, int]) -> Any:  # noqa: ANN401
        match schema.get("type"):
            case "object":
                return {key: self.value(part, key) for key, part in schema.get("properties", {}).items()}
            case "array":
                return [self.value(schema["items"], name) for _ in range(self._count(name, limits))]
            case "string":
                return _cut(self._string(name), limits.get("maxLength"))
            case "integer" | "number":
                return self._number(name, limits)
            case "boolean":
                return self._author.choose(0, 1) == 1
            case _:
                return None

    def _count(self, name: str, limits: Mapping[str, int]) -> int:
        wanted = self._sections if name == "sections" else self._author.choose(*_ITEMS)
        return max(limits.get("minItems", 0), min(wanted, limits.get("maxItems", wanted)))

    def _string(self, name: str) -> str:
        if name in _LONG:
            return self._author.paragraphs(self._share(name))
        if name in _SUMMARIES:
            return self._author.sentences(2)
        write = {"title": self._author.title, "keywords": self._author.keyword, "tags": self._author.keyword}
        return write.get(name, self._author.heading if name in _SHORT else self._author.sentence)()

    def _share(self, name: str) -> int:
        """The words of one long text: a tenth each for opening and end, the rest to the sections."""
        if name in _OPENING:
            return round(self._words * _OPENING_SHARE)
        return round(self._words * (1 - 2 * _OPENING_SHARE) / self._sections)

    def _number(self, name: str, limits: Mapping[str, int]) -> int:
        least = limits.get("minimum", 0)
        most = limits.get("maximum", least + 100)
        if name == "word_count":
            return max(least, min(round(self._words / self._sections), most))
        return self._author.choose(least, min(most, least + 100))


def _limits(schema: Mapping[str, Any]) -> dict[str, int]:
    notes = _NOTES.search(schema.get("description", ""))
    return {key: int(value) for key, value in _NOTE.findall(notes.group(1))} if notes else {}


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else text[: most - 1].rstrip() + "…"
