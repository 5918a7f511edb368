"""The fields that every kind of writing takes: their choices, bounds and words for the prompt.

A field that a kind needs alone stands in that kind's file. Every choice is an enumeration, so that a wrong one is
refused at creation by name, and every member brings the words that the prompt uses for it.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "MAX_WORD_COUNT",
    "MIN_WORD_COUNT",
    "AudienceLevel",
    "Language",
    "Tone",
    "WritingInput",
    "WritingStyle",
]

MIN_WORD_COUNT: Final = 100
MAX_WORD_COUNT: Final = 4_000
"""More does not fit one answer without streaming, whatever the language (:meth:`Language.tokens`)."""


class _Described(StrEnum):
    """A choice: the value that stands in rows and requests, and the words that reach the prompt."""

    words: str

    def __new__(cls, value: str, words: str) -> _Described:  # noqa: PYI034  members are of the enumeration itself
        """A member from its value and its words."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member


@unique
class Tone(_Described):
    """How the text sounds."""

    PROFESSIONAL = "professional", "clear, competent and to the point"
    FRIENDLY = "friendly", "warm and approachable, as to an acquaintance"
    CASUAL = "casual", "relaxed everyday language"
    FORMAL = "formal", "measured, impersonal and correct"
    INFORMATIVE = "informative", "neutral and rich in facts"
    AUTHORITATIVE = "authoritative", "confident, with the judgement of an expert"
    PERSUASIVE = "persuasive", "it argues for a conclusion"
    ENTHUSIASTIC = "enthusiastic", "energetic and positive, without hype"
    EMPATHETIC = "empathetic", "it understands the reader's situation"
    HUMOROUS = "humorous", "light and witty, never at the reader's expense"


@unique
class WritingStyle(_Described):
    """How the text goes about its subject."""

    EXPOSITORY = "expository", "it explains the subject step by step"
    NARRATIVE = "narrative", "it tells the subject as a story"
    DESCRIPTIVE = "descriptive", "it lets the reader see the subject, in concrete detail"
    CONVERSATIONAL = "conversational", "it speaks to the reader directly"
    JOURNALISTIC = "journalistic", "the most important first, then the background"
    INSTRUCTIONAL = "instructional", "it tells the reader what to do, in order"
    TECHNICAL = "technical", "precise terms, figures and limits"
    ACADEMIC = "academic", "it weighs positions and qualifies its claims"
    LISTICLE = "listicle", "short, parallel points that can be read on their own"


@unique
class AudienceLevel(_Described):
    """What the reader is taken to know."""

    GENERAL = "general", "people without particular knowledge of the subject"
    BEGINNER = "beginner", "beginners, so explain every term on first use"
    INTERMEDIATE = "intermediate", "familiar with the basics, so skip the introductions"
    EXPERT = "expert", "experts, so use the field's own terms without explaining them"


@unique
class Language(_Described):
    """The language to write in, by its ISO 639-1 code."""

    ENGLISH = "en", "English"
    GERMAN = "de", "German"
    FRENCH = "fr", "French"
    SPANISH = "es", "Spanish"
    ITALIAN = "it", "Italian"
    PORTUGUESE = "pt", "Portuguese"
    DUTCH = "nl", "Dutch"
    POLISH = "pl", "Polish"
    CZECH = "cs", "Czech"
    SWEDISH = "sv", "Swedish"
    DANISH = "da", "Danish"
    NORWEGIAN = "no", "Norwegian"
    FINNISH = "fi", "Finnish"
    TURKISH = "tr", "Turkish"
    INDONESIAN = "id", "Indonesian"
    VIETNAMESE = "vi", "Vietnamese"
    GREEK = "el", "Greek"
    UKRAINIAN = "uk", "Ukrainian"
    RUSSIAN = "ru", "Russian"
    ARABIC = "ar", "Arabic"
    HEBREW = "he", "Hebrew"
    HINDI = "hi", "Hindi"
    CHINESE = "zh", "Chinese (simplified)"
    JAPANESE = "ja", "Japanese"
    KOREAN = "ko", "Korean"

    def tokens(self, words: int) -> int:
        """The most tokens that ``words`` words of prose in this language are taken to need.

        Twice and more of what was seen on average: an answer that is cut is paid for and worth nothing.
        """
        return -(-words * _TOKENS_IN_TEN_WORDS.get(self, 35) // 10)


_TOKENS_IN_TEN_WORDS: Final[dict[Language, int]] = {
    Language.ENGLISH: 25,
    **dict.fromkeys(
        (
            Language.GREEK,
            Language.UKRAINIAN,
            Language.RUSSIAN,
            Language.ARABIC,
            Language.HEBREW,
            Language.HINDI,
            Language.CHINESE,
            Language.JAPANESE,
            Language.KOREAN,
        ),
        45,
    ),
}


class WritingInput(BaseModel):
    """What every kind of writing takes. Unknown fields are refused; text is trimmed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)

    topic: Annotated[str, Field(min_length=1, max_length=500, description="What the text is about.")]
    keyword: Annotated[
        str | None,
        Field(min_length=1, max_length=120, description="A search term that the text should be found by."),
    ] = None
    tone: Annotated[Tone, Field(description="How the text sounds.")] = Tone.PROFESSIONAL
    target_audience: Annotated[
        str, Field(min_length=1, max_length=200, description="Whom the text is for, in your own words.")
    ] = "general readers"
    audience_level: Annotated[AudienceLevel, Field(description="What the reader is taken to know.")] = (
        AudienceLevel.GENERAL
    )
    word_count: Annotated[
        int, Field(ge=MIN_WORD_COUNT, le=MAX_WORD_COUNT, description="The length to aim for, in words.")
    ] = 1_200
    language: Annotated[Language, Field(description="The language to write in, an ISO 639-1 code.")] = Language.ENGLISH
    writing_style: Annotated[WritingStyle, Field(description="How the text goes about its subject.")] = (
        WritingStyle.EXPOSITORY
    )
    custom_instructions: Annotated[
        str | None,
        Field(min_length=1, max_length=4_000, description="Further wishes, in your own words."),
    ] = None
