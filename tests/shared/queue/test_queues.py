from __future__ import annotations

import json

from shared.queue.queues import (
    CALL_ENDS_BEFORE_LEASE_SECONDS,
    DEAD_LETTERS,
    FUNCTION_TIMEOUT_SECONDS,
    LEASE_MARGIN_SECONDS,
    MAX_ITEM_TIMEOUT_SECONDS,
    MIN_ITEM_TIMEOUT_SECONDS,
    NOTICE_DEATH_SECONDS,
    WORK_QUEUE,
)

LAMBDA_MOST_SECONDS = 900


def test_times_fit_into_each_other_for_the_longest_item() -> None:
    lease = MAX_ITEM_TIMEOUT_SECONDS + LEASE_MARGIN_SECONDS

    assert lease < FUNCTION_TIMEOUT_SECONDS <= LAMBDA_MOST_SECONDS
    assert WORK_QUEUE.visibility_seconds > FUNCTION_TIMEOUT_SECONDS
    assert lease + NOTICE_DEATH_SECONDS < WORK_QUEUE.visibility_seconds


def test_shortest_item_leaves_time_for_a_call() -> None:
    assert MIN_ITEM_TIMEOUT_SECONDS + LEASE_MARGIN_SECONDS - CALL_ENDS_BEFORE_LEASE_SECONDS >= MIN_ITEM_TIMEOUT_SECONDS


def test_work_queue_is_fifo_by_group_and_gives_up_into_the_dead_letters() -> None:
    attributes = WORK_QUEUE.attributes("arn:dead")

    assert attributes["FifoQueue"] == "true"
    assert attributes["DeduplicationScope"] == "messageGroup"
    assert attributes["FifoThroughputLimit"] == "perMessageGroupId"
    assert json.loads(attributes["RedrivePolicy"]) == {"deadLetterTargetArn": "arn:dead", "maxReceiveCount": 10}


def test_dead_letters_keep_what_they_get() -> None:
    attributes = DEAD_LETTERS.attributes("arn:nobody")

    assert "RedrivePolicy" not in attributes
    assert attributes["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert attributes["FifoQueue"] == "true"


def test_no_redrive_is_named_when_no_dead_letters_are() -> None:
    assert "RedrivePolicy" not in WORK_QUEUE.attributes()
