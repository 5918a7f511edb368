"""An item as a row: the input, written once at creation; the outcome, written once a generation."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.clock import from_iso, to_iso
from shared.errors import CLASS_OF, ErrorCode, is_retryable
from shared.jobs.items import Failure, Outcome, PastAttempt
from shared.jobs.statuses import ItemStatus
from shared.store.expressions import Change
from shared.store.keys import item_key, position_of_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.store.attributes import Row

__all__ = ["ItemRow", "NewItem", "attempts_change", "item_from_row", "new_item_row", "outcome_change"]

_COMPRESS_FROM: Final = 512
"""Shorter outputs stay readable in the console; longer ones cost write units, so they are compressed."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item as it is created: the merged input, checked by its kind."""

    position: int
    input: Mapping[str, Any]
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as its row tells it. What it *is* also needs the ledger."""

    position: int
    input: Mapping[str, Any]
    custom_id: str | None = None
    outcome: Outcome | None = None
    attempts: tuple[PastAttempt, ...] = ()
    """Every counted try that was recorded so far, of all generations."""


def new_item_row(job_id: str, item: NewItem) -> Row:
    """The row of a new item. The input is JSON text: floats and nulls of a later kind need no table of types."""
    row: Row = {**item_key(job_id, item.position), "input": _json(item.input)}
    if item.custom_id is not None:
        row["custom_id"] = item.custom_id
    return row


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _failure_map(failure: Failure) -> Row:
    row: Row = {"code": failure.code.value, "message": failure.message}
    if failure.http_status is not None:
        row["http_status"] = failure.http_status
    if failure.claude_request_id is not None:
        row["claude_request_id"] = failure.claude_request_id
    if failure.trace_id is not None:
        row["trace_id"] = failure.trace_id
    return row


def _failure(row: Mapping[str, Any]) -> Failure:
    code = ErrorCode(row["code"])
    return Failure(
        code=code,
        error_class=CLASS_OF[code],
        retryable=is_retryable(code),
        message=row["message"],
        http_status=row.get("http_status"),
        claude_request_id=row.get("claude_request_id"),
        trace_id=row.get("trace_id"),
    )


def _attempt_map(attempt: PastAttempt) -> Row:
    row: Row = {"number": attempt.number, "generation": attempt.generation, "outcome": attempt.outcome}
    if attempt.started_at is not None:
        row["started_at"] = to_iso(attempt.started_at)
    if attempt.ended_at is not None:
        row["ended_at"] = to_iso(attempt.ended_at)
    if attempt.error is not None:
        row["error"] = _failure_map(attempt.error)
    if attempt.possible_duplicate_spend:
        row["possible_duplicate_spend"] = True
    return row


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_iso(text)


def _attempt(row: Mapping[str, Any]) -> PastAttempt:
    return PastAttempt(
        number=row["number"],
        generation=row["generation"],
        started_at=_moment(row.get("started_at")),
        ended_at=_moment(row.get("ended_at")),
        outcome=row["outcome"],
        error=_failure(row["error"]) if "error" in row else None,
        possible_duplicate_spend=row.get("possible_duplicate_spend", False),
    )


def _pack(output: str) -> str | bytes:
    raw = output.encode()
    return output if len(raw) < _COMPRESS_FROM else zlib.compress(raw, 9)


def _unpack(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else zlib.decompress(stored).decode()


def attempts_change(job_id: str, position: int, attempts: tuple[PastAttempt, ...]) -> Change:
    """The item's half of a put-back: the tries so far, the newest with its whole error."""
    return Change(
        key=item_key(job_id, position),
        sets=("attempts = :attempts",),
        values={"attempts": [_attempt_map(attempt) for attempt in attempts]},
    )


def outcome_change(job_id: str, outcome: Outcome) -> Change:
    """The item's half of a settle. It has no condition: the ledger's half is fenced by the lease's token."""
    values: Row = {
        "status": outcome.status.value,
        "generation": outcome.generation,
        "token": outcome.token,
        "started_at": to_iso(outcome.started_at),
        "completed_at": to_iso(outcome.completed_at),
        "attempts": [_attempt_map(attempt) for attempt in outcome.attempts],
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "cost": outcome.cost_microusd,
    }
    optional: Row = {
        "output": None if outcome.output is None else _pack(outcome.output),
        "error": None if outcome.error is None else _failure_map(outcome.error),
        "model": outcome.model,
    }
    values |= {name: value for name, value in optional.items() if value is not None}
    return Change(
        key=item_key(job_id, outcome.position),
        sets=tuple(f"{name} = :{name}" for name in values),
        removes=tuple(name for name, value in optional.items() if value is None),
        values=values,
    )


def item_from_row(row: Mapping[str, Any]) -> ItemRow:
    """The item that ``row`` holds; ``row`` may lack what a reader did not ask for, such as the output."""
    position = position_of_key(row["sk"])
    attempts = tuple(_attempt(attempt) for attempt in row.get("attempts", ()))
    return ItemRow(
        position=position,
        input=json.loads(row["input"]),
        custom_id=row.get("custom_id"),
        outcome=_outcome(row, position, attempts) if "status" in row else None,
        attempts=attempts,
    )


def _outcome(row: Mapping[str, Any], position: int, attempts: tuple[PastAttempt, ...]) -> Outcome:
    return Outcome(
        position=position,
        generation=row["generation"],
        status=ItemStatus(row["status"]),
        token=row["token"],
        started_at=from_iso(row["started_at"]),
        completed_at=from_iso(row["completed_at"]),
        output=_unpack(row["output"]) if "output" in row else None,
        error=_failure(row["error"]) if "error" in row else None,
        attempts=attempts,
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_microusd=row["cost"],
        model=row.get("model"),
    )
