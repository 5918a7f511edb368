from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.finalizer.settings import STREAM_FILTERS
from tests.infra.templates import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.templates import Assembly


def _numbers(pattern: object) -> Iterator[Any]:
    """What a pattern asks of numbers, at any depth."""
    if isinstance(pattern, dict):
        yield from pattern.get("N", ())
        for value in pattern.values():
            yield from _numbers(value)


def test_stream_is_filtered_as_defined_when_synthesized(dev: Assembly) -> None:
    filters = dev.mapping_of("finalizer")["FilterCriteria"]["Filters"]

    assert tuple(json.loads(each["Pattern"]) for each in filters) == STREAM_FILTERS


def test_filter_compares_numbers_as_text_when_the_stream_carries_them(dev: Assembly) -> None:
    # DynamoDB's stream writes {"N": "0"}; a pattern with the number 0 would never match.
    filters = dev.mapping_of("finalizer")["FilterCriteria"]["Filters"]
    numbers = [number for each in filters for number in _numbers(json.loads(each["Pattern"]))]

    assert numbers == ["0"]


def test_poison_record_leaves_the_shard_when_it_failed_often_enough(dev: Assembly) -> None:
    mapping = dev.mapping_of("finalizer")

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["Table", "StreamArn"]}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 0 < mapping["MaximumRetryAttempts"] <= 20
    assert 0 < mapping["MaximumRecordAgeInSeconds"] < 24 * 3600  # the stream itself forgets after a day
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["StreamFailures", "Arn"]}}}
    assert allowed(dev, "finalizer")["StreamFailures.Arn"] == {"sqs:SendMessage"}


def test_no_record_is_missed_when_the_mapping_is_made_after_the_table(dev: Assembly) -> None:
    assert dev.mapping_of("finalizer")["StartingPosition"] == "TRIM_HORIZON"


def test_finalizer_publishes_to_its_topic_only_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "finalizer")

    assert granted["JobTopic"] == {"sns:Publish"}
    assert granted["Table.Arn"] == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
    assert {resource for resource in granted if "Logs" not in resource} == {
        "JobTopic",
        "StreamFailures.Arn",
        "Table.Arn",
        "Table.StreamArn",
    }
