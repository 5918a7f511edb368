"""What Claude's tokens cost, in whole micro-dollars.

The built-in table holds list prices; configuration replaces it (:func:`parse_price_table`). A model without a
price is refused when a job is created, rather than run at a guessed one: a budget that does not know what it
spends is none. Prompt caching, batches and the higher rate of very long prompts are not used here and not priced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.errors import SettingsError
from shared.generation.thinking import answer_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.generation.prompts import Prompt

__all__ = ["BUILT_IN", "Price", "PriceTable", "Usage", "most_tokens", "parse_price_table"]

_MILLION: Final = 1_000_000
_MICROUSD_A_CENT: Final = 10_000
_FRAMING_TOKENS: Final = 1_000
"""What Claude adds to a request by itself: roles, and how to keep to the output format."""
_MAX_PRICE: Final = 100_000 * _MILLION
_FIELDS: Final = ("input", "output")
_CONFIGURED: Final = "configured"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for a million tokens: 1 dollar for a million is 1,000,000."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices of the models that may be used.

    Attributes:
        prices: by the model's id.
        as_of: the day on which they were right, ``yyyy-mm-dd``, or ``configured``.
    """

    prices: Mapping[str, Price]
    as_of: str

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models with a price, in order."""
        return tuple(sorted(self.prices))

    @property
    def configured(self) -> bool:
        """Whether a configuration says the prices, and not the built-in table."""
        return self.as_of == _CONFIGURED

    def known(self, model: str) -> bool:
        """Whether ``model`` has a price, and so may be used."""
        return model in self.prices

    def cost_microusd(self, model: str, usage: Usage) -> int:
        """What ``usage`` costs, rounded up.

        Raises:
            SettingsError: the model has no price.
        """
        price = self._price(model)
        return -(-(usage.input_tokens * price.input + usage.output_tokens * price.output) // _MILLION)

    def estimate_microusd(self, prompt: Prompt, model: str) -> int:
        """The most that one call of ``prompt`` can cost; a job's budget reserves it.

        Raises:
            SettingsError: the model has no price.
        """
        return self.cost_microusd(model, most_tokens(prompt, model))

    def _price(self, model: str) -> Price:
        try:
            return self.prices[model]
        except KeyError as error:
            raise SettingsError(f"model {model!r} has no price; known are {', '.join(self.models)}") from error


def most_tokens(prompt: Prompt, model: str) -> Usage:
    """The most tokens that one call of ``prompt`` can use: no token is shorter than a byte."""
    return Usage(prompt.size_bytes + _FRAMING_TOKENS, answer_tokens(prompt.max_tokens, model))


def _cents(input_cents: int, output_cents: int) -> Price:
    return Price(input_cents * _MICROUSD_A_CENT, output_cents * _MICROUSD_A_CENT)


BUILT_IN: Final = PriceTable(
    # Cents a million tokens, from the models' pages of the Claude documentation.
    prices=MappingProxyType(
        {
            "claude-fable-5": _cents(1_000, 5_000),
            "claude-fable-5-1": _cents(1_000, 5_000),
            "claude-haiku-4-5": _cents(100, 500),
            "claude-haiku-5-5": _cents(10, 50),
            "claude-opus-4-5": _cents(500, 2_500),
            "claude-opus-4-6": _cents(500, 2_500),
            "claude-opus-4-7": _cents(500, 2_500),
            "claude-opus-4-8": _cents(500, 2_500),
            "claude-opus-5": _cents(500, 2_500),
            "claude-opus-5-5": _cents(400, 2_000),
            "claude-sonnet-4-6": _cents(300, 1_500),
            "claude-sonnet-5": _cents(200, 1_000),
            "claude-sonnet-5-5": _cents(200, 1_000),
        }
    ),
    as_of="2026-11-22",
)


def parse_price_table(text: str) -> PriceTable:
    """The table that a configuration holds; the built-in one where ``text`` is empty.

    The text is JSON: ``{"<model>": {"input": 2000000, "output": 10000000}, ...}``, in micro-dollars a million
    tokens. It replaces the built-in table as a whole.

    Raises:
        SettingsError: naming the field that is wrong.
    """
    if not text.strip():
        return BUILT_IN
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"the price table is not JSON: {error}") from error
    if not isinstance(document, dict) or not document:
        raise SettingsError("the price table must be a JSON object with at least one model")
    return PriceTable(
        MappingProxyType({model: _configured(model, entry) for model, entry in document.items()}), _CONFIGURED
    )


def _configured(model: str, entry: object) -> Price:
    if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
        raise SettingsError(f"price table, {model}: must be an object with exactly `input` and `output`")
    for field in _FIELDS:
        value = entry[field]
        if type(value) is not int or not 0 <= value <= _MAX_PRICE:
            raise SettingsError(
                f"price table, {model}.{field}: must be a whole number of micro-dollars a million tokens, "
                f"0 to {_MAX_PRICE}"
            )
    return Price(entry["input"], entry["output"])
