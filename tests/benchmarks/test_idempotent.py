"""Powertools' idempotency alone, counted."""

from __future__ import annotations

import boto3
import pytest

from benchmarks import idempotent


@pytest.mark.usefixtures("moto")
def test_an_item_is_written_twice_and_sent_once_when_powertools_keeps_its_output() -> None:
    cost = idempotent.measure(boto3.client("dynamodb"), boto3.client("sqs"), text=lambda _: "x" * 5_000)

    assert cost.table_calls == 2
    assert cost.write_units == 1 + 6  # the key, then the whole row with its output
    assert cost.read_units == 0
    assert 5_000 < cost.row_bytes < 6_000
    assert cost.queue_calls == 2 + 3 / 24
