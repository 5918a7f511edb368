"""Whether the text that Claude is writing is still wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.errors import StoreUnavailableError
from shared.jobs.statuses import FINAL, JobStatus

if TYPE_CHECKING:
    from datetime import datetime

    from aws_lambda_powertools import Logger

    from shared.clock import Clock
    from shared.store.lane_views import LaneView, LaneViews
    from shared.turns.claiming import Held

__all__ = ["WATCH_SECONDS", "Watch"]

WATCH_SECONDS: Final = 4.0
"""Between two looks, and before the first: a short call is not looked after at all."""


@dataclass
class Watch:
    """Of one call: ask it as often as you like, it looks at the ledger every :data:`WATCH_SECONDS`.

    A look that gets no answer is none, and one that is older than our own claim tells nothing: text is thrown away
    only on the ledger's word.
    """

    views: LaneViews
    held: Held
    clock: Clock
    logger: Logger
    _next_look: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._rest()

    def __call__(self) -> bool:
        """Whether nobody wants the text any more."""
        if self.clock.now() < self._next_look:
            return False
        ledger = self.held.ledger
        try:
            seen = self.views.of(ledger.project_id, ledger.job_id, self.held.lane_number)
        except StoreUnavailableError as error:
            self.logger.warning("a look at the ledger got no answer", exc_info=error)
            return False
        finally:
            self._rest()
        return seen is not None and self._unwanted(seen)

    def _unwanted(self, seen: LaneView) -> bool:
        if seen.version < self.held.ledger.version:
            return False
        return seen.status is JobStatus.CANCELLING or seen.status in FINAL or seen.token != self.held.lease.token

    def _rest(self) -> None:
        self._next_look = self.clock.now() + timedelta(seconds=WATCH_SECONDS)
