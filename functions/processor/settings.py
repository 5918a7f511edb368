"""What the processor must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ProcessorSettings"]


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """``anthropic_base_url`` empty means the real Claude; ``price_table_json`` empty means the built-in prices."""

    table_name: str
    queue_url: str
    anthropic_api_key: str = ""
    anthropic_base_url: str = ""
    default_model: str = "claude-sonnet-5-5"
    price_table_json: str = ""
