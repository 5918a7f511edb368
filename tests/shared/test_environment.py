from __future__ import annotations

from dataclasses import dataclass

import pytest

from functions.api.settings import ApiSettings
from functions.finalizer.settings import FinalizerSettings
from functions.processor.settings import ProcessorSettings
from shared.environment import read, variables
from shared.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Example:
    table_name: str
    limit: int = 3
    ratio: float = 0.5


def test_settings_come_from_their_variables_when_all_are_set() -> None:
    environ = {"PRESSROOM_TABLE_NAME": "t", "PRESSROOM_LIMIT": "7", "PRESSROOM_RATIO": "1.5", "OTHER": "x"}

    assert read(Example, environ) == Example(table_name="t", limit=7, ratio=1.5)


def test_defaults_hold_when_optional_variables_are_missing() -> None:
    assert read(Example, {"PRESSROOM_TABLE_NAME": "t"}) == Example(table_name="t")


def test_the_variable_is_named_when_it_is_missing() -> None:
    with pytest.raises(SettingsError, match="PRESSROOM_TABLE_NAME"):
        read(Example, {})


def test_variable_and_type_are_named_when_the_value_is_of_another_type() -> None:
    with pytest.raises(SettingsError, match=r"PRESSROOM_LIMIT is no int: 'many'"):
        read(Example, {"PRESSROOM_TABLE_NAME": "t", "PRESSROOM_LIMIT": "many"})


@pytest.mark.parametrize(
    "settings",
    [
        ApiSettings(table_name="t", queue_url="q", processor_function="p", jobs_per_hour=5),
        ProcessorSettings(table_name="t", queue_url="q", anthropic_base_url="http://127.0.0.1:1"),
        FinalizerSettings(table_name="t", topic_arn="a"),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_settings_come_back_whole_when_written_as_variables(
    settings: ApiSettings | ProcessorSettings | FinalizerSettings,
) -> None:
    assert read(type(settings), variables(settings)) == settings
