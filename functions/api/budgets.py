"""A job's budget: what it was created with, and what people have added since."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from functions.api.validating import invalid, pointer
from shared.errors import BadField

if TYPE_CHECKING:
    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec

__all__ = ["budget_of", "microusd", "more_of"]

_MILLION: Final = 1_000_000
_FIELD: Final = "budget_usd"


def microusd(usd: float) -> int:
    """Dollars as micro-dollars, as they were written in JSON; a fraction of one counts whole."""
    return int((Decimal(repr(usd)) * _MILLION).to_integral_value(ROUND_CEILING))


def budget_of(ledger: Ledger, spec: JobSpec) -> int | None:
    """The budget now in micro-dollars, or None for a job without one."""
    created_with = spec.options.budget_microusd
    return None if created_with is None else created_with + ledger.raised_microusd


def more_of(ledger: Ledger, spec: JobSpec, budget_usd: float | None) -> int:
    """What a new budget adds to the present one, in micro-dollars; 0 where none is asked for.

    Raises:
        RequestError: 422, the job has no budget, or not less than that.
    """
    if budget_usd is None:
        return 0
    present = budget_of(ledger, spec)
    if present is None:
        raise invalid([BadField(pointer(_FIELD), "the job was created without a budget and cannot be given one")])
    more = microusd(budget_usd) - present
    if more <= 0:
        raise invalid([BadField(pointer(_FIELD), f"must be more than the present budget of {present / _MILLION}")])
    return more
