"""Closing a generation: the final status, then at least one notification, then the record of it.

The finalizer does it when the stream tells of a ledger with nothing open; the sweeper, when that went wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.contracts.notifications import notification, notification_attributes
from shared.store.dynamodb import RefusedError
from shared.store.ledgers import LedgerStore, refused_ledger

if TYPE_CHECKING:
    from shared.clock import Clock
    from shared.ending.topic import Topic
    from shared.jobs.ledger import Ledger
    from shared.store.items import ItemStore

__all__ = ["Closer"]


@dataclass(frozen=True)
class Closer:
    """Closes jobs. Every step may be repeated: a replay finds what was done and does the rest.

    ``actor`` is whom the ledger names as the writer.
    """

    ledgers: LedgerStore
    items: ItemStore
    topic: Topic
    clock: Clock
    actor: str

    def close(self, image: Ledger) -> str:
        """End the generation that ``image`` shows with nothing open, and notify. What was done, for the log.

        ``image`` may be old: a later generation may run, or the work be done already. Conditions tell.
        """
        ended = self.end(image)
        return ended if isinstance(ended, str) else self.notify(ended)

    def end(self, image: Ledger) -> Ledger | str:
        """The first half of :meth:`close`: the ledger whose end is to be told, or why there is nothing to tell."""
        try:
            ledger = self.ledgers.finalize(image, now=self.clock.now(), actor=self.actor)
        except RefusedError as refused:
            now = refused_ledger(refused)
            if now is None:
                return "the job is gone"
            ledger = now
        if ledger.generation != image.generation or not ledger.final:
            return "the image is old"  # another told, and somebody retried, before the end was read again
        return ledger

    def notify(self, ledger: Ledger) -> str:
        """Tell that a final ``ledger`` has ended, unless that was told; then record it."""
        if ledger.notified_generation >= ledger.generation:
            return "told before"
        body = notification(ledger, created_by=self.items.require_spec(ledger.job_id).created_by)
        self.topic.publish(json.dumps(body), notification_attributes(ledger))
        try:
            self.ledgers.notified(ledger, actor=self.actor)
        except RefusedError:
            return "told, and recorded before"
        return f"{ledger.status}, told"
