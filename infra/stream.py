"""What reads the table's stream. DynamoDB has room for two readers a shard: the finalizer and the journal are both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aws_cdk import Duration, aws_lambda

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs import Construct

    from infra.function import Function
    from infra.queues import Queues
    from infra.table import JobTable

__all__ = ["read_stream"]


def read_stream(
    scope: Construct,
    function: Function,
    *,
    table: JobTable,
    queues: Queues,
    filters: Sequence[dict[str, Any]],
    batch_size: int,
    window: Duration | None = None,
) -> None:
    """Call ``function`` with the changes that one of ``filters`` lets through, in order.

    One poison record cannot hold its shard up: it is isolated, tried ten times and told of. ``window`` is how long a
    batch may fill.
    """
    function.allow(
        table.stream_arn,
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    )
    function.allow(queues.stream_failures.queue_arn, "sqs:SendMessage")
    mapping = aws_lambda.EventSourceMapping(
        scope,
        "StreamMapping",
        target=function.target,
        event_source_arn=table.stream_arn,
        # From the oldest record, so that none falls between the table and its mapping; a replay changes nothing.
        starting_position=aws_lambda.StartingPosition.TRIM_HORIZON,
        filters=[aws_lambda.FilterCriteria.filter(pattern) for pattern in filters],
        batch_size=batch_size,
        max_batching_window=window,
        bisect_batch_on_error=True,
        report_batch_item_failures=True,
        retry_attempts=10,
        max_record_age=Duration.hours(6),
    )
    # CDK's destination would let the role ask for the queue's attributes too, which nothing does.
    cast(
        "aws_lambda.CfnEventSourceMapping", mapping.node.default_child
    ).destination_config = aws_lambda.CfnEventSourceMapping.DestinationConfigProperty(
        on_failure=aws_lambda.CfnEventSourceMapping.OnFailureProperty(destination=queues.stream_failures.queue_arn)
    )
