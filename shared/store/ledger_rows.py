"""The ledger as a row, both ways. What is empty or zero by nature is left out: every write pays for every byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.clock import from_iso, to_iso
from shared.errors import CorruptRowError, ErrorCode, LaterFormatError
from shared.jobs.ids import ulid_of
from shared.jobs.ledger import Attempt, Lane, Lease, Ledger
from shared.jobs.statuses import CancelReason, Drive, JobStatus, PauseReason
from shared.store.keys import ended_shard, job_id_of, ledger_key, project_id_of, watch_shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.attributes import Row

__all__ = ["FORMAT", "attempt_map", "lane_map", "lease_map", "ledger_from_row", "ledger_row"]

FORMAT: Final = 1
"""The version of the format of all rows of a job; its ledger carries it, and is neither read nor written by a version
that knows earlier ones only. It is raised when an earlier version would misread what is written, not for an attribute
that may be absent."""
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else to_iso(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_iso(text)


def _present(row: Mapping[str, Any]) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def attempt_map(attempt: Attempt) -> Row:
    """A counted try on its lane; its time in milliseconds since 1970, or 32 full lanes would pass 12 KB."""
    return {"code": attempt.code.value, "at": (attempt.at - _UNIX) // _MILLISECOND}


def lease_map(lease: Lease) -> Row:
    """A lease on its lane."""
    row: Row = {"token": lease.token, "epoch": lease.epoch, "expires_at": to_iso(lease.expires_at)}
    if lease.est_microusd:
        row["est"] = lease.est_microusd
    return row


def lane_map(lane: Lane) -> Row:
    """A lane of the ledger."""
    return _present(
        {
            "next": lane.next,
            "end": lane.end,
            "attempts": [attempt_map(attempt) for attempt in lane.attempts] or None,
            "not_before": _iso(lane.not_before),
            "redrives": lane.redrives or None,
            "lease": None if lane.lease is None else lease_map(lane.lease),
        }
    )


def _lane(row: Mapping[str, Any]) -> Lane:
    lease = row.get("lease")
    return Lane(
        next=row["next"],
        end=row["end"],
        attempts=tuple(
            Attempt(ErrorCode(attempt["code"]), _UNIX + attempt["at"] * _MILLISECOND)
            for attempt in row.get("attempts", ())
        ),
        not_before=_moment(row.get("not_before")),
        redrives=row.get("redrives", 0),
        lease=None
        if lease is None
        else Lease(lease["token"], lease["epoch"], from_iso(lease["expires_at"]), lease.get("est", 0)),
    )


def ledger_row(ledger: Ledger) -> Row:
    """The whole row of ``ledger``, with its places in the indexes.

    An unfinished job stands in ``active``. In ``watch`` a job stands by its next look until its end has been notified,
    and from then on, in partitions of their own, by its end.
    """
    watched = ledger.notified_generation < ledger.generation
    shown = not ledger.final and ledger.status is not JobStatus.INTAKE
    unsettled = 0 if ledger.generation > 1 else None  # a retry writes both, a zero too
    return _present(
        {
            **ledger_key(ledger.project_id, ledger.job_id),
            "format": FORMAT,
            "name": ledger.name,
            "kind": ledger.kind,
            "drive": ledger.drive.value,
            "status": ledger.status.value,
            "generation": ledger.generation,
            "epoch": ledger.epoch,
            "round": ledger.round,
            "cursor": ledger.cursor,
            "total": ledger.total,
            "queued": ledger.queued,
            "held": ledger.held,
            "open": ledger.open,
            "completed": ledger.completed,
            "failed": ledger.failed,
            "errors": {code.value: n for code, n in ledger.errors.items()},
            "firsts": {code.value: position for code, position in ledger.firsts.items()},
            "est": ledger.est_microusd or None,
            "headroom": ledger.headroom_microusd,
            "raised": ledger.raised_microusd or None,
            "halted": ledger.halted or None,
            "lanes": {str(index): lane_map(lane) for index, lane in enumerate(ledger.lanes)},
            "usage_period": ledger.usage_period or None,
            "booked_by": ledger.booked_by or None,
            "booked": ledger.booked_microusd or None,
            "settled_items": ledger.settled_items or unsettled,
            "settled_cost": ledger.settled_microusd or unsettled,
            "notified_generation": ledger.notified_generation,
            "version": ledger.version,
            "actor": ledger.actor,
            "input_tokens": ledger.input_tokens,
            "output_tokens": ledger.output_tokens,
            "cost": ledger.cost_microusd,
            "created_at": to_iso(ledger.created_at),
            "started_at": _iso(ledger.started_at),
            "retried_at": _iso(ledger.retried_at),
            "last_activity_at": _iso(ledger.last_activity_at),
            "completed_at": _iso(ledger.completed_at),
            "deadline_at": _iso(ledger.deadline_at),
            "check_at": _iso(ledger.check_at if watched else ledger.completed_at),
            "pause_reason": ledger.pause_reason,
            "cancel_reason": ledger.cancel_reason,
            "intake_token": ledger.intake_token,
            "intake_key": ledger.intake_key,
            "active": ulid_of(ledger.project_id) if shown else None,
            "watch": watch_shard(ledger.job_id) if watched else ended_shard(ledger.job_id),
        }
    )


def ledger_from_row(row: Mapping[str, Any]) -> Ledger:
    """The ledger that ``row`` holds.

    Raises:
        CorruptRowError: the row is no ledger.
        LaterFormatError: it is of a later format.
    """
    if row.get("format", 0) > FORMAT:
        raise LaterFormatError(f"the ledger {row.get('sk')} is of format {row['format']}, this version reads {FORMAT}")
    try:
        return _ledger(row)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CorruptRowError(f"the row {row.get('pk')} {row.get('sk')} is no ledger: {error!r}") from error


def _ledger(row: Mapping[str, Any]) -> Ledger:
    pause_reason, cancel_reason = row.get("pause_reason"), row.get("cancel_reason")
    return Ledger(
        project_id=project_id_of(row["pk"]),
        job_id=job_id_of(row["sk"]),
        name=row["name"],
        kind=row["kind"],
        drive=Drive(row["drive"]),
        total=row["total"],
        lanes=tuple(_lane(row["lanes"][str(index)]) for index in range(len(row["lanes"]))),
        created_at=from_iso(row["created_at"]),
        status=JobStatus(row["status"]),
        generation=row["generation"],
        epoch=row["epoch"],
        queued=row["queued"],
        held=row["held"],
        open=row["open"],
        completed=row["completed"],
        failed=row["failed"],
        errors=MappingProxyType({ErrorCode(code): n for code, n in row["errors"].items()}),
        firsts=MappingProxyType({ErrorCode(code): position for code, position in row["firsts"].items()}),
        est_microusd=row.get("est", 0),
        headroom_microusd=row.get("headroom"),
        raised_microusd=row.get("raised", 0),
        halted=row.get("halted", False),
        round=row["round"],
        cursor=row["cursor"],
        usage_period=row.get("usage_period", ""),
        booked_by=row.get("booked_by", ""),
        booked_microusd=row.get("booked", 0),
        settled_items=row.get("settled_items", 0),
        settled_microusd=row.get("settled_cost", 0),
        notified_generation=row["notified_generation"],
        version=row["version"],
        actor=row["actor"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_microusd=row["cost"],
        started_at=_moment(row.get("started_at")),
        retried_at=_moment(row.get("retried_at")),
        last_activity_at=_moment(row.get("last_activity_at")),
        completed_at=_moment(row.get("completed_at")),
        deadline_at=_moment(row.get("deadline_at")),
        check_at=_moment(row.get("check_at")) if row["notified_generation"] < row["generation"] else None,
        pause_reason=None if pause_reason is None else PauseReason(pause_reason),
        cancel_reason=None if cancel_reason is None else CancelReason(cancel_reason),
        intake_token=row.get("intake_token"),
        intake_key=row.get("intake_key"),
    )
