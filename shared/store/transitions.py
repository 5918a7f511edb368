"""The transitions of :mod:`shared.jobs.transitions` as conditional writes of the ledger's row.

Each function takes the ledger's key and the facts, and returns a :class:`~shared.store.expressions.Change`: effects
as data. All right-hand sides read the row as it was before the write. What DynamoDB demands of an expression (one
operator a SET, no path inside another, no arithmetic on what may be absent) shows in two habits: differences are
computed before, and jobs with a budget have variants of their own.

The protocol's ★ conditions must not be simplified; each closes a hole that a model checker found.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.clock import to_iso
from shared.jobs.statuses import CancelReason, Drive, ItemStatus, JobStatus, OnError, PauseReason
from shared.store.expressions import Change
from shared.store.keys import Key, ended_shard, job_id_of, watch_shard
from shared.store.ledger_rows import FORMAT, attempt_map, lane_map, lease_map

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.errors import ErrorCode
    from shared.jobs.items import Outcome
    from shared.jobs.ledger import Attempt, Lane, Lease
    from shared.store.attributes import Row

__all__ = [
    "account_pause",
    "cancel",
    "claim",
    "close",
    "dispatched",
    "finalize",
    "handoff",
    "look",
    "notified",
    "pause",
    "pause_for_budget",
    "put_back",
    "redrive",
    "release",
    "resume",
    "retry",
    "seal",
    "settle",
    "take_over",
]

_RUN: Final = "status IN (:queued, :processing)"
_READABLE: Final = "(attribute_not_exists(format) OR format <= :format)"
"""A claim writes before it has read: a worker of an earlier version must not touch what it would misread."""
_NOT_FINAL: Final = "status IN (:queued, :processing, :paused, :cancelling)"
_FIXED: Final[Mapping[str, str | int | bool | list[str]]] = {
    "zero": 0,
    "one": 1,
    "true": True,
    "empty": [],
    "format": FORMAT,
    **{status.value: status.value for status in JobStatus},
}


def _change(
    key: Key,
    condition: str,
    actor: str,
    sets: Sequence[str],
    removes: Sequence[str] = (),
    **values: object,
) -> Change:
    """A write of the ledger: every one adds 1 to the version and names its actor."""
    return Change(
        key=key,
        condition=f"{condition} AND {_READABLE}",
        sets=(*sets, "version = version + :one", "actor = :actor"),
        removes=tuple(removes),
        values={**_FIXED, "actor": actor, **values},
    )


def _reserve(*, budgeted: bool) -> tuple[str, tuple[str, ...]]:
    """The part of a claim that concerns the budget: its condition and its SET."""
    if not budgeted:
        return " AND attribute_not_exists(headroom)", ()
    return " AND headroom >= :est", ("headroom = headroom - :est",)


def _give_back(budgeted: bool) -> tuple[str, ...]:
    return ("headroom = headroom + :back",) if budgeted else ()


_SPEND: Final = (
    "cost = cost + :cost",
    "input_tokens = input_tokens + :input_tokens",
    "output_tokens = output_tokens + :output_tokens",
)


def seal(key: Key, *, token: str, actor: str, active: str) -> Change:
    """The job becomes visible: it enters the ``active`` index."""
    return _change(
        key,
        "status = :intake AND intake_token = :token",
        actor,
        ["status = :queued", "active = :active"],
        ["intake_token", "intake_key"],
        token=token,
        active=active,
    )


def claim(
    key: Key, *, lane: int, lease: Lease, budgeted: bool, now: datetime, actor: str, index: int | None = None
) -> Change:
    """``budgeted`` must say whether the job has a budget: the condition holds for one variant only."""
    at = f"lanes.{lane}"
    affordable, reserve = _reserve(budgeted=budgeted)
    return _change(
        key,
        f"{_RUN} AND epoch = :epoch AND attribute_not_exists(halted) AND {at}.next < {at}.end"
        f" AND attribute_not_exists({at}.lease)"
        f" AND (attribute_not_exists({at}.not_before) OR {at}.not_before <= :now)"
        + affordable
        + ("" if index is None else f" AND {at}.next = :index"),
        actor,
        [
            f"{at}.lease = :lease",
            "queued = queued - :one",
            "held = held + :one",
            "status = :processing",
            "started_at = if_not_exists(started_at, :now)",
            *reserve,
        ],
        epoch=lease.epoch,
        now=to_iso(now),
        lease=lease_map(lease),
        est=lease.est_microusd,
        index=index,
    )


def take_over(
    key: Key,
    *,
    lane: int,
    old_token: str,
    lease: Lease,
    budgeted: bool,
    now: datetime,
    lost: Attempt | None,
    actor: str,
) -> Change:
    """``lost`` is the attempt that is counted, None where the list is full: the old token pins the list."""
    at = f"lanes.{lane}"
    affordable, reserve = _reserve(budgeted=budgeted)
    count = [] if lost is None else [f"{at}.attempts = list_append(if_not_exists({at}.attempts, :empty), :lost)"]
    return _change(
        key,
        f"{_RUN} AND epoch = :epoch AND attribute_not_exists(halted)"
        f" AND {at}.lease.token = :old AND {at}.lease.expires_at < :now" + affordable,
        actor,
        [f"{at}.lease = :lease", "status = :processing", *count, *reserve],
        epoch=lease.epoch,
        old=old_token,
        now=to_iso(now),
        lease=lease_map(lease),
        est=lease.est_microusd,
        lost=[] if lost is None else [attempt_map(lost)],
    )


def settle(
    key: Key,
    *,
    lane: int,
    token: str,
    outcome: Outcome,
    now: datetime,
    on_error: OnError,
    budgeted: bool,
    est_microusd: int,
    min_interval_seconds: float = 0,
    actor: str,
) -> Change:
    """The ledger's half of the transaction; :func:`shared.store.item_rows.outcome_change` is the item's."""
    at = f"lanes.{lane}"
    failed = outcome.status is ItemStatus.FAILED
    sets = [
        f"{at}.next = {at}.next + :one",
        "held = held - :one",
        "open = open - :one",
        "last_activity_at = :now",
        *_SPEND,
        *_give_back(budgeted),
    ]
    removes = [f"{at}.lease", f"{at}.attempts", f"{at}.redrives"]
    if min_interval_seconds:
        sets.append(f"{at}.not_before = :paced")
    else:
        removes.append(f"{at}.not_before")
    if failed:
        sets.append("failed = failed + :one")
    else:
        sets.append("completed = completed + :one")
    if outcome.error is not None:
        code = outcome.error.code.value
        sets.append(f"errors.{code} = if_not_exists(errors.{code}, :zero) + :one")
        sets.append(f"firsts.{code} = if_not_exists(firsts.{code}, :position)")
    if failed and on_error is not OnError.CONTINUE:
        sets.append("halted = :true")
    return _change(
        key,
        f"{at}.lease.token = :token",
        actor,
        sets,
        removes,
        token=token,
        now=to_iso(now),
        paced=to_iso(now + timedelta(seconds=min_interval_seconds)),
        position=outcome.position,
        **_bill(
            est_microusd,
            cost_microusd=outcome.cost_microusd,
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
        ),
    )


def _bill(est_microusd: int, *, cost_microusd: int, input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "cost": cost_microusd,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "back": est_microusd - cost_microusd,
    }


def release(
    key: Key,
    *,
    lane: int,
    token: str,
    generation: int,
    budgeted: bool,
    est_microusd: int,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
    actor: str,
) -> Change:
    """The holder of a cancelled job's lane leaves."""
    at = f"lanes.{lane}"
    return _change(
        key,
        f"{at}.lease.token = :token AND status = :cancelling",
        actor,
        [
            "held = held - :one",
            "open = open - :one",
            *_SPEND,
            *_give_back(budgeted),
            *_lost_again(generation),
        ],
        [f"{at}.lease"],
        token=token,
        **_bill(est_microusd, cost_microusd=cost_microusd, input_tokens=input_tokens, output_tokens=output_tokens),
    )


def _lost_again(generation: int) -> tuple[str, ...]:
    """An item that a cancelled retry did not finish keeps its earlier outcome: failed ★."""
    return ("failed = failed + :one",) if generation > 1 else ()


def put_back(
    key: Key,
    *,
    lane: int,
    token: str,
    not_before: datetime,
    attempt: Attempt | None,
    budgeted: bool,
    est_microusd: int,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost_microusd: int = 0,
    actor: str,
) -> Change:
    """Refused while cancelling ★: the holder then releases."""
    at = f"lanes.{lane}"
    count = []
    if attempt is not None:
        count.append(f"{at}.attempts = list_append(if_not_exists({at}.attempts, :empty), :attempt)")
    return _change(
        key,
        f"{at}.lease.token = :token AND status IN (:processing, :paused)",
        actor,
        [
            "held = held - :one",
            "queued = queued + :one",
            f"{at}.not_before = :not_before",
            *count,
            *_SPEND,
            *_give_back(budgeted),
        ],
        [f"{at}.lease"],
        token=token,
        not_before=to_iso(not_before),
        attempt=[] if attempt is None else [attempt_map(attempt)],
        **_bill(est_microusd, cost_microusd=cost_microusd, input_tokens=input_tokens, output_tokens=output_tokens),
    )


def account_pause(
    key: Key,
    *,
    lane: int,
    token: str,
    not_before: datetime,
    reason: PauseReason,
    budgeted: bool,
    est_microusd: int,
    actor: str,
) -> Change:
    """Only in the epoch of the claim ★: an error of before a resume says nothing about now."""
    at = f"lanes.{lane}"
    return _change(
        key,
        f"{at}.lease.token = :token AND status = :processing AND {at}.lease.epoch = epoch",
        actor,
        [
            "held = held - :one",
            "queued = queued + :one",
            f"{at}.not_before = :not_before",
            "status = :paused",
            "pause_reason = :reason",
            *_give_back(budgeted),
        ],
        [f"{at}.lease"],
        token=token,
        not_before=to_iso(not_before),
        reason=reason.value,
        back=est_microusd,
    )


def pause(key: Key, *, reason: PauseReason = PauseReason.USER, actor: str) -> Change:
    """A person's pause, or that of a failed item under ``on_error=pause``."""
    return _change(
        key,
        f"{_RUN} AND open > :zero",
        actor,
        ["status = :paused", "pause_reason = :reason"],
        reason=reason.value,
    )


def pause_for_budget(key: Key, *, est_microusd: int, epoch: int, version: int, actor: str) -> Change:
    """``version`` is of the row that refused and in which no lease was live ★."""
    return _change(
        key,
        f"{_RUN} AND open > :zero AND headroom < :est AND epoch = :epoch AND version = :version",
        actor,
        ["status = :paused", "pause_reason = :reason"],
        est=est_microusd,
        epoch=epoch,
        version=version,
        reason=PauseReason.BUDGET_EXHAUSTED.value,
    )


def resume(
    key: Key,
    *,
    budgeted: bool,
    more_microusd: int = 0,
    raised_microusd: int = 0,
    check_at: datetime | None = None,
    actor: str,
) -> Change:
    """A new epoch voids the messages of the old one. A raise holds only for the budget that it was decided on."""
    unraised = "attribute_not_exists(raised)" if raised_microusd == 0 else "raised = :raised"
    return _change(
        key,
        "status = :paused" + (f" AND {unraised}" if more_microusd else ""),
        actor,
        [
            "status = :processing",
            "epoch = epoch + :one",
            "round = round + :one",
            "cursor = :zero",
            *_raise(more_microusd, budgeted=budgeted),
            *_look_at(check_at),
        ],
        ["halted", "pause_reason"],
        more=more_microusd,
        raised=raised_microusd,
        check_at=None if check_at is None else to_iso(check_at),
    )


def _raise(more_microusd: int, *, budgeted: bool) -> tuple[str, ...]:
    """The part of a resume or a retry that raises the budget: what may be spent, and what was added in all."""
    if not budgeted or not more_microusd:
        return ()
    return "headroom = headroom + :more", "raised = if_not_exists(raised, :zero) + :more"


def _look_at(check_at: datetime | None) -> tuple[str, ...]:
    """A condition of ``look`` is the old time: a sweeper that put the job off meanwhile is refused."""
    return () if check_at is None else ("check_at = :check_at",)


def cancel(key: Key, *, generation: int, reason: CancelReason, check_at: datetime | None = None, actor: str) -> Change:
    """``open = held`` from the row itself, in the same write ★."""
    return _change(
        key,
        "status IN (:queued, :processing, :paused) AND generation = :generation",
        actor,
        [
            "open = held",
            "queued = :zero",
            "status = :cancelling",
            "cancel_reason = :reason",
            *(("failed = failed + queued",) if generation > 1 else ()),
            *_look_at(check_at),
        ],
        generation=generation,
        reason=reason.value,
        check_at=None if check_at is None else to_iso(check_at),
    )


def close(key: Key, *, lane: int, old_token: str, now: datetime, generation: int, actor: str) -> Change:
    """``next`` stays: the item is cancelled by rule of reading."""
    at = f"lanes.{lane}"
    return _change(
        key,
        f"status = :cancelling AND {at}.lease.token = :old AND {at}.lease.expires_at < :now",
        actor,
        ["held = held - :one", "open = open - :one", *_lost_again(generation)],
        [f"{at}.lease"],
        old=old_token,
        now=to_iso(now),
    )


def finalize(key: Key, *, generation: int, status: JobStatus, now: datetime, actor: str) -> Change:
    """``status`` follows from the counts of a row with nothing open, which nothing changes any more."""
    return _change(
        key,
        f"generation = :generation AND open = :zero AND {_NOT_FINAL}",
        actor,
        ["status = :final", "completed_at = :now"],
        ["active", "pause_reason"],
        generation=generation,
        final=status.value,
        now=to_iso(now),
    )


def notified(key: Key, *, generation: int, actor: str) -> Change:
    """The job leaves the sweeper's list for that of ended jobs, where it stands by its end."""
    return _change(
        key,
        "generation = :generation AND notified_generation < :generation AND attribute_exists(completed_at)",
        actor,
        ["notified_generation = :generation", "watch = :ended", "check_at = completed_at"],
        generation=generation,
        ended=ended_shard(job_id_of(key["sk"])),
    )


def retry(
    key: Key,
    *,
    job_id: str,
    generation: int,
    version: int,
    lanes: Sequence[Lane],
    errors: Mapping[ErrorCode, int],
    firsts: Mapping[ErrorCode, int],
    deadline_at: datetime | None,
    usage_period: str,
    now: datetime,
    check_at: datetime,
    active: str,
    budgeted: bool,
    more_microusd: int = 0,
    booked_by: str = "",
    booked_microusd: int = 0,
    actor: str,
) -> Change:
    """The ledger's half; the lists of work stand in the same transaction ★."""
    sets = [
        "status = :queued",
        "generation = generation + :one",
        "epoch = epoch + :one",
        "round = round + :one",
        "cursor = :zero",
        "failed = failed - :chosen",
        "queued = :chosen",
        "open = :chosen",
        "held = :zero",
        "lanes = :lanes",
        "errors = :errors",
        "firsts = :firsts",
        "active = :active",
        "watch = :watch",
        "check_at = :check_at",
        "retried_at = :now",
        "settled_items = completed",
        "settled_cost = cost",
        *_raise(more_microusd, budgeted=budgeted),
    ]
    removes = ["halted", "completed_at", "cancel_reason"]
    optional: dict[str, str | int | None] = {
        "deadline_at": None if deadline_at is None else to_iso(deadline_at),
        "usage_period": usage_period or None,
        "booked_by": booked_by or None,
        "booked": booked_microusd or None,
    }
    for name, value in optional.items():
        if value is None:
            removes.append(name)
        else:
            sets.append(f"{name} = :{name}")
    return _change(
        key,
        "status IN (:partially_failed, :failed) AND generation = :generation"
        " AND notified_generation = :generation AND version = :version",
        actor,
        sets,
        removes,
        generation=generation,
        version=version,
        chosen=sum(lane.end for lane in lanes),
        lanes={str(index): lane_map(lane) for index, lane in enumerate(lanes)},
        errors={code.value: n for code, n in errors.items()},
        firsts={code.value: position for code, position in firsts.items()},
        active=active,
        watch=watch_shard(job_id),
        now=to_iso(now),
        check_at=to_iso(check_at),
        more=more_microusd,
        **optional,
    )


def redrive(key: Key, *, lane: int, index: int, epoch: int, redrives: int, actor: str) -> Change:
    """A dead letter of the lane is dispatched again.

    ``redrives`` is the count that was read, so that a repeat of the write, whose answer was lost, does not count
    again. The row has none where it is 0.
    """
    at = f"lanes.{lane}"
    counted = f"{at}.redrives = :redrives" if redrives else f"attribute_not_exists({at}.redrives)"
    return _change(
        key,
        f"{_RUN} AND epoch = :epoch AND {at}.next = :index AND {counted}",
        actor,
        [f"{at}.redrives = if_not_exists({at}.redrives, :zero) + :one"],
        epoch=epoch,
        index=index,
        redrives=redrives,
    )


def look(key: Key, *, old: datetime, new: datetime, paused_in: int | None = None) -> Change:
    """No version and no actor: the journal must not tell of it.

    Only of a job that stands in the sweeper's list: the time of one that was told of, or deleted, means something else.
    And one that was seen paused, in the epoch ``paused_in``, must rest still ★: it may be put off until its deadline.
    """
    values: Row = {"old": to_iso(old), "new": to_iso(new), "watch": watch_shard(job_id_of(key["sk"]))}
    condition = "check_at = :old AND watch = :watch"
    if paused_in is not None:
        condition += " AND status = :paused AND epoch = :epoch"
        values = {**values, "paused": JobStatus.PAUSED.value, "epoch": paused_in}
    return Change(key=key, condition=condition, sets=("check_at = :new",), values=values)


def dispatched(key: Key, *, epoch: int, round_: int, old: int, new: int, actor: str) -> Change:
    """The cursor moves only in its own round ★."""
    return _change(
        key,
        "epoch = :epoch AND round = :round AND cursor = :old",
        actor,
        ["cursor = :new"],
        epoch=epoch,
        round=round_,
        old=old,
        new=new,
    )


def handoff(key: Key, *, version: int, actor: str) -> Change:
    """A client-driven job becomes the queue's."""
    return _change(
        key,
        f"drive = :client AND version = :version AND {_NOT_FINAL}",
        actor,
        ["drive = :queue", "round = round + :one", "cursor = :zero"],
        client=Drive.CLIENT.value,
        queue=Drive.QUEUE.value,
        version=version,
    )
