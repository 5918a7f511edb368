"""Whether a ledger agrees with itself and with its items. What does not is told, never mended: no rule made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.jobs.statuses import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.jobs.ledger import Ledger

__all__ = ["contradictions", "unsettled_lanes"]


def contradictions(ledger: Ledger) -> tuple[str, ...]:
    """What a ledger says against itself, a sentence each; nothing, if every write of it was a transition."""
    leases = sum(lane.lease is not None for lane in ledger.lanes)
    left = sum(lane.end - lane.next for lane in ledger.lanes)
    counts = (ledger.queued, ledger.held, ledger.open, ledger.completed, ledger.failed, ledger.counts.cancelled)
    claims = {
        f"held is {ledger.held}, but {leases} lanes have a lease": ledger.held == leases,
        f"a count is negative: {counts}": min(counts) >= 0,
    }
    if ledger.cancel_reason is None:
        told = sum(ledger.errors.values())
        claims[f"{ledger.counts.cancelled} items are cancelled, but the job is not"] = ledger.counts.cancelled == 0
        claims[f"{ledger.failed} items have failed, but the errors tell of {told}"] = ledger.failed == told
    if ledger.final:
        claims[f"the job has ended, but {ledger.open} items are open"] = ledger.open == 0
    elif ledger.status is JobStatus.CANCELLING:
        claims[f"open is {ledger.open}, but {ledger.held} items are held"] = ledger.open == ledger.held
    else:
        claims[f"open is {ledger.open}, not {ledger.queued} queued and {ledger.held} held"] = (
            ledger.open == ledger.queued + ledger.held
        )
        claims[f"open is {ledger.open}, but the lanes have {left} items left"] = ledger.open == left
    return tuple(claim for claim, holds in claims.items() if not holds)


def unsettled_lanes(ledger: Ledger, generations: Mapping[int, int | None]) -> tuple[str, ...]:
    """Lanes that have gone on from an item without an outcome of this generation, a sentence each.

    ``generations`` are those of the outcomes before each lane's ``next``, None where there is none. A later one than
    the ledger's says only that the ledger is old.
    """
    return tuple(
        f"lane {lane} has left its item {ledger.lanes[lane].next - 1}, whose outcome is of generation {generation}"
        for lane, generation in generations.items()
        if generation is None or generation < ledger.generation
    )
