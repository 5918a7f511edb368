from __future__ import annotations

from typing import Any

import pytest
from aws_lambda_powertools import Logger

from functions.api.services import Services
from functions.api.settings import ApiSettings
from shared.errors import SettingsError


def settings(**changes: Any) -> ApiSettings:
    return ApiSettings(**{"table_name": "t", "queue_url": "q", "processor_function": "p", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"max_items_per_job": 0},
        {"max_items_per_job": 10_001},
        {"min_items_per_job": 0},
        {"min_items_per_job": 11, "max_items_per_job": 10},
        {"bytes_per_item": 0},
        {"bytes_per_item": 32 * 1024 + 1},
        {"bytes_per_request": 4 * 1024 * 1024 + 1},
        {"concurrency_max": 33},
    ],
)
def test_a_limit_beyond_what_the_parts_can_carry_is_refused_by_its_variable(changes: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=f"PRESSROOM_{next(iter(changes)).upper()} is "):
        settings(**changes)


def test_the_bounds_themselves_are_allowed() -> None:
    limits = {"max_items_per_job": 10_000, "bytes_per_item": 32 * 1024, "concurrency_max": 32}

    assert settings(**limits).max_items_per_job == 10_000


@pytest.mark.parametrize(
    "changes",
    [
        {"default_model": "gpt"},
        {"price_table_json": '{"other": {"input": 1, "output": 1}}'},
        {"bedrock_models_json": '{"claude-opus-5": "anthropic.claude-opus-5"}'},
    ],
)
def test_a_default_model_without_a_price_is_refused_at_the_start(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="PRESSROOM_DEFAULT_MODEL"):
        Services.from_settings(settings(**changes), Logger(service="test"))
