"""The stack: what is made, and who is told of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack, Tags

from infra.api import Api
from infra.dead_letters import DeadLetters
from infra.finalizer import Finalizer
from infra.http_api import HttpApi
from infra.identity import Identity
from infra.journal import Journal
from infra.processor import Processor
from infra.queues import Queues
from infra.sweeper import Sweeper
from infra.table import JobTable
from infra.topic import JobTopic

if TYPE_CHECKING:
    from constructs import Construct

    from infra.platform import Platform
    from infra.stage import Stage

__all__ = ["PressroomStack"]


class PressroomStack(Stack):
    """Everything of one stage."""

    def __init__(self, scope: Construct, stage: Stage, platform: Platform) -> None:
        super().__init__(
            scope,
            f"pressroom-{stage.name}",
            description=f"Pressroom ({stage.name}): bulk AI generation, every item one outcome",
            termination_protection=stage.keep_data,
        )
        Tags.of(self).add("application", "pressroom")
        Tags.of(self).add("stage", stage.name)
        table = JobTable(self, "JobTable", stage)
        queues = Queues(self, "Queues", stage)
        topic = JobTopic(self, "JobTopic", stage)
        identity = Identity(self, "Identity", stage)
        processor = Processor(self, "Processor", stage=stage, platform=platform, table=table, queues=queues)
        Finalizer(self, "Finalizer", stage=stage, platform=platform, table=table, queues=queues, topic=topic)
        Journal(self, "Journal", stage=stage, platform=platform, table=table, queues=queues)
        DeadLetters(self, "DeadLetters", stage=stage, platform=platform, table=table, queues=queues)
        Sweeper(self, "Sweeper", stage=stage, platform=platform, table=table, queues=queues, topic=topic)
        api = Api(
            self,
            "Api",
            stage=stage,
            platform=platform,
            table=table,
            queues=queues,
            processor=processor,
            identity=identity,
        )
        http_api = HttpApi(self, "HttpApi", stage=stage, api=api, identity=identity)
        for name, value, description in (
            ("ApiUrl", http_api.url, "Where the HTTP API is"),
            ("UserPoolId", identity.pool.user_pool_id, "Where users are made"),
            ("CommandLineClientId", identity.client.user_pool_client_id, "The client that asks for tokens"),
            ("TableName", table.name, "Jobs, items, projects"),
            ("WorkQueueUrl", queues.work.queue_url, "One message an item"),
            ("DeadLettersQueueUrl", queues.dead_letters.queue_url, "What was received too often"),
            ("TopicArn", topic.arn, "Subscribe here to be told of finished jobs"),
        ):
            CfnOutput(self, name, value=value, description=description)
