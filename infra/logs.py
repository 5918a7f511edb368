"""Log groups: made here, so that each has an end to what it keeps and goes with the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, aws_logs

from infra.stage import ConfigurationError

if TYPE_CHECKING:
    from constructs import Construct

    from infra.stage import Stage

__all__ = ["log_group"]


def log_group(scope: Construct, name: str, stage: Stage) -> aws_logs.LogGroup:
    """The log group ``name``, with the stage's retention.

    Raises:
        ConfigurationError: CloudWatch has no such period.
    """
    if stage.log_retention not in aws_logs.RetentionDays.__members__:
        raise ConfigurationError(f"stage {stage.name!r} in cdk.json: no log_retention {stage.log_retention!r}")
    return aws_logs.LogGroup(
        scope,
        "Logs",
        log_group_name=name,
        retention=aws_logs.RetentionDays[stage.log_retention],
        removal_policy=RemovalPolicy.DESTROY,
    )
