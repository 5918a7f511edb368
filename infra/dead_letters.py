"""The dead letters: what the work queue gave up is sent again, or its item brought to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_lambda
from constructs import Construct

from functions.dead_letters.settings import DeadLettersSettings
from infra.function import Function
from infra.queues import acknowledge_redrive
from infra.rows import JOBS, PROJECTS, allow_rows

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["DeadLetters"]

_TIMEOUT_SECONDS = 60


class DeadLetters(Construct):
    """The function and its mapping of the queue's dead letters."""

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
            "DeadLetters",
            stage=stage,
            platform=platform,
            name="dead_letters",
            description="Brings on what the work queue gave up",
            settings=DeadLettersSettings(
                table_name=table.name,
                queue_url=queues.work.queue_url,
                dead_letters_url=queues.dead_letters.queue_url,
            ),
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=128,
            # It sends a message on that may die again, which loop detection takes for a loop; three times, then the
            # item fails.
            recursive_loop=aws_lambda.RecursiveLoop.ALLOW,
        )
        allow_rows(
            self.function,
            table,
            {"BatchGetItem": (JOBS,), "GetItem": (PROJECTS, JOBS), "UpdateItem": (PROJECTS, JOBS)},
        )
        self.function.allow(queues.work.queue_arn, "sqs:SendMessage")
        self.function.allow(
            queues.dead_letters.queue_arn,
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        )
        mapping = aws_lambda.EventSourceMapping(
            self,
            "DeadLettersMapping",
            target=self.function.target,
            event_source_arn=queues.dead_letters.queue_arn,
            batch_size=1,
            report_batch_item_failures=True,
            max_concurrency=2,
        )
        acknowledge_redrive(mapping)
