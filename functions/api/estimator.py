"""What a job would cost and how long it would take, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from functions.api.presenter import usd
from shared.contracts.views import EstimateView
from shared.generation.pricing import most_tokens

if TYPE_CHECKING:
    from functions.api.submission import Submission
    from shared.generation.pricing import PriceTable

__all__ = ["Estimate", "estimate"]

_TOKENS_A_SECOND: Final = 70
"""What a model of the middle class was seen to write; only the minutes depend on it."""
_BASIS: Final = (
    "the most that one try of every item can use: each byte of the prompt a token, each answer as long as it may be; "
    f"minutes at {_TOKENS_A_SECOND} tokens a second in each lane"
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens, micro-dollars and seconds of a job; ``dearest_microusd`` is what its dearest item can cost."""

    input_tokens: int
    output_tokens: int
    total_microusd: int
    dearest_microusd: int
    seconds: float

    def view(self) -> EstimateView:
        """The estimate as a dry run tells it."""
        return EstimateView(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=usd(self.total_microusd),
            minutes=round(self.seconds / 60, 1),
            basis=_BASIS,
        )


def estimate(submission: Submission, prices: PriceTable) -> Estimate:
    """The most that ``submission`` can use without a retry."""
    options = submission.options
    most = [most_tokens(submission.kind.prompt(entry.input), submission.model) for entry in submission.entries]
    costs = [prices.cost_microusd(submission.model, usage) for usage in most]
    output_tokens = sum(usage.output_tokens for usage in most)
    lanes = min(options.concurrency, len(most))
    pauses = options.min_interval_seconds * (len(most) - lanes)
    return Estimate(
        input_tokens=sum(usage.input_tokens for usage in most),
        output_tokens=output_tokens,
        total_microusd=sum(costs),
        dearest_microusd=max(costs),
        seconds=(output_tokens / _TOKENS_A_SECOND + pauses) / lanes,
    )
