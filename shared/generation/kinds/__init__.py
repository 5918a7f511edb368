"""Every kind, by name. A new kind is a file here and a line below."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.generation.kinds.article import ARTICLE
from shared.generation.kinds.outline import OUTLINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.generation.kind import Kind

__all__ = ["KINDS"]

KINDS: Final[Mapping[str, Kind[Any, Any]]] = MappingProxyType({kind.name: kind for kind in (OUTLINE, ARTICLE)})
