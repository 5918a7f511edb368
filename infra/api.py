"""The api's function: answers requests, fills the queue, invokes the processor for process-next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from functions.api.settings import ApiSettings
from infra.bedrock import bedrock_models_json
from infra.function import Function
from infra.rows import IDEMPOTENCY, JOBS, PROJECTS, USERS, allow_rows
from infra.stage import ConfigurationError
from shared.errors import SettingsError

if TYPE_CHECKING:
    from infra.identity import Identity
    from infra.platform import Platform
    from infra.processor import Processor
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["Api"]

_TIMEOUT_SECONDS = 29
"""The gateway gives up after 30: the function ends before, so that its log says why."""


class Api(Construct):
    """The function behind the gateway."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        platform: Platform,
        table: JobTable,
        queues: Queues,
        processor: Processor,
        identity: Identity,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = Function(
            self,
            "Api",
            stage=stage,
            platform=platform,
            name="api",
            description="Answers the HTTP API",
            settings=_settings(stage, table, queues, processor, identity),
            timeout_seconds=_TIMEOUT_SECONDS,
            # Thousands of items take CPU time to read and write; Lambda gives it by memory, and the gateway waits.
            memory_mb=512,
            waited_for=True,
        )
        allow_rows(
            self.function,
            table,
            {
                "BatchGetItem": (PROJECTS,),
                "ConditionCheckItem": (PROJECTS,),
                "DeleteItem": (PROJECTS, USERS),
                "GetItem": (PROJECTS, JOBS, USERS, IDEMPOTENCY),
                "PutItem": (PROJECTS, JOBS, USERS, IDEMPOTENCY),
                "Query": (PROJECTS, JOBS, USERS),
                "UpdateItem": (PROJECTS, USERS, IDEMPOTENCY),
            },
        )
        self.function.allow(table.index_arn("active"), "dynamodb:Query")
        self.function.allow(queues.work.queue_arn, "sqs:SendMessage")
        self.function.allow(processor.function.arn, "lambda:InvokeFunction")


def _settings(stage: Stage, table: JobTable, queues: Queues, processor: Processor, identity: Identity) -> ApiSettings:
    try:
        settings = ApiSettings(
            table_name=table.name,
            queue_url=queues.work.queue_url,
            processor_function=processor.function.name,
            sign_in_url=identity.sign_in_url,
            sign_in_client_id=identity.client.user_pool_client_id,
            bedrock_models_json=bedrock_models_json(stage),
            **stage.limits,
        )
    except (TypeError, SettingsError) as error:
        raise ConfigurationError(f"limits of stage {stage.name!r} in cdk.json: {error}") from error
    if stage.bedrock_models and settings.default_model not in stage.bedrock_models:
        raise ConfigurationError(
            f"stage {stage.name!r} in cdk.json: bedrock_models has no id for {settings.default_model}, "
            "which a job uses that names no model"
        )
    return settings
