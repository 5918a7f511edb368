"""The protocol's invariants, as far as rows and a history of what happened can tell. Checked after every step.

The numbers are the protocol's. 11 (the job ends) is the drain's to show; 10 (when a message may go) is asked where
one goes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.jobs.items import effective_status, find_in_work, work_places
from shared.jobs.lanes import position_of
from shared.jobs.repairs import LOOK_EVERY
from shared.jobs.statuses import RUNNING, ItemStatus, JobStatus
from shared.store.ledger_rows import ledger_row
from tests.support.ledgers import row_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.jobs.items import Outcome
    from shared.jobs.ledger import Ledger
    from tests.support.steps import Step

__all__ = ["History", "InvariantBrokenError", "Snapshot", "check", "check_acknowledged", "check_call", "check_step"]

_FINAL_MAY_CHANGE = frozenset({"notified", "retry", "look", "dispatched", "redrive"})
"""What may still write a final row. ``look`` and a slow dispatcher's cursor change nothing that a reader sees."""


class InvariantBrokenError(AssertionError):
    """An invariant does not hold; the message begins with its number."""


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment: the ledger, every outcome by position, and the current generation's lists of work."""

    ledger: Ledger
    outcomes: Mapping[int, Outcome]
    work: tuple[tuple[int, ...], ...] = ()

    def position(self, lane: int, index: int) -> int:
        """The position at ``index`` of ``lane``."""
        if self.ledger.generation == 1:
            return position_of(lane, len(self.ledger.lanes), index)
        return self.work[lane][index]

    def tokens(self) -> set[str]:
        """The leases that are held."""
        return {lane.lease.token for lane in self.ledger.lanes if lane.lease is not None}


@dataclass
class History:
    """What happened to a job so far, beyond what its rows tell."""

    max_attempts: int
    budget_microusd: int | None = None
    lost_microusd: int = 0
    superseded: set[str] = field(default_factory=set)
    calls: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Calls to Claude by generation and position."""
    returned: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Counted tries and account put-backs by generation and position: each allows one more call."""
    account: Counter[tuple[int, int]] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    """Terminal transitions by generation."""
    told: list[str] = field(default_factory=list)
    """Ids of the notifications that were sent."""
    may_begin: int | None = None
    """Calls that may still begin since the job stopped; None while it runs."""
    now: datetime | None = None
    """The latest time that anybody has acted at, where the caller tells it. Somebody else's clock may be behind."""


def _holds(number: int, condition: bool, detail: object) -> None:
    if not condition:
        raise InvariantBrokenError(f"{number}: {detail}")


def check(now: Snapshot, history: History) -> None:
    """What must be so at any moment."""
    _counts(now)
    _lanes(now)
    _money(now.ledger, history)
    _watched(now.ledger, history)
    _holds(12, row_bytes(ledger_row(now.ledger)) < 12 * 1024, "the ledger has grown beyond 12 KB")


def _counts(now: Snapshot) -> None:
    ledger, places = now.ledger, work_places(now.work)
    counts = ledger.counts
    shown = {
        ItemStatus.QUEUED: counts.queued,
        ItemStatus.PROCESSING: counts.processing,
        ItemStatus.COMPLETED: counts.completed,
        ItemStatus.FAILED: counts.failed,
        ItemStatus.CANCELLED: counts.cancelled,
    }
    _holds(1, min(shown.values()) >= 0, f"negative counts {counts}")
    _holds(1, sum(shown.values()) == ledger.total, f"{counts} do not sum to the total")
    tally = Counter(
        effective_status(
            ledger,
            find_in_work(ledger, position, places),
            now.outcomes[position].status if position in now.outcomes else None,
        )
        for position in range(1, ledger.total + 1)
    )
    _holds(1, tally == Counter(shown), f"the items say {tally}, the ledger says {shown}")
    codes = Counter(
        outcome.error.code
        for position, outcome in now.outcomes.items()
        if outcome.error is not None and _counted(now, position, outcome)
    )
    _holds(1, codes == Counter(ledger.errors), f"errors {ledger.errors}, items {codes}")


def _counted(now: Snapshot, position: int, outcome: Outcome) -> bool:
    """Whether a failure stands in this generation's errors: it is of now, or the retry left it alone."""
    place = work_places(now.work).get(position)
    return now.ledger.generation == 1 or place is None or outcome.generation == now.ledger.generation


def _lanes(now: Snapshot) -> None:
    ledger = now.ledger
    leases = [lane.lease for lane in ledger.lanes if lane.lease is not None]
    _holds(2, ledger.held == len(leases), f"held is {ledger.held}, leases are {len(leases)}")
    if ledger.final:
        _holds(2, ledger.open == ledger.held == 0, "a final job has work")
    elif ledger.status is JobStatus.CANCELLING:
        _holds(2, (ledger.open, ledger.queued) == (ledger.held, 0), "a cancelling job has more open than held")
    else:
        _holds(2, ledger.open == ledger.queued + ledger.held, f"open {ledger.open} is not queued + held")
    _holds(4, len({lease.token for lease in leases}) == len(leases), "a token holds two lanes")
    for number, lane in enumerate(ledger.lanes):
        _holds(3, 0 <= lane.next <= lane.end, f"lane {number} stands at {lane.next} of {lane.end}")
        for index in range(lane.next):
            outcome = now.outcomes.get(now.position(number, index))
            _holds(
                3,
                outcome is not None and outcome.generation == ledger.generation,
                f"lane {number} has passed {index}, whose outcome is {outcome}",
            )


def _money(ledger: Ledger, history: History) -> None:
    if ledger.headroom_microusd is None or history.budget_microusd is None:
        return
    reserved = sum(lane.lease.est_microusd for lane in ledger.lanes if lane.lease is not None)
    spent = ledger.cost_microusd + history.lost_microusd
    _holds(
        7,
        spent + reserved + ledger.headroom_microusd == history.budget_microusd,
        f"spent {spent}, reserved {reserved}, headroom {ledger.headroom_microusd}: not {history.budget_microusd}",
    )
    _holds(7, ledger.cost_microusd <= history.budget_microusd, "more was spent than the budget")


def _watched(ledger: Ledger, history: History) -> None:
    """The next look is a minute away at most; only a job at rest, which no holder can move, is put off for longer."""
    if history.now is None or (ledger.final and ledger.told):
        return
    if ledger.status is JobStatus.PAUSED and ledger.open > 0 and not ledger.held:
        return
    _holds(
        11,
        ledger.check_at is not None and ledger.check_at <= history.now + LOOK_EVERY,
        f"a job that is {ledger.status} with {ledger.open} open is not looked at before {ledger.check_at}",
    )


def check_step(step: Step, before: Snapshot, after: Snapshot, history: History) -> None:
    """What ``step`` may have done. Then writes it into ``history``."""
    name, token, seen = step.name, step.token, step.seen
    old, new = before.ledger, after.ledger
    if old.version == new.version and old == new:
        _holds(3, before.outcomes == after.outcomes, f"{name} changed an item without the ledger")
        return
    _holds(4, token not in history.superseded, f"{name} went through under a superseded token")
    if old.final:
        _holds(2, name in _FINAL_MAY_CHANGE, f"{name} changed a final job")
    for attribute in ("epoch", "generation", "round", "notified_generation"):
        _holds(5, getattr(new, attribute) >= getattr(old, attribute), f"{attribute} fell")
    if name in {"claim", "take_over"}:
        _holds(5, old.status in RUNNING and not old.halted, f"{name} of a job that is {old.status}, {old.halted}")
        epochs = {lane.lease.epoch for lane in new.lanes if lane.lease is not None and lane.lease.token == token}
        _holds(5, epochs == {old.epoch}, f"{name} with epochs {epochs}, the ledger's is {old.epoch}")
    _holds(5, new.held <= old.held or name == "claim", f"{name} raised held")
    if name in {"take_over", "close"} and history.now is not None:
        gone = before.tokens() - after.tokens()
        live = {lane.lease.token for lane in old.lanes if lane.lease is not None and lane.busy(history.now)}
        _holds(4, not gone & live, f"{name} ended a live lease")
    if name in {"cancel", "finalize", "notified"}:
        _holds(9, seen.generation == old.generation, f"{name} of generation {seen.generation} in {old.generation}")
    if name == "account_pause":
        epochs = {lane.lease.epoch for lane in old.lanes if lane.lease is not None and lane.lease.token == token}
        _holds(9, epochs == {old.epoch}, "an account error of an earlier epoch paused the job")
    if name == "retry":
        _holds(8, seen.version == old.version, "a retry chose from a ledger that was no more")
    _items(before, after)
    _remember(name, before, after, history)


def _items(before: Snapshot, after: Snapshot) -> None:
    for position in {*before.outcomes, *after.outcomes}:
        earlier, later = before.outcomes.get(position), after.outcomes.get(position)
        if earlier == later:
            continue
        _holds(3, later is not None, f"the outcome of {position} went away")
        if later is None:
            continue
        if earlier is not None:
            _holds(3, later.generation > earlier.generation, f"a visible outcome of {position} changed")
        places = work_places(after.work)
        _holds(8, after.ledger.generation == 1 or position in places, f"{position} is in nobody's work and changed")


def _remember(name: str, before: Snapshot, after: Snapshot, history: History) -> None:
    old, new = before.ledger, after.ledger
    gone = before.tokens() - after.tokens()
    history.superseded |= gone
    for number, lane in enumerate(old.lanes):
        if lane.lease is None or lane.lease.token not in gone:
            continue
        if name in {"take_over", "close"}:
            history.lost_microusd += lane.lease.est_microusd
        key = (old.generation, before.position(number, lane.next))
        if name == "take_over" or (name == "put_back" and new.lanes[number].attempts != lane.attempts):
            history.returned[key] += 1
        elif name in {"put_back", "account_pause"}:
            history.returned[key] += 1
            history.account[key] += 1
    if new.final and not old.final:
        history.ended[new.generation] += 1
        _holds(9, history.ended[new.generation] == 1, f"generation {new.generation} ended twice")
    runs = new.status in RUNNING and not new.halted
    if runs:
        history.may_begin = None
    elif history.may_begin is None:
        history.may_begin = new.held


def check_call(generation: int, position: int, history: History) -> None:
    """A call to Claude begins: it is within the attempts, it is not the second of a kind, and the job allows it."""
    key = (generation, position)
    history.calls[key] += 1
    _holds(6, history.calls[key] <= history.max_attempts + history.account[key], f"too many calls for {key}")
    _holds(6, history.calls[key] <= 1 + history.returned[key], f"a second call for {key} that nothing explains")
    if history.may_begin is not None:
        _holds(5, history.may_begin > 0, "more calls began after the stop than lanes were held")
        history.may_begin -= 1


def check_acknowledged(ledger: Ledger, *, lane: int, epoch: int, settled: bool, index: int | None = None) -> None:
    """A message goes away: it has done its work, or is void (rules 10 and 18)."""
    void = (
        ledger.epoch != epoch
        or ledger.status not in RUNNING
        or ledger.lanes[lane].exhausted
        or (index is not None and ledger.lanes[lane].next != index)
    )
    _holds(10, settled or void, f"a message of lane {lane} went that the lane still needs")
