"""The journal: writes the timeline of every job from the changes of its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from constructs import Construct

from functions.journal.settings import STREAM_FILTERS, JournalSettings
from infra.function import Function
from infra.rows import JOBS, allow_rows
from infra.stream import read_stream

if TYPE_CHECKING:
    from infra.platform import Platform
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["Journal"]


class Journal(Construct):
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
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = Function(
            self,
            "Journal",
            stage=stage,
            platform=platform,
            name="journal",
            description="Writes the timeline of every job",
            settings=JournalSettings(table_name=table.name),
            timeout_seconds=60,
            memory_mb=128,
        )
        allow_rows(self.function, table, {"BatchWriteItem": (JOBS,), "GetItem": (JOBS,)})
        read_stream(
            self,
            self.function,
            table=table,
            queues=queues,
            filters=STREAM_FILTERS,
            batch_size=100,
            # Nobody waits for the timeline: a second's records in one call instead of one call each.
            window=Duration.seconds(1),
        )
