from __future__ import annotations

import json
from typing import TYPE_CHECKING

from functions.journal.settings import STREAM_FILTERS
from tests.infra.templates import allowed

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_stream_is_filtered_as_defined_when_synthesized(dev: Assembly) -> None:
    filters = dev.mapping_of("journal")["FilterCriteria"]["Filters"]

    assert tuple(json.loads(each["Pattern"]) for each in filters) == STREAM_FILTERS


def test_poison_record_leaves_the_shard_when_it_failed_often_enough(dev: Assembly) -> None:
    mapping = dev.mapping_of("journal")

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["Table", "StreamArn"]}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 0 < mapping["MaximumRetryAttempts"] <= 20
    assert 0 < mapping["MaximumRecordAgeInSeconds"] < 24 * 3600  # the stream itself forgets after a day
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["StreamFailures", "Arn"]}}}
    assert allowed(dev, "journal")["StreamFailures.Arn"] == {"sqs:SendMessage"}


def test_timeline_is_at_most_a_second_late_when_records_are_gathered(dev: Assembly) -> None:
    mapping = dev.mapping_of("journal")

    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (100, 1)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_stream_has_two_readers_when_deployed(dev: Assembly) -> None:
    # DynamoDB throttles a shard that more than two read.
    mappings = dev.all("AWS::Lambda::EventSourceMapping").values()
    sources = [each["Properties"]["EventSourceArn"] for each in mappings]

    assert sources.count({"Fn::GetAtt": ["Table", "StreamArn"]}) == 2


def test_journal_writes_rows_and_changes_none_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "journal")

    assert granted["Table.Arn"] == {"dynamodb:BatchWriteItem", "dynamodb:GetItem"}
    assert {resource for resource in granted if "Logs" not in resource} == {
        "StreamFailures.Arn",
        "Table.Arn",
        "Table.StreamArn",
    }
