"""The environment of each function."""

from __future__ import annotations

import pytest

from functions.api.settings import ApiSettings
from functions.finalizer.settings import FinalizerSettings
from functions.journal.settings import JournalSettings
from functions.processor.settings import ProcessorSettings
from pressroom.local import functions
from pressroom.local.resources import Resources
from shared.environment import read
from shared.errors import SettingsError

RESOURCES = Resources(
    table_name="pressroom-test",
    stream_arn="arn:stream",
    queue_url="http://127.0.0.1:1/work.fifo",
    queue_arn="arn:queue",
    dead_letters_url="http://127.0.0.1:1/dead.fifo",
    topic_arn="arn:topic",
    user_pool_id="pool",
    user_pool_client_id="client",
    dead_letters_arn="arn:dead",
)


def settings(environ: dict[str, str], *, claude_url: str | None = "http://127.0.0.1:2") -> dict[str, dict[str, str]]:
    return functions.settings(
        environ, RESOURCES, claude_url=claude_url, anthropic_api_key="key", sign_in_url="http://127.0.0.1:3"
    )


def test_each_function_reads_its_own_settings_when_the_runtime_wrote_them() -> None:
    written = settings({})

    api = read(ApiSettings, written["api"])
    assert (api.table_name, api.queue_url, api.processor_function) == (
        "pressroom-test",
        "http://127.0.0.1:1/work.fifo",
        "processor",
    )
    assert (api.sign_in_url, api.sign_in_client_id) == ("http://127.0.0.1:3", "client")
    processor = read(ProcessorSettings, written["processor"])
    assert (processor.anthropic_api_key, processor.anthropic_base_url) == ("key", "http://127.0.0.1:2")
    assert read(FinalizerSettings, written["finalizer"]).topic_arn == "arn:topic"
    assert read(JournalSettings, written["journal"]) == JournalSettings(table_name="pressroom-test")
    assert "key" not in written["api"].values()
    assert "key" not in written["finalizer"].values()


def test_users_limits_reach_the_api_but_not_the_names_when_both_are_in_the_environment() -> None:
    written = settings({"PRESSROOM_MAX_ITEMS_PER_JOB": "7", "PRESSROOM_TABLE_NAME": "another", "OTHER": "x"})

    api = read(ApiSettings, written["api"])
    assert (api.max_items_per_job, api.table_name) == (7, "pressroom-test")
    assert "OTHER" not in written["api"]


@pytest.mark.parametrize(
    ("environ", "base_url"), [({}, ""), ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:3"}, "http://127.0.0.1:3")]
)
def test_real_claude_is_where_the_user_says_when_no_offline_one_runs(environ: dict[str, str], base_url: str) -> None:
    written = settings(environ, claude_url=None)

    assert read(ProcessorSettings, written["processor"]).anthropic_base_url == base_url


def test_variable_is_named_when_it_is_of_another_type() -> None:
    with pytest.raises(SettingsError, match="PRESSROOM_ACTIVE_JOBS"):
        settings({"PRESSROOM_ACTIVE_JOBS": "few"})
