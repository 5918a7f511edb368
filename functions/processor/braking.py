"""The shared brake as a processor sees it: looked at before a claim, and told of every refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.errors import StoreUnavailableError
from shared.jobs.brake import (
    HORIZON_SECONDS,
    Free,
    Start,
    Wait,
    after_refusal,
    later_block,
    look,
    refusal_of,
    seconds_until,
)
from shared.store.brake import BrakeStore, refused_brake
from shared.store.dynamodb import RefusedError
from shared.turns.claiming import why_void
from shared.turns.dispositions import Acknowledge, Disposition, Keep, keep_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger

    from shared.clock import Clock
    from shared.contracts.messages import LaneMessage
    from shared.errors import ItemError
    from shared.jobs.brake import Brake, Refusal
    from shared.jobs.ledger import Ledger
    from shared.store.ledgers import LedgerStore

__all__ = ["Admission", "Gate"]

_SEEN_SECONDS: Final = 1.0
"""So long a process goes by what it saw."""
_TRIES: Final = 5
"""How often a start is asked for: one try is lost whenever the brake was renewed since it was seen."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A call may begin. ``brake`` is what it begins under: of all that are refused under it, one counts."""

    brake: Brake | None


@dataclass
class Gate:
    """One a process. What it remembers, the brake as of the last second, decides nothing but who waits."""

    brakes: BrakeStore
    ledgers: LedgerStore
    clock: Clock
    random: Callable[[], float]
    logger: Logger
    _seen: Brake | None = field(default=None, init=False)
    _seen_at: datetime | None = field(default=None, init=False)

    def admit(self, message: LaneMessage) -> Admission | Disposition:
        """Whether ``message`` may go on to its claim, perhaps after a short wait; else what to do with it.

        Without a brake this is a read a second at most, and nothing else.
        """
        try:
            if isinstance(look(self._look(), self.clock.now(), self.random), Free):
                return Admission(self._seen)
            return self._useless(message) or self._start()
        except StoreUnavailableError as error:
            # The brake saves refusals; it must not stop what could go on. The claim shows whether the table is there.
            self.logger.warning("the brake got no answer", exc_info=error)
            return Admission(self._seen)

    def heed(self, error: ItemError, admission: Admission) -> None:
        """Brake everybody if ``error`` asks for it. Never raises for the table's sake: the item comes first."""
        refusal = refusal_of(error, self.clock.now())
        if refusal is None:
            return
        try:
            self._heed(refusal, admission.brake)
        except StoreUnavailableError as unavailable:
            self.logger.warning("the brake could not be set", exc_info=unavailable)

    def _look(self) -> Brake | None:
        now = self.clock.now()
        if self._seen_at is None or not timedelta() <= now - self._seen_at <= timedelta(seconds=_SEEN_SECONDS):
            self._remember(self.brakes.read())
        return self._seen

    def _remember(self, brake: Brake | None) -> None:
        self._seen, self._seen_at = brake, self.clock.now()

    def _useless(self, message: LaneMessage) -> Disposition | None:
        """What to do with a message that would only waste a start: a read, while there is a brake."""
        ledger = self.ledgers.read(message.project, message.job)
        if ledger is None or message.lane >= len(ledger.lanes):
            return None  # the claim knows what to say
        if void := why_void(ledger, message):
            return Acknowledge(void)
        return _waiting(ledger, message.lane, self.clock.now())

    def _start(self) -> Admission | Keep:
        for _ in range(_TRIES):
            brake = self._look()
            decision = look(brake, self.clock.now(), self.random)
            if isinstance(decision, Wait):
                return Keep(decision.seconds, "Claude asks for less: the brake is on")
            if brake is None or isinstance(decision, Free):
                return Admission(brake)
            if self._took(brake, decision):
                return Admission(self._seen)
        return Keep(self.random() * HORIZON_SECONDS, "no start was to be had")

    def _took(self, brake: Brake, start: Start) -> bool:
        """Take ``start`` and wait for it; whether it still holds then."""
        try:
            taken = self.brakes.take(brake, start)
        except RefusedError as refused:
            self._remember(refused_brake(refused))
            return False
        self._remember(taken)
        wait = seconds_until(taken, start, self.clock.now())
        if wait:
            self.clock.sleep(wait)
        now = self._look()
        return now is not None and now.version == start.version and now.blocked_until <= self.clock.now()

    def _heed(self, refusal: Refusal, brake: Brake | None) -> None:
        now = self.clock.now()
        try:
            self._remember(self.brakes.replace(brake, after_refusal(brake, refusal, now)))
        except RefusedError as refused:
            # Another was refused under the same brake, and has heeded it. Our cut would be one too many.
            self._remember(refused_brake(refused))
            self._block(refusal, now)

    def _block(self, refusal: Refusal, now: datetime) -> None:
        if self._seen is None or (until := later_block(self._seen, refusal, now)) is None:
            return
        try:
            self._remember(self.brakes.block(self._seen, until))
        except RefusedError as refused:
            self._remember(refused_brake(refused))


def _waiting(ledger: Ledger, lane: int, now: datetime) -> Keep | None:
    """Until when the lane cannot be claimed in any case."""
    held, not_before = ledger.lanes[lane].lease, ledger.lanes[lane].not_before
    if held is not None and not held.expired(now):
        return keep_until(held.expires_at, now, "the lane is busy")
    if not_before is not None and not_before > now:
        return keep_until(not_before, now, "the lane waits for its back-off")
    return None
