"""What a client's Idempotency-Key was used for: one row, written with what the key made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.clock import from_iso, to_iso
from shared.store.expressions import Change, Insert
from shared.store.keys import idempotency_key

if TYPE_CHECKING:
    from datetime import datetime

    from shared.store.dynamodb import DynamoTable

__all__ = ["IdempotencyRecord", "find_record", "forget_answer", "record_insert"]


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What an Idempotency-Key was used for.

    ``fingerprint`` tells one body from another; ``made`` is the job or the template that came of it; ``answer`` is the
    first answer's body, to be replayed, and empty where what was made has been deleted since.
    """

    key: str
    fingerprint: str
    made: str
    answer: bytes
    expires_at: datetime


def record_insert(project_id: str, record: IdempotencyRecord, *, now: datetime) -> Insert:
    """The record's part of the transaction that makes what it tells of; a record whose time is over is replaced."""
    row = {
        **idempotency_key(project_id, record.key),
        "fingerprint": record.fingerprint,
        "made": record.made,
        "answer": record.answer,
        "expires_at": to_iso(record.expires_at),
        "expires": int(record.expires_at.timestamp()),
    }
    # Time to live deletes late, so the condition compares the time itself.
    return Insert(row, "attribute_not_exists(pk) OR expires_at <= :now", {"now": to_iso(now)})


def find_record(table: DynamoTable, project_id: str, key: str, *, now: datetime) -> IdempotencyRecord | None:
    """What ``key`` was used for, if it was and still counts."""
    row = table.get(idempotency_key(project_id, key), consistent=True)
    if row is None or row["expires_at"] <= to_iso(now):
        return None
    return IdempotencyRecord(
        key=key,
        fingerprint=row["fingerprint"],
        made=row["made"],
        answer=row.get("answer", b""),
        expires_at=from_iso(row["expires_at"]),
    )


def forget_answer(table: DynamoTable, project_id: str, key: str | None, *, made: str) -> list[Change]:
    """What takes the answer out of the record under ``key``, as long as that tells of ``made``.

    The record itself stays until its time is over: a request that comes late must not make again what was deleted.
    """
    if key is None:
        return []
    row = table.get(idempotency_key(project_id, key), consistent=True)
    if row is None or row["made"] != made or "answer" not in row:
        return []
    return [Change(idempotency_key(project_id, key), "made = :made", removes=("answer",), values={"made": made})]
