"""The version that ``GET /v1/health`` tells. A bundle carries no package metadata, so it stands here."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.1.0"
