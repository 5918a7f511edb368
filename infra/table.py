"""The table, from the definition that the code and the tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, aws_cloudwatch, aws_dynamodb
from constructs import Construct

from infra.encryption import key_of
from infra.pinning import pin
from shared.store.table import TABLE

if TYPE_CHECKING:
    from aws_cdk import Duration

    from infra.stage import Stage

__all__ = ["JobTable"]


class JobTable(Construct):
    """On-demand, with a stream, point-in-time recovery, time to live and two sparse indexes."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.table = aws_dynamodb.Table(
            self,
            "Table",
            table_name=f"pressroom-{stage.name}",
            partition_key=_string(TABLE.partition_key),
            sort_key=_string(TABLE.sort_key),
            billing_mode=aws_dynamodb.BillingMode.PAY_PER_REQUEST,
            stream=aws_dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            encryption_key=key_of(self, stage),
            time_to_live_attribute=TABLE.ttl_attribute,
            point_in_time_recovery_specification=aws_dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=stage.keep_data,
            removal_policy=RemovalPolicy.RETAIN if stage.keep_data else RemovalPolicy.DESTROY,
        )
        for index in TABLE.indexes:
            self.table.add_global_secondary_index(
                index_name=index.name,
                partition_key=_string(index.partition_key),
                sort_key=_string(index.sort_key),
                projection_type=aws_dynamodb.ProjectionType.KEYS_ONLY,
            )
        pin(self.table, "Table")

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.table_name

    @property
    def arn(self) -> str:
        """The ARN of the table, which is that of its rows."""
        return self.table.table_arn

    @property
    def stream_arn(self) -> str:
        """The ARN of the stream."""
        return str(self.table.table_stream_arn)

    def throttles(self, period: Duration) -> list[aws_cloudwatch.IMetric]:
        """What the table and its indexes refuse, reads and writes: a table's own metrics leave its indexes out."""
        indexes = {index.name: {"GlobalSecondaryIndexName": index.name} for index in TABLE.indexes}
        return [
            self.table.metric(
                f"{what}ThrottleEvents",
                period=period,
                statistic="Sum",
                dimensions_map={"TableName": self.name, **dimensions},
                label=f"{place}: {what.lower()}s throttled",
            )
            for what in ("Read", "Write")
            for place, dimensions in {"table": {}, **indexes}.items()
        ]

    def index_arn(self, name: str) -> str:
        """The ARN of the index ``name``."""
        return f"{self.table.table_arn}/index/{name}"


def _string(name: str) -> aws_dynamodb.Attribute:
    return aws_dynamodb.Attribute(name=name, type=aws_dynamodb.AttributeType.STRING)
