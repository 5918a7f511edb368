"""Many lanes at one Claude with a rate limit, in simulated time: the brake's pure rules, event by event.

Every lane is a process of its own with a memory of its own. Messages come back after whole seconds, as a queue hides
them; an answer's time varies by half. The row is changed only by :func:`take`, :func:`after_refusal` and a block.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.jobs.brake import Free, Refusal, Wait, after_refusal, later_block, look, seconds_until, take
from tests.support.clock import START

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from shared.jobs.brake import Brake

__all__ = ["Call", "Simulation"]

SEEN_SECONDS: Final = 1.0
WRITE_SECONDS: Final = 0.004
REACH_SECONDS: Final = 0.03


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when Claude got it, and whether it was allowed."""

    at: float
    allowed: bool


@dataclass
class Simulation:
    """Args:
    rate: requests a second that Claude allows.
    call_seconds: how long an answer takes on average.
    burst: how many may come at once; by default those of a second.
    tells: whether Claude says what it allows.
    overloaded: Claude answers 529, and without retry-after.
    """

    rate: float
    call_seconds: float
    burst: float | None = None
    tells: bool = False
    overloaded: bool = False
    braked: bool = True
    seed: int = 1
    brake: Brake | None = None
    calls: list[Call] = field(default_factory=list)
    writes: int = 0
    waits: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._burst = max(1.0, self.rate if self.burst is None else self.burst)
        self._left, self._filled_at = self._burst, 0.0

    def run(self, seconds: float, *, lanes: int, later: tuple[float, int] | None = None) -> None:
        """So long with so many lanes; ``later`` is when how many more join them."""
        numbers = itertools.count()
        starts = [self._random.random() / 2 for _ in range(lanes)]
        if later is not None:
            starts += [later[0]] * later[1]
        queue = [(start, next(numbers), self._lane()) for start in starts]
        for _, _, lane in queue:
            next(lane)
        heapq.heapify(queue)
        while queue[0][0] < seconds:
            now, _, lane = heapq.heappop(queue)
            heapq.heappush(queue, (now + lane.send(now), next(numbers), lane))

    def used(self, begin: float, end: float) -> float:
        """The part of what Claude allowed that was used."""
        return sum(call.allowed for call in self._between(begin, end)) / (self.rate * (end - begin))

    def refused(self, begin: float, end: float) -> float:
        """The part of the calls that Claude refused."""
        calls = self._between(begin, end)
        return sum(not call.allowed for call in calls) / max(1, len(calls))

    def _between(self, begin: float, end: float) -> list[Call]:
        return [call for call in self.calls if begin <= call.at < end]

    def _lane(self) -> Generator[float, float, None]:
        now = yield 0.0
        while True:
            seen, now = yield from self._admission(now)
            now = yield REACH_SECONDS
            if self._allows(now):
                now = yield self.call_seconds * (0.5 + self._random.random())
                continue
            now = yield REACH_SECONDS
            refusal = self._refusal()
            self._heed(seen, refusal, now)
            now = yield math.ceil((refusal.wait_seconds or 0) + self._random.random())

    def _admission(self, now: float) -> Generator[float, float, tuple[Brake | None, float]]:
        seen, seen_at = self.brake, now
        while self.braked:
            if now - seen_at > SEEN_SECONDS:
                seen, seen_at = self.brake, now
            decision = look(seen, _moment(now), self._random.random)
            if isinstance(decision, Free):
                break
            if isinstance(decision, Wait):
                self.waits += 1
                now = yield math.ceil(decision.seconds) + self._random.random() / 20
                continue
            self.writes += 1
            assert self.brake is not None
            taken = take(self.brake, decision)
            seen, seen_at = self.brake, now
            if taken is None:
                now = yield WRITE_SECONDS
                continue
            seen = self.brake = taken
            now = yield WRITE_SECONDS + seconds_until(taken, decision, _moment(now))
            if now - seen_at > SEEN_SECONDS:
                seen, seen_at = self.brake, now
            if seen.version == decision.version:
                break
        return seen, now

    def _allows(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._filled_at) * self.rate)
        self._filled_at = now
        allowed = self._left >= 1
        self._left -= allowed
        self.calls.append(Call(now, allowed))
        return allowed

    def _refusal(self) -> Refusal:
        wait = None if self.overloaded else float(max(1, math.ceil((1 - self._left) / self.rate)))
        return Refusal(self.overloaded, wait, round(self.rate * 1_000) if self.tells else None)

    def _heed(self, seen: Brake | None, refusal: Refusal, now: float) -> None:
        self.writes += 1
        if (seen and seen.version) == (self.brake and self.brake.version):
            self.brake = after_refusal(self.brake, refusal, _moment(now))
        elif self.brake is not None and (until := later_block(self.brake, refusal, _moment(now))):
            self.brake = self.brake.evolve(blocked_until=until)


def _moment(now: float) -> datetime:
    return START + timedelta(seconds=now)
