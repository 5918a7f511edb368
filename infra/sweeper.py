"""The sweeper: once a minute, repairs what nobody else can finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, Validations, aws_events, aws_events_targets
from constructs import Construct

from functions.sweeper.settings import TIMEOUT_SECONDS, SweeperSettings
from infra.function import Function
from infra.rows import IDEMPOTENCY, JOBS, PROJECTS, USERS, allow_rows

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable
    from infra.topic import JobTopic

__all__ = ["Sweeper"]

_EVERY_SECONDS = 60


class Sweeper(Construct):
    """The function and its schedule."""

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
            "Sweeper",
            stage=stage,
            platform=platform,
            name="sweeper",
            description="Repairs what nobody else can finish",
            settings=SweeperSettings(
                table_name=table.name,
                queue_url=queues.work.queue_url,
                topic_arn=topic.arn,
                retention_days=stage.limits.get("retention_days", 0),
            ),
            timeout_seconds=TIMEOUT_SECONDS,
            memory_mb=512,
        )
        allow_rows(
            self.function,
            table,
            {
                "BatchGetItem": (PROJECTS, JOBS),
                "BatchWriteItem": (PROJECTS, JOBS, USERS),
                "ConditionCheckItem": (PROJECTS,),
                "DeleteItem": (PROJECTS, JOBS, USERS, IDEMPOTENCY),
                "GetItem": (PROJECTS, JOBS, IDEMPOTENCY),
                "PutItem": (PROJECTS,),
                "Query": (PROJECTS, JOBS),
                "UpdateItem": (PROJECTS, USERS, IDEMPOTENCY),
            },
        )
        self.function.allow(table.index_arn("watch"), "dynamodb:Query")
        self.function.allow(queues.work.queue_arn, "sqs:SendMessage")
        self.function.allow(topic.arn, "sns:Publish")
        self._schedule()

    def _schedule(self) -> None:
        """A run that is missed or fails is not made up for: the next one comes within the minute, and does it all."""
        self.function.target.configure_async_invoke(retry_attempts=0, max_event_age=Duration.seconds(_EVERY_SECONDS))
        Validations.of(self.function.target).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-LambdaAsyncFailureDestination",
                reason="The next run does all that a failed one would have; alarms tell of errors and of silence.",
            )
        )
        rule = aws_events.Rule(
            self,
            "EveryMinute",
            description="Runs the sweeper",
            schedule=aws_events.Schedule.rate(Duration.seconds(_EVERY_SECONDS)),
            targets=[
                aws_events_targets.LambdaFunction(
                    self.function.target, retry_attempts=0, max_event_age=Duration.seconds(_EVERY_SECONDS)
                )
            ],
        )
        Validations.of(rule).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-EventBusDLQ",
                reason="The next run does all that a missed one would have; an alarm tells when none comes.",
            )
        )
