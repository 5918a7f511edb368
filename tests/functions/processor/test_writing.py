"""An item into a call."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.processor.writing import Writer
from shared.errors import CallCancelledError, ErrorCode, ItemError
from shared.generation.transport import never
from shared.store.item_rows import ItemRow

if TYPE_CHECKING:
    from tests.support.workshop import Workshop

CALL: dict[str, Any] = {"generation": 1, "timeout_seconds": 7.0, "cancelled": never}


def test_call_carries_the_item_key_and_the_model_when_an_item_is_written(workshop: Workshop) -> None:
    job = workshop.job(1)
    spec = workshop.items.require_spec(job.job_id)
    Writer(workshop.claude).write(spec, workshop.item(job, 1), **{**CALL, "generation": 3})
    assert workshop.claude.calls == [f"{job.job_id}:3:1"]
    assert workshop.claude.timeouts == [7.0]


def test_item_is_invalid_when_its_stored_input_fits_no_more(workshop: Workshop) -> None:
    spec = workshop.items.require_spec(workshop.job(1).job_id)
    with pytest.raises(ItemError, match="tone") as caught:
        Writer(workshop.claude).write(
            spec, ItemRow(1, {"topic": "T", "tone": "a text"}), generation=1, timeout_seconds=7.0, cancelled=never
        )
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert "a text" not in "".join(traceback.format_exception(caught.value))
    assert workshop.claude.calls == []


def test_item_is_invalid_when_its_kind_is_gone(workshop: Workshop) -> None:
    spec = replace(workshop.items.require_spec(workshop.job(1).job_id), kind="sonnet")
    with pytest.raises(ItemError, match="sonnet") as caught:
        Writer(workshop.claude).write(
            spec, ItemRow(1, {"topic": "T"}), generation=1, timeout_seconds=7.0, cancelled=never
        )
    assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_call_is_stopped_when_it_is_no_longer_wanted(workshop: Workshop) -> None:
    job = workshop.job(1)
    spec = workshop.items.require_spec(job.job_id)
    with pytest.raises(CallCancelledError):
        Writer(workshop.claude).write(spec, workshop.item(job, 1), **{**CALL, "cancelled": lambda: True})
