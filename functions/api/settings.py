"""What the api must be told: environment variables by :mod:`shared.environment`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.contracts.limits import Limits
from shared.errors import SettingsError
from shared.jobs.ledger import MAX_LANES

__all__ = ["ApiSettings"]

_MAX_ITEMS: Final = 10_000
"""More are not written within the gateway's 30 seconds."""
_MAX_BYTES_PER_ITEM: Final = 32 * 1024
"""A transaction takes 100 items and 4 MB."""
_MAX_BULK_CANCEL: Final = 1_000
"""Each is a write, one after the other within the gateway's 30 seconds."""
_MAX_TEMPLATES: Final = 1_000
"""The choice of ``auto`` reads all of a kind."""
_MAX_RETENTION_DAYS: Final = 36_500
"""A century: more is a mistake for 0, which means for ever."""
_MAX_JOBS_PER_HOUR: Final = 1_000
"""Their times stand in one row, which every creation writes."""
_MAX_QUOTA: Final = 1_000_000_000
_MAX_ACTIVE_JOBS: Final = 1_000_000
_MAX_BYTES_PER_REQUEST: Final = 4 * 1024 * 1024
"""A function's event has at most 6 MB, the body in it written as JSON text."""


@dataclass(frozen=True, kw_only=True)
class ApiSettings(Limits):
    """The table and queue it writes, the function that process-next invokes, and every limit.

    ``sign_in_url`` is where the user pool's pages are, without a slash at the end, and ``sign_in_client_id`` the client
    for people; the OpenAPI document tells both, so that the command line can sign in knowing the API's address only.
    ``price_table_json`` empty means the built-in prices; ``default_model`` must have one. Where ``bedrock_models_json``
    is set, Claude is on Bedrock, and the models that it names are the only ones.

    Raises:
        SettingsError: a limit is beyond what the parts can carry.
    """

    table_name: str
    queue_url: str
    processor_function: str
    default_model: str = "claude-sonnet-5-5"
    price_table_json: str = ""
    bedrock_models_json: str = ""
    sign_in_url: str = ""
    sign_in_client_id: str = ""

    def __post_init__(self) -> None:
        bounds = {
            "max_items_per_job": (1, _MAX_ITEMS),
            "min_items_per_job": (1, self.max_items_per_job),
            "bytes_per_item": (1, _MAX_BYTES_PER_ITEM),
            "bytes_per_request": (1, _MAX_BYTES_PER_REQUEST),
            "concurrency_max": (1, MAX_LANES),
            "jobs_per_hour": (1, _MAX_JOBS_PER_HOUR),
            "items_per_month": (1, _MAX_QUOTA),
            "usd_per_month": (1, _MAX_QUOTA),
            "active_jobs": (1, _MAX_ACTIVE_JOBS),
            "bulk_cancel_max": (1, _MAX_BULK_CANCEL),
            "templates_per_project": (0, _MAX_TEMPLATES),
            "retention_days": (0, _MAX_RETENTION_DAYS),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"PRESSROOM_{name.upper()} is {getattr(self, name)}, not {least} to {most}")
