"""``article``: a whole article, ready to publish."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.generation.fields import Tone, WritingInput, WritingStyle
from shared.generation.kind import Kind
from shared.generation.prompts import Prompt, writing_brief, writing_system
from shared.generation.schemas import wire_schema

__all__ = ["ARTICLE", "ArticleInput", "ArticleOutput", "ArticleSection"]

_STRUCTURE_TOKENS: Final = 1_500

_SYSTEM: Final = writing_system(
    "You write articles for a publisher. Write the article that the brief describes, complete and ready to "
    "publish: a title, a description for search results, an introduction, sections with headings, and a "
    "conclusion. Texts are Markdown without headings of their own; separate paragraphs by an empty line."
)


class ArticleInput(WritingInput):
    """Input of an article; ``word_count`` is the length of the whole text."""


class ArticleSection(BaseModel):
    """One section of the article."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    heading: Annotated[str, Field(min_length=1, max_length=200)]
    body: Annotated[str, Field(min_length=1, max_length=40_000, description="The section's paragraphs, as Markdown.")]


class ArticleOutput(BaseModel):
    """A finished article."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    title: Annotated[str, Field(min_length=1, max_length=300)]
    meta_description: Annotated[
        str, Field(min_length=1, max_length=500, description="One or two sentences for search results.")
    ]
    introduction: Annotated[
        str, Field(min_length=1, max_length=20_000, description="The opening paragraphs, as Markdown.")
    ]
    sections: Annotated[list[ArticleSection], Field(min_length=1, max_length=30)]
    conclusion: Annotated[
        str, Field(min_length=1, max_length=20_000, description="The closing paragraphs, as Markdown.")
    ]
    keywords: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=120)]],
        Field(min_length=1, max_length=20, description="Search terms that readers would use."),
    ]


def _prompt(item_input: ArticleInput) -> Prompt:
    length = f"The whole text should be about {item_input.word_count} words long."
    return Prompt(
        system=_SYSTEM,
        user=writing_brief(item_input, length=length),
        schema=wire_schema(ArticleOutput),
        output_model=ArticleOutput,
        max_tokens=item_input.language.tokens(item_input.word_count) + _STRUCTURE_TOKENS,
    )


def _markdown(_: ArticleInput, article: ArticleOutput) -> str:
    parts = [f"# {article.title}", article.introduction]
    for section in article.sections:
        parts += [f"## {section.heading}", section.body]
    parts.append(article.conclusion)
    return "\n\n".join(parts) + "\n"


ARTICLE: Final = Kind(
    name="article",
    title="Article",
    input_model=ArticleInput,
    output_model=ArticleOutput,
    sample=ArticleInput(
        topic="How to brew green tea at home",
        keyword="brewing green tea",
        tone=Tone.FRIENDLY,
        target_audience="people who are new to loose-leaf tea",
        word_count=1_200,
        writing_style=WritingStyle.INSTRUCTIONAL,
        custom_instructions="Give temperatures in Celsius and name one common mistake.",
    ),
    prompt=_prompt,
    markdown=_markdown,
)
