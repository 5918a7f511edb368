"""``outline``: the plan of an article, section by section."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.generation.fields import AudienceLevel, Tone, WritingInput, WritingStyle
from shared.generation.kind import Kind
from shared.generation.prompts import Prompt, writing_brief, writing_system
from shared.generation.schemas import wire_schema

__all__ = ["OUTLINE", "OutlineInput", "OutlineOutput", "OutlineSection"]

_WORDS_OF_AN_OUTLINE: Final = 900
_STRUCTURE_TOKENS: Final = 1_000

_SYSTEM: Final = writing_system(
    "You plan articles for a publisher. Plan the article that the brief describes: a working title, a summary of "
    "what it will say, and its sections in reading order, each with the points it must make. A writer who knows "
    "the subject but not the brief should be able to write the article from your outline alone."
)


class OutlineInput(WritingInput):
    """Input of an outline; ``word_count`` is the length of the article that is planned."""


class OutlineSection(BaseModel):
    """One section of the planned article."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    heading: Annotated[str, Field(min_length=1, max_length=200)]
    key_points: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=600)]],
        Field(min_length=1, max_length=12, description="The points to make, one sentence each."),
    ]
    word_count: Annotated[int, Field(ge=0, le=20_000, description="Words planned for this section.")]


class OutlineOutput(BaseModel):
    """A finished outline."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: Annotated[str, Field(min_length=1, max_length=300)]
    summary: Annotated[
        str, Field(min_length=1, max_length=2_000, description="What the article says, in two or three sentences.")
    ]
    sections: Annotated[list[OutlineSection], Field(min_length=2, max_length=24)]
    keywords: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=120)]],
        Field(min_length=1, max_length=20, description="Search terms that readers would use."),
    ]


def _prompt(item_input: OutlineInput) -> Prompt:
    length = (
        f"The article will be about {item_input.word_count} words long; "
        "give each section its share, and plan no more sections than that length carries."
    )
    return Prompt(
        system=_SYSTEM,
        user=writing_brief(item_input, length=length),
        schema=wire_schema(OutlineOutput),
        output_model=OutlineOutput,
        max_tokens=item_input.language.tokens(_WORDS_OF_AN_OUTLINE) + _STRUCTURE_TOKENS,
    )


def _markdown(_: OutlineInput, outline: OutlineOutput) -> str:
    parts = [f"# {outline.title}", outline.summary]
    for section in outline.sections:
        parts.append(f"## {section.heading}")
        parts.append("\n".join(f"- {point}" for point in section.key_points))
        parts.append(f"*About {section.word_count} words*")
    parts.append(f"**Keywords:** {', '.join(outline.keywords)}")
    return "\n\n".join(parts) + "\n"


OUTLINE: Final = Kind(
    name="outline",
    title="Article outline",
    input_model=OutlineInput,
    output_model=OutlineOutput,
    sample=OutlineInput(
        topic="How to brew green tea at home",
        keyword="brewing green tea",
        tone=Tone.FRIENDLY,
        target_audience="people who are new to loose-leaf tea",
        audience_level=AudienceLevel.BEGINNER,
        word_count=1_200,
        writing_style=WritingStyle.INSTRUCTIONAL,
    ),
    prompt=_prompt,
    markdown=_markdown,
)
