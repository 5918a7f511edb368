"""Filling the queue as a job is worked off, so that no request has to do it in one go.

A resume and a retry send one batch of messages, whatever the job's size, and no job has more than a bounded number of
them ahead. What follows is sent by whoever claims when few are left. It is the same dispatch as everybody's: the
cursor moves once, what two send is swallowed, and what nobody sends is found by the sweeper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import PressroomError
from shared.jobs.statuses import Drive
from shared.queue.dispatch import messages_ahead, slots_ahead

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from shared.jobs.ledger import Ledger
    from shared.queue.dispatch import WorkQueue
    from shared.store.ledgers import LedgerStore

__all__ = ["Refiller"]

_FEW: Final = 3
"""The lane's own: another lane that hangs has messages enough, and must not keep this one short."""
_MORE: Final = 100
"""Ten calls, a fraction of a second before the item's own; three messages for each of the most lanes of a job."""


@dataclass(frozen=True)
class Refiller:
    """Sends what a round still lacks."""

    ledgers: LedgerStore
    queue: WorkQueue
    logger: Logger
    actor: str

    def refill(self, ledger: Ledger, lane: int, *, timeout_seconds: int) -> None:
        """Send more messages if ``lane`` has few; ``ledger`` is the answer to its claim.

        A round that nobody has begun is left alone: whoever opened it is about to.
        """
        if ledger.drive is not Drive.QUEUE or not 0 < ledger.cursor < slots_ahead(ledger):
            return
        if messages_ahead(ledger, lane) > _FEW:
            return
        try:
            self.queue.dispatch(
                ledger,
                timeout_seconds=timeout_seconds,
                move_cursor=lambda seen, cursor: self.ledgers.advance_cursor(seen, cursor, actor=self.actor),
                most=_MORE,
            )
        except PressroomError as error:
            self.logger.warning("the queue was not filled further: the next claim tries again", exc_info=error)
