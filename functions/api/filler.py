"""Filling the queue for a job that stands: as well as it goes now, for what is missing is known to the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import PressroomError
from shared.jobs.statuses import Drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger

    from shared.jobs.ledger import Ledger
    from shared.jobs.spec import JobSpec
    from shared.queue.dispatch import WorkQueue
    from shared.store.ledgers import LedgerStore

__all__ = ["Filler"]


@dataclass(frozen=True)
class Filler:
    """Dispatches. ``queue`` makes the queue's client at its first use."""

    ledgers: LedgerStore
    queue: Callable[[], WorkQueue]
    logger: Logger

    def fill(self, ledger: Ledger, spec: JobSpec, *, most: int | None = None) -> Ledger:
        """Send what the round lacks, at most ``most`` messages; the ledger with its cursor moved.

        The job stands: no failure here may fail the request. The cursor says what is missing, to the processors, who
        go on with it, and to the sweeper.
        """

        def move(before: Ledger, cursor: int) -> Ledger:
            return self.ledgers.advance_cursor(before, cursor, actor=ledger.actor)

        if ledger.drive is not Drive.QUEUE:
            return ledger
        try:
            return self.queue().dispatch(
                ledger, timeout_seconds=spec.options.item_timeout_seconds, move_cursor=move, most=most
            )
        except (PressroomError, BotoCoreError, ClientError) as error:
            self.logger.exception(
                "the job is not wholly dispatched; its cursor says what is missing",
                exc_info=error,
                project=ledger.project_id,
                job=ledger.job_id,
                generation=ledger.generation,
            )
            return ledger
