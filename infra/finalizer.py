"""The finalizer: ends jobs whose ledgers have nothing open, and tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct

from functions.finalizer.settings import STREAM_FILTERS, FinalizerSettings
from infra.function import Function
from infra.rows import JOBS, PROJECTS, USERS, allow_rows
from infra.stream import read_stream

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable
    from infra.topic import JobTopic

__all__ = ["Finalizer"]


class Finalizer(Construct):
    """The function and its mapping of the table's stream."""

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
            "Finalizer",
            stage=stage,
            platform=platform,
            name="finalizer",
            description="Closes jobs that have nothing open and publishes that they ended",
            settings=FinalizerSettings(table_name=table.name, topic_arn=topic.arn),
            timeout_seconds=60,
            memory_mb=128,
        )
        allow_rows(self.function, table, {"GetItem": (PROJECTS, JOBS), "UpdateItem": (PROJECTS, USERS)})
        self.function.allow(topic.arn, "sns:Publish")
        read_stream(self, self.function, table=table, queues=queues, filters=STREAM_FILTERS, batch_size=10)
