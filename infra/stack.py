"""The stack: what is made, and who is told of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack, Tags

from infra.alarms import Alarms
from infra.api import Api
from infra.dashboard import Dashboard
from infra.dead_letters import DeadLetters
from infra.finalizer import Finalizer
from infra.http_api import HttpApi
from infra.identity import Identity
from infra.journal import Journal
from infra.processor import Processor
from infra.queries import Queries
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
        finalizer = Finalizer(
            self, "Finalizer", stage=stage, platform=platform, table=table, queues=queues, topic=topic
        )
        journal = Journal(self, "Journal", stage=stage, platform=platform, table=table, queues=queues)
        dead_letters = DeadLetters(self, "DeadLetters", stage=stage, platform=platform, table=table, queues=queues)
        sweeper = Sweeper(self, "Sweeper", stage=stage, platform=platform, table=table, queues=queues, topic=topic)
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
        readers = [finalizer.function, journal.function]
        functions = [api.function, processor.function, *readers, dead_letters.function, sweeper.function]
        alarms = Alarms(
            self,
            "Alarms",
            stage=stage,
            table=table,
            queues=queues,
            http_api=http_api,
            functions=functions,
            readers=readers,
        )
        Dashboard(
            self,
            "Dashboard",
            stage=stage,
            table=table,
            queues=queues,
            http_api=http_api,
            functions=functions,
            alarms=alarms,
        )
        Queries(self, "Queries", stage=stage, http_api=http_api, functions=functions)
        if http_api.domain is not None:
            target = http_api.domain.regional_domain_name
            CfnOutput(self, "DomainTarget", value=target, description="What the domain's DNS record must point to")
        for name, value, description in (
            ("ApiUrl", http_api.url, "Where the HTTP API is"),
            ("UserPoolId", identity.pool.user_pool_id, "Where users are made"),
            ("CommandLineClientId", identity.client.user_pool_client_id, "The client that asks for tokens"),
            ("TableName", table.name, "Jobs, items, projects"),
            ("WorkQueueUrl", queues.work.queue_url, "One message an item"),
            ("DeadLettersQueueUrl", queues.dead_letters.queue_url, "What was received too often"),
            ("TopicArn", topic.arn, "Subscribe here to be told of finished jobs"),
            ("AlarmTopicArn", alarms.topic.topic_arn, "Subscribe here to be told of alarms"),
        ):
            CfnOutput(self, name, value=value, description=description)
