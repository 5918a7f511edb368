"""An item into a call to Claude: the kind makes the prompt, the client asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from shared.errors import ErrorCode, item_error
from shared.generation.kinds import KINDS
from shared.generation.misfits import misfit
from shared.jobs.items import idempotency_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.generation.answers import Generation
    from shared.generation.prompts import Prompt
    from shared.jobs.spec import JobSpec
    from shared.store.item_rows import ItemRow

__all__ = ["Claude", "Writer"]


class Claude(Protocol):
    """Whoever answers a prompt; :class:`shared.generation.client.ClaudeClient` does."""

    def generate(
        self,
        prompt: Prompt,
        *,
        model: str,
        idempotency_key: str,
        timeout_seconds: float,
        cancelled: Callable[[], bool],
    ) -> Generation:
        """One call, or an :class:`~shared.errors.ItemError`; CallCancelledError when ``cancelled`` said so."""
        ...


@dataclass(frozen=True)
class Writer:
    """Writes items."""

    claude: Claude

    def write(
        self,
        spec: JobSpec,
        item: ItemRow,
        *,
        generation: int,
        timeout_seconds: float,
        cancelled: Callable[[], bool],
    ) -> Generation:
        """Ask Claude for ``item``.

        Raises:
            ItemError: whatever went wrong; an input that the kind no longer takes is ``invalid_request``.
            CallCancelledError: ``cancelled``, asked again and again, said that nobody wants the text any more.
        """
        kind = KINDS.get(spec.kind)
        if kind is None:
            raise item_error(ErrorCode.INVALID_REQUEST, f"this version knows no kind {spec.kind!r}")
        try:
            item_input = kind.validate(item.input)
        except ValidationError as error:
            told = f"the stored input does not fit {spec.kind}: {misfit(error, kind.input_model)}"
            raise item_error(ErrorCode.INVALID_REQUEST, told) from None
        return self.claude.generate(
            kind.prompt(item_input),
            model=spec.model,
            idempotency_key=idempotency_key(spec.job_id, generation, item.position),
            timeout_seconds=timeout_seconds,
            cancelled=cancelled,
        )
