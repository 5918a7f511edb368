"""The offline Claude: the Messages API on loopback, without a key and without cost."""

from __future__ import annotations

from pressroom.local.claude.server import CALLS_PATH, HEALTH_PATH, REFUSED_KEY, Call, OfflineClaude

__all__ = ["CALLS_PATH", "HEALTH_PATH", "REFUSED_KEY", "Call", "OfflineClaude"]
