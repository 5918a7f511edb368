"""Which template ``auto`` means: the one that fits best what the job's items say themselves.

The rule, in this order: of the project's templates of the job's kind, those that contradict the fewest inputs (an item
or a default gives a field another value); of these, those that agree with the most; then those that fill the most
fields that were left open; then the one that was changed last; then the one with the greater id. Values are compared
as duplicates are: without case and outer spaces.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from functions.api.folding import folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shared.store.templates import Template

__all__ = ["best_fitting"]


def best_fitting(
    templates: Sequence[Template], inputs: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any]
) -> Template | None:
    """The template that the rule names, or None where there is none. ``inputs`` are the items', not yet merged."""
    if not templates:
        return None
    said: dict[str, Counter[str]] = defaultdict(Counter)
    items = 0
    for values in inputs:
        items += 1
        for name, value in {**defaults, **values}.items():
            said[name][_told(value)] += 1

    def fit(template: Template) -> tuple[int, int, int, Any, str]:
        agreements = contradictions = filled = 0
        for name, value in template.values.items():
            given, same = said[name].total() if name in said else 0, said[name][_told(value)] if name in said else 0
            agreements += same
            contradictions += given - same
            filled += items - given
        return -contradictions, agreements, filled, template.updated_at, template.template_id

    return max(templates, key=fit)


def _told(value: object) -> str:
    return json.dumps(folded(value), sort_keys=True)
