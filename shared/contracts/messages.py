"""What travels through the queue, and what process-next tells the processor.

A message says "advance this lane" and carries no truth: a lost, late, repeated or stale one does no harm. How long a
lease to take and what to reserve ride along so that a claim needs no read before it; a wrong figure is refused by
the claim's condition or harms nobody but the claimer.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LaneMessage", "LaterMessageError", "MalformedMessageError"]


class MalformedMessageError(ValueError):
    """A message that no version of Pressroom wrote."""


class LaterMessageError(MalformedMessageError):
    """A message that says more than this version understands: a later one wrote it, and may be what handles it next."""


@dataclass(frozen=True, slots=True)
class LaneMessage:
    """Advance ``lane`` of ``job`` by one item, in ``epoch``.

    Attributes:
        project: the project's id.
        job: the job's id.
        lane: the lane's number.
        epoch: messages of an earlier epoch than the ledger's are void.
        timeout_seconds: the job's time limit of an item.
        est: what a claim reserves, micro-dollars; None for a job without a budget.
        next: only if the lane stands at this index (process-next asks for that).
    """

    project: str
    job: str
    lane: int
    epoch: int
    timeout_seconds: int
    est: int | None = None
    next: int | None = None

    def to_dict(self) -> dict[str, str | int]:
        """Without what is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def to_json(self) -> str:
        """The message's body."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`.

        Raises:
            MalformedMessageError: a member is missing or of another type.
            LaterMessageError: there are further members.
        """
        texts, numbers = {"project", "job"}, {"lane", "epoch", "timeout_seconds", "est", "next"}
        wrong = [
            name
            for name, value in body.items()
            if (name in texts and not isinstance(value, str))
            or (name in numbers and (not isinstance(value, int) or isinstance(value, bool)))
        ]
        missing = {"project", "job", "lane", "epoch", "timeout_seconds"} - body.keys()
        if wrong or missing:
            raise MalformedMessageError(f"missing: {sorted(missing)}, wrong: {sorted(wrong)}")
        if further := body.keys() - texts - numbers:
            raise LaterMessageError(f"further members: {sorted(further)}")
        return cls(**body)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of :meth:`to_json`.

        Raises:
            MalformedMessageError: the text is no such message.
            LaterMessageError: it is one of a later version.
        """
        try:
            body = json.loads(text)
        except ValueError as error:
            raise MalformedMessageError(str(error)) from error
        if not isinstance(body, dict):
            raise MalformedMessageError("no JSON object")
        return cls.from_dict(body)
