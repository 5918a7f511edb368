"""What the processor must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ProcessorSettings"]


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings:
    """``anthropic_base_url`` empty means the real Claude; ``price_table_json`` empty means the built-in prices.

    The key is the text of the secret ``claude_key_secret``, by name or ARN, where that is set; else it is
    ``anthropic_api_key``.

    ``bedrock_models_json``, where it is set, means Claude on Bedrock in ``bedrock_region``, by the ids in it
    (:meth:`shared.generation.bedrock.Bedrock.parse`); then there is no key.
    """

    table_name: str
    queue_url: str
    claude_key_secret: str = ""
    anthropic_api_key: str = ""
    anthropic_base_url: str = ""
    default_model: str = "claude-sonnet-5-5"
    price_table_json: str = ""
    bedrock_models_json: str = ""
    bedrock_region: str = ""
