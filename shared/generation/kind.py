"""What a kind of generation is: its input, its prompt, its output. One file a kind stands in ``kinds/``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import CorruptRowError
from shared.generation.misfits import misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.generation.prompts import Prompt

__all__ = ["Kind"]

InputT = TypeVar("InputT", bound=BaseModel)
OutputT = TypeVar("OutputT", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[InputT, OutputT]):
    """One kind of generation.

    Attributes:
        name: its name in requests and rows.
        title: its name for people.
        input_model: what an item gives; its defaults are the kind's.
        output_model: what a completed item holds.
        sample: an input that runs.
        prompt: what is asked of Claude for an input.
        markdown: a completed item as a Markdown document.
    """

    name: str
    title: str
    input_model: type[InputT]
    output_model: type[OutputT]
    sample: InputT
    prompt: Callable[[InputT], Prompt]
    markdown: Callable[[InputT, OutputT], str]

    @property
    def fields(self) -> frozenset[str]:
        """The names of all fields of the input."""
        return frozenset(self.input_model.model_fields)

    @property
    def required_fields(self) -> tuple[str, ...]:
        """The fields of the input that have no default."""
        return tuple(name for name, field in self.input_model.model_fields.items() if field.is_required())

    def validate(self, values: Mapping[str, object]) -> InputT:
        """The input that merged ``values`` of a request, a template or a row make.

        Raises:
            pydantic.ValidationError: with every bad field.
        """
        return self.input_model.model_validate(values)

    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of an input, with every bound, for callers."""
        return self.input_model.model_json_schema()

    def output_schema(self) -> dict[str, Any]:
        """The JSON Schema of an output, with every bound, for callers."""
        return self.output_model.model_json_schema()

    def sample_input(self) -> dict[str, Any]:
        """The sample as a request would carry it."""
        return self.sample.model_dump(mode="json", exclude_none=True)

    def to_markdown(self, values: Mapping[str, object], output: Mapping[str, object]) -> str:
        """A completed item as a Markdown document that ends with a line feed.

        Args:
            values: the item's input as its row holds it.
            output: the item's output as its row holds it.

        Raises:
            CorruptRowError: the row does not fit this version of the kind.
        """
        try:
            return self.markdown(self.validate(values), self.output_model.model_validate(output))
        except ValidationError as error:
            told = misfit(error, self.input_model, self.output_model)
            raise CorruptRowError(f"a stored {self.name} does not fit its kind: {told}") from None
