"""What a user does in a project: the row that limits how many jobs they may begin.

The row's condition decides, so that however many creations race, no more than allowed go through, and as long as there
is room they do not get into each other's way: each only adds its start to the list. What no longer counts is taken out
of the list when it is full, before a creation is refused for that.

A row that is missing is one of a user who has never begun a job: whatever ends never fails for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from shared.jobs.rates import Caps, Load
from shared.store.expressions import Change
from shared.store.keys import load_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.dynamodb import DynamoTable

__all__ = ["LoadStore", "begin", "begin_again", "end", "load_from_row"]

_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# `active` would be the natural name; but the index of that name has it for a key of another type.
_ROOM: Final = "(attribute_not_exists(unfinished) OR unfinished < :active_jobs)"
_ONE_MORE: Final = "unfinished = if_not_exists(unfinished, :zero) + :one"


def _stamp(moment: datetime) -> int:
    """Milliseconds since 1970: half the size of a time as text, and a row of a thousand of them stays under 10 KB."""
    return (moment - _UNIX) // _MILLISECOND


def load_from_row(row: Mapping[str, Any] | None) -> Load:
    """The load that ``row`` holds; none where there is no row."""
    if row is None:
        return Load()
    return Load(row.get("unfinished", 0), tuple(_UNIX + start * _MILLISECOND for start in row.get("starts", ())))


def begin(user: str, project_id: str, caps: Caps, *, now: datetime) -> Change:
    """One job more, created now; refused where a cap is reached."""
    return Change(
        key=load_key(user, project_id),
        condition=f"{_ROOM} AND (attribute_not_exists(starts) OR size(starts) < :jobs_per_hour)",
        sets=(_ONE_MORE, "starts = list_append(if_not_exists(starts, :none), :starts)"),
        values={
            "zero": 0,
            "one": 1,
            "none": [],
            "starts": [_stamp(now)],
            "active_jobs": caps.active_jobs,
            "jobs_per_hour": caps.jobs_per_hour,
        },
    )


def begin_again(user: str, project_id: str, caps: Caps) -> Change:
    """One unfinished job more, which was created before; refused where that cap is reached."""
    return Change(
        key=load_key(user, project_id),
        condition=_ROOM,
        sets=(_ONE_MORE,),
        values={"zero": 0, "one": 1, "active_jobs": caps.active_jobs},
    )


def end(user: str, project_id: str) -> Change:
    """One unfinished job less."""
    return Change(
        key=load_key(user, project_id),
        sets=("unfinished = if_not_exists(unfinished, :one) - :one",),
        values={"one": 1},
    )


@dataclass(frozen=True)
class LoadStore:
    """Reads loads, and takes out of them what no longer counts."""

    table: DynamoTable

    def read(self, user: str, project_id: str) -> Load:
        """The user's load in the project."""
        return load_from_row(self.table.get(load_key(user, project_id), consistent=True))

    def forget(self, user: str, project_id: str, load: Load, *, now: datetime) -> None:
        """Take the starts out of ``load`` that no longer count.

        Raises:
            RefusedError: another has changed it.
        """
        change = Change(
            key=load_key(user, project_id),
            condition="starts = :read",
            sets=("starts = :kept",),
            values={
                "read": [_stamp(start) for start in load.starts],
                "kept": [_stamp(start) for start in load.counting(now)],
            },
        )
        self.table.update("forget_starts", change)
