"""The finalizer: ends jobs whose ledgers have nothing open, and tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, aws_lambda, aws_lambda_event_sources
from constructs import Construct

from functions.finalizer.settings import STREAM_FILTERS, FinalizerSettings
from infra.function import Function

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable
    from infra.topic import JobTopic

__all__ = ["Finalizer"]


class Finalizer(Construct):
    """The function and its mapping of the table's stream."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        platform: Platform,
        table: JobTable,
        queues: Queues,
        topic: JobTopic,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = Function(
            self,
            "Finalizer",
            stage=stage,
            platform=platform,
            name="finalizer",
            description="Closes jobs that have nothing open and publishes that they ended",
            settings=FinalizerSettings(table_name=table.name, topic_arn=topic.arn),
            timeout_seconds=60,
            memory_mb=256,
        )
        self.function.allow(table.arn, "dynamodb:GetItem", "dynamodb:UpdateItem")
        self.function.allow(topic.arn, "sns:Publish")
        self.function.allow(
            table.stream_arn,
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        )
        self._map(table, queues)

    def _map(self, table: JobTable, queues: Queues) -> None:
        """One poison record cannot hold its shard up: it is isolated, tried ten times and told of."""
        aws_lambda.EventSourceMapping(
            self,
            "StreamMapping",
            target=self.function.function,
            event_source_arn=table.stream_arn,
            # From the oldest record, so that none falls between the table and its mapping; a replay changes nothing.
            starting_position=aws_lambda.StartingPosition.TRIM_HORIZON,
            filters=[aws_lambda.FilterCriteria.filter(pattern) for pattern in STREAM_FILTERS],
            batch_size=10,
            bisect_batch_on_error=True,
            report_batch_item_failures=True,
            retry_attempts=10,
            max_record_age=Duration.hours(6),
            on_failure=aws_lambda_event_sources.SqsDlq(queues.stream_failures),
        )
