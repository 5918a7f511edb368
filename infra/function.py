"""The one construct that makes every Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Acknowledgment, Duration, Validations, aws_iam, aws_lambda
from constructs import Construct

from infra.code import code_of
from infra.encryption import decryption, key_of
from infra.logs import log_group
from shared import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from infra.platform import Platform
    from infra.stage import Stage

__all__ = ["Function"]

_LIVE: Final = "live"
"""The alias of the version that is called, where a function has versions."""


class Function(Construct):
    """The function in ``functions/<name>``, with a log group and a role of its own that can only write to it.

    What else it may do is said by :meth:`allow`, action by action; what that needs of a stage's key follows. Its
    environment is its settings, so that one that is missing cannot be synthesized.

    Whatever calls it calls ``target``: one that somebody waits for (``waited_for``) has a version and an alias where
    the stage wants snapshots, for Lambda takes them of versions only.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        platform: Platform,
        name: str,
        description: str,
        settings: DataclassInstance,
        timeout_seconds: int,
        memory_mb: int,
        waited_for: bool = False,
        recursive_loop: aws_lambda.RecursiveLoop | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        snapped = stage.snap_start and waited_for
        full_name = f"pressroom-{stage.name}-{name}"
        self.short_name = name
        self._key = key_of(self, stage)
        self.logs = log_group(self, f"/aws/lambda/{full_name}", stage)
        self.role = aws_iam.Role(
            self,
            "Role",
            assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {full_name} may do",
        )
        self.allow(self.logs.log_group_arn, "logs:CreateLogStream", "logs:PutLogEvents")
        self.function = aws_lambda.Function(
            self,
            "Function",
            function_name=full_name,
            description=description,
            code=code_of(name, platform),
            handler=f"functions.{name}.handler.handler",
            runtime=aws_lambda.Runtime(
                f"python{platform.python}",
                aws_lambda.RuntimeFamily.PYTHON,
                supports_snap_start=snapped,
            ),
            snap_start=aws_lambda.SnapStartConf.ON_PUBLISHED_VERSIONS if snapped else None,
            architecture=aws_lambda.Architecture.custom(platform.architecture),
            environment=environment.variables(settings),
            timeout=Duration.seconds(timeout_seconds),
            memory_size=stage.memory_mb.get(name, memory_mb),
            reserved_concurrent_executions=stage.reserved_concurrency.get(name),
            log_group=self.logs,
            tracing=aws_lambda.Tracing.ACTIVE if stage.tracing else aws_lambda.Tracing.DISABLED,
            role=self.role,
            recursive_loop=recursive_loop,
        )
        Validations.of(self.function).acknowledge(
            *(
                Acknowledgment(
                    id=finding,
                    reason="The version is one setting of cdk.json that bundles and tests follow; it moves with them.",
                )
                for finding in ("AwsSolutions::AwsSolutions-L1", "Serverless::Serverless-LambdaLatestVersion")
            )
        )
        Validations.of(self.function).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-LambdaDLQ",
                reason="What a failed call leaves undone is in the table or in a queue, which has dead letters.",
            )
        )
        self._trace(stage.tracing)
        self.target: aws_lambda.IFunction = self._alias() if snapped else self.function

    def _alias(self) -> aws_lambda.Alias:
        """The alias of a version of its own for every change, which takes the place of the one before."""
        return aws_lambda.Alias(self, "Live", alias_name=_LIVE, version=self.function.current_version)

    def _trace(self, on: bool) -> None:
        """Answer for what the checks say of tracing: it is off, or it writes to X-Ray, which has no resources."""
        if on:
            Validations.of(self.role).acknowledge(
                Acknowledgment(
                    id="AwsSolutions::AwsSolutions-IAM5[Resource::*]",
                    reason="X-Ray's actions for writing segments know no resources: AWS takes them on all only.",
                )
            )
        else:
            Validations.of(self.function).acknowledge(
                Acknowledgment(
                    id="Serverless::Serverless-LambdaTracing",
                    reason="Off by the stage's setting: job, item and request ids in every log line lead further.",
                )
            )

    @property
    def name(self) -> str:
        """By which it is invoked: an alias goes by its ARN."""
        return self.function.function_name if self.target is self.function else self.arn

    @property
    def arn(self) -> str:
        """The ARN that may be invoked."""
        return self.target.function_arn

    def allow(self, resource_arn: str, *actions: str, conditions: Mapping[str, Any] | None = None) -> None:
        """Let the function take ``actions`` on one resource; rows of the table by :func:`infra.rows.allow_rows`."""
        self.role.add_to_policy(
            aws_iam.PolicyStatement(actions=list(actions), resources=[resource_arn], conditions=conditions)
        )
        if self._key is not None:
            for statement in decryption(self, self._key, actions):
                self.role.add_to_policy(statement)
