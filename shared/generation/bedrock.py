"""Claude on Amazon Bedrock, as configured: which region, which models by which ids, at which prices.

Bedrock has ids of its own for Claude's models, and which of them an account may call depends on its region and on
its agreements. So the ids are configuration, in one mapping; a model without one cannot be used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from shared.errors import SettingsError
from shared.generation.pricing import Price, PriceTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Bedrock", "without_price"]

_FIELD: Final = "PRESSROOM_BEDROCK_MODELS_JSON"
_WORLDWIDE: Final = "global."
"""The prefix of an inference profile that may answer from any region."""


@dataclass(frozen=True, slots=True)
class Bedrock:
    """Where Claude is called on Bedrock.

    Attributes:
        region: whose endpoint is asked and signed for, such as ``eu-central-1``.
        ids: of inference profiles or foundation models, by the models' own ids:
            ``{"claude-sonnet-5-5": "global.anthropic.claude-sonnet-5-5"}``.
    """

    region: str
    ids: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, region: str = "") -> Self | None:
        """What the settings hold: ``ids`` as a JSON object; None where ``text`` is empty, and Bedrock is not used.

        Raises:
            SettingsError: the text is no such object.
        """
        if not text.strip():
            return None
        try:
            ids: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{_FIELD} is not JSON: {error}") from error
        if not isinstance(ids, dict) or not ids:
            raise SettingsError(f"{_FIELD} must be a JSON object with at least one model")
        for model, bedrock_id in ids.items():
            if not isinstance(bedrock_id, str) or not bedrock_id:
                raise SettingsError(f"{_FIELD}, {model}: must be an id of Bedrock, not {bedrock_id!r}")
        return cls(region, MappingProxyType(ids))

    @property
    def base_url(self) -> str:
        """The region's endpoint of Bedrock's Runtime API."""
        return f"https://bedrock-runtime.{self.region}.amazonaws.com"

    def priced(self, prices: PriceTable) -> PriceTable:
        """The prices of the models that have an id, and of no others.

        List prices are those of a worldwide profile; any other costs a tenth more. Configured prices stand.

        Raises:
            SettingsError: a model with an id has no price.
        """
        missing = without_price(self.ids, prices)
        if missing:
            raise SettingsError(f"{_FIELD}: no price for {', '.join(missing)}; known are {', '.join(prices.models)}")
        here = {
            model: prices.prices[model]
            if prices.configured or bedrock_id.startswith(_WORLDWIDE)
            else _dearer(prices.prices[model])
            for model, bedrock_id in self.ids.items()
        }
        return PriceTable(MappingProxyType(here), prices.as_of)


def without_price(models: Iterable[str], prices: PriceTable) -> list[str]:
    """Those of ``models`` that ``prices`` do not know, in order."""
    return sorted(model for model in models if not prices.known(model))


def _dearer(price: Price) -> Price:
    """A tenth more, rounded up to the micro-dollar."""
    return Price(-(-price.input * 11 // 10), -(-price.output * 11 // 10))
