"""Values as they are compared, where case, outer spaces and Unicode's look-alikes make no difference."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["folded"]


def folded(value: Any) -> Any:  # noqa: ANN401  JSON
    """``value`` as duplicates are compared: texts trimmed, without case, in Unicode's compatibility form."""
    if isinstance(value, str):
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).strip()
    if isinstance(value, dict):
        return {name: folded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [folded(entry) for entry in value]
    return value
