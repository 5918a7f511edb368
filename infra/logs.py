"""Log groups: made here, so that each has an end to what it keeps and goes with the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, aws_logs

from infra.encryption import key_of

if TYPE_CHECKING:
    from constructs import Construct

    from infra.stage import Stage

__all__ = ["log_group"]


def log_group(scope: Construct, name: str, stage: Stage) -> aws_logs.LogGroup:
    """The log group ``name``, with the stage's retention."""
    return aws_logs.LogGroup(
        scope,
        "Logs",
        log_group_name=name,
        encryption_key=key_of(scope, stage),
        retention=aws_logs.RetentionDays[stage.log_retention],
        removal_policy=RemovalPolicy.DESTROY,
    )
