"""The processor: one item an invocation, driven by the queue or invoked by the api."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, ArnFormat, Duration, Stack, Validations, aws_lambda
from constructs import Construct

from functions.processor.settings import ProcessorSettings
from infra.bedrock import allow_models, bedrock_models_json
from infra.function import Function
from infra.queues import acknowledge_redrive
from infra.rows import BRAKE, JOBS, PROJECTS, allow_rows
from shared.queue.queues import FUNCTION_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["Processor"]


class Processor(Construct):
    """The function and its mapping of the work queue."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        platform: Platform,
        table: JobTable,
        queues: Queues,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = Function(
            self,
            "Processor",
            stage=stage,
            platform=platform,
            name="processor",
            description="Generates one item of a job with Claude",
            settings=ProcessorSettings(
                table_name=table.name,
                queue_url=queues.work.queue_url,
                claude_key_secret=stage.claude_key_secret,
                anthropic_base_url=stage.claude_base_url,
                bedrock_models_json=bedrock_models_json(stage),
                bedrock_region=self._bedrock_region(stage) if stage.bedrock_models else "",
            ),
            timeout_seconds=FUNCTION_TIMEOUT_SECONDS,
            memory_mb=256,
            waited_for=True,
            # A back-off sends a lane's message on, which loop detection takes for a loop after 16 hops. The number of
            # hops is bounded by the item's attempts and the job's deadline.
            recursive_loop=aws_lambda.RecursiveLoop.ALLOW,
        )
        # process-next: an invocation that is lost or late costs the caller a second call, a repeated one nothing.
        self.function.target.configure_async_invoke(retry_attempts=0, max_event_age=Duration.seconds(60))
        Validations.of(self.function.target).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-LambdaAsyncFailureDestination",
                reason="Only process-next invokes; a lost invocation changed nothing, and its caller asks again.",
            )
        )
        self._permit(stage, table, queues)
        mapping = aws_lambda.EventSourceMapping(
            self,
            "WorkQueueMapping",
            target=self.function.target,
            event_source_arn=queues.work.queue_arn,
            batch_size=1,
            report_batch_item_failures=True,
            max_concurrency=stage.processor_concurrency,
        )
        acknowledge_redrive(mapping)

    def _permit(self, stage: Stage, table: JobTable, queues: Queues) -> None:
        allow_rows(
            self.function,
            table,
            {
                "BatchGetItem": (JOBS,),
                "GetItem": (PROJECTS, JOBS, BRAKE),
                "UpdateItem": (PROJECTS, JOBS, BRAKE),
            },
        )
        self.function.allow(
            queues.work.queue_arn,
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        )
        if stage.claude_on == "bedrock":
            allow_models(self.function, stage.bedrock_models, self._bedrock_region(stage))
        else:
            self.function.allow(self._secret_arn(stage.claude_key_secret), "secretsmanager:GetSecretValue")

    def _bedrock_region(self, stage: Stage) -> str:
        return stage.bedrock_region or Stack.of(self).region

    def _secret_arn(self, name: str) -> str:
        """The secret's ARN, which ends in a hyphen and six characters that nobody chooses."""
        return Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{name}-??????",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
