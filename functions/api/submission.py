"""Reading a new job: values merged, every bad field of every bad item found, duplicates told apart."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from functions.api.bodies import canonical
from functions.api.budgets import microusd
from functions.api.validating import bad_fields, invalid, pointer
from shared.contracts.requests import JobEnvelope, NewItemRequest, OptionsRequest
from shared.contracts.views import DuplicateView
from shared.errors import BadField
from shared.jobs.spec import JobOptions
from shared.jobs.statuses import OnDuplicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shared.contracts.limits import Limits
    from shared.generation.kind import Kind
    from shared.generation.pricing import PriceTable

__all__ = ["Entry", "Submission", "SubmissionReader", "folded"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item that was sent: where, under which name, and its input as the kind's model."""

    index: int
    custom_id: str | None
    input: BaseModel

    @property
    def values(self) -> dict[str, Any]:
        """The merged input as the item's row keeps it."""
        return self.input.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A new job in which nothing is wrong. ``entries`` are the items to create, in order."""

    name: str
    kind: Kind[Any, Any]
    model: str
    options: JobOptions
    entries: Sequence[Entry]
    duplicates: Sequence[DuplicateView]


@dataclass(frozen=True)
class SubmissionReader:
    """Checks new jobs against kinds, limits and prices."""

    limits: Limits
    kinds: Callable[[], Mapping[str, Kind[Any, Any]]]
    prices: PriceTable
    default_model: str

    def read(self, body: Mapping[str, Any]) -> Submission:
        """The job that ``body`` describes.

        Raises:
            RequestError: 422 with every bad field of every bad item.
        """
        errors: list[BadField] = []
        envelope = self._envelope(body, errors)
        name = body.get("kind")
        kinds = self.kinds()
        kind = kinds.get(name) if isinstance(name, str) else None
        if kind is None and isinstance(name, str):
            errors.append(BadField("/kind", f"unknown; known are {', '.join(kinds)}"))
        entries = _Items(self.limits, kind, _object(body.get("defaults")), errors).read(body)
        if envelope is None or kind is None:
            raise invalid(errors)
        options = _job_options(envelope.options)
        kept, duplicates = _deduplicated(entries, options.on_duplicate, errors)
        _require_unique_ids(kept, errors)
        if errors:
            raise invalid(errors)
        return Submission(
            name=envelope.name or f"{kind.title}, {len(kept)} {'item' if len(kept) == 1 else 'items'}",
            kind=kind,
            model=options.model or self.default_model,
            options=options,
            entries=kept,
            duplicates=duplicates,
        )

    def _envelope(self, body: Mapping[str, Any], errors: list[BadField]) -> JobEnvelope | None:
        try:
            envelope = JobEnvelope.model_validate({name: value for name, value in body.items() if name != "items"})
        except ValidationError as error:
            errors += bad_fields(error)
            return None
        if envelope.template_id is not None:
            errors.append(BadField("/template_id", "unknown template"))
        if envelope.options.concurrency > self.limits.concurrency_max:
            errors.append(BadField("/options/concurrency", f"at most {self.limits.concurrency_max}"))
        model = envelope.options.model
        if model is not None and not self.prices.known(model):
            known = ", ".join(self.prices.models)
            errors.append(BadField("/options/model", f"has no price, so no budget could be kept; known are {known}"))
        return envelope


def _object(value: object) -> dict[str, Any] | None:
    """``value`` if it is an object, nothing given being an empty one."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def _job_options(options: OptionsRequest) -> JobOptions:
    budget = options.budget_usd
    return JobOptions(
        concurrency=options.concurrency,
        drive=options.drive,
        on_error=options.on_error,
        on_duplicate=options.on_duplicate,
        max_attempts=options.max_attempts,
        item_timeout_seconds=options.item_timeout_seconds,
        deadline_minutes=options.deadline_minutes,
        min_interval_seconds=options.min_interval_seconds,
        budget_microusd=None if budget is None else microusd(budget),
        model=options.model,
    )


@dataclass(frozen=True)
class _Items:
    """Reads a body's items; what is wrong goes to ``errors``.

    Items are checked one by one and as far as they can be: a bad envelope, kind or default does not hide a bad item.
    """

    limits: Limits
    kind: Kind[Any, Any] | None
    defaults: dict[str, Any] | None
    errors: list[BadField]

    def read(self, body: Mapping[str, Any]) -> list[Entry]:
        """The items that are right."""
        items = body.get("items")
        least, most = self.limits.min_items_per_job, self.limits.max_items_per_job
        if not isinstance(items, list):
            told = "this field is required" if "items" not in body else "must be a list"
            self.errors.append(BadField("/items", told))
            return []
        if not least <= len(items) <= most:
            self.errors.append(BadField("/items", f"{len(items)} items; a job has {least} to {most}"))
            return []
        self._check_defaults()
        told_defaults = {bad.pointer for bad in self.errors}
        return [entry for index, item in enumerate(items) for entry in self._entry(index, item, told_defaults)]

    def _check_defaults(self) -> None:
        """A wrong default is told once, even where every item overrides it."""
        if self.kind is None or not self.defaults:
            return
        try:
            self.kind.validate({**self.kind.sample_input(), **self.defaults})
        except ValidationError as error:
            own = {pointer("defaults", name) for name in self.defaults}
            self.errors.extend(bad for bad in bad_fields(error, "defaults") if _first(bad.pointer, 2) in own)

    def _entry(self, index: int, item: object, told_defaults: set[str]) -> Iterator[Entry]:
        values = item.get("input") if isinstance(item, dict) else None
        fits = self._fits(index, values)
        request = self._request(index, item) if fits else None
        if self.kind is None or self.defaults is None or not isinstance(values, dict) or not fits:
            return
        try:
            merged = self.kind.validate({**self.defaults, **values})
        except ValidationError as error:
            for bad in bad_fields(error, "items", index, "input"):
                self._tell(bad, index, values, told_defaults)
            return
        if request is not None:
            yield Entry(index, request.custom_id, merged)

    def _fits(self, index: int, values: object) -> bool:
        if not isinstance(values, dict):
            return True
        size, most = len(canonical({**(self.defaults or {}), **values})), self.limits.bytes_per_item
        if size > most:
            told = f"its input has {size} bytes with the defaults; an item has at most {most}"
            self.errors.append(BadField(pointer("items", index), told))
        return size <= most

    def _request(self, index: int, item: object) -> NewItemRequest | None:
        try:
            return NewItemRequest.model_validate(item)
        except ValidationError as error:
            self.errors.extend(bad_fields(error, "items", index))
            return None

    def _tell(self, bad: BadField, index: int, values: dict[str, Any], told_defaults: set[str]) -> None:
        """A fault of a default is the default's, and told once; any other is the item's."""
        field = bad.pointer.removeprefix(pointer("items", index, "input"))
        inherited = {pointer(name) for name in self.defaults or {} if name not in values}
        if _first(field, 1) not in inherited:
            self.errors.append(bad)
        elif (default := pointer("defaults") + field) not in told_defaults:
            told_defaults.add(default)
            self.errors.append(BadField(default, bad.detail))


def _first(text: str, steps: int) -> str:
    """The pointer's first steps."""
    return "/".join(text.split("/")[: steps + 1])


def folded(value: Any) -> Any:  # noqa: ANN401  JSON
    """``value`` as duplicates are compared: texts trimmed, without case, in Unicode's compatibility form."""
    if isinstance(value, str):
        return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).strip()
    if isinstance(value, dict):
        return {name: folded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [folded(entry) for entry in value]
    return value


def _deduplicated(
    entries: Sequence[Entry], on_duplicate: OnDuplicate, errors: list[BadField]
) -> tuple[Sequence[Entry], Sequence[DuplicateView]]:
    if on_duplicate is OnDuplicate.ALLOW:
        return entries, ()
    first: dict[str, int] = {}
    kept: list[Entry] = []
    duplicates: list[DuplicateView] = []
    for entry in entries:
        original = first.setdefault(json.dumps(folded(entry.values), sort_keys=True), entry.index)
        if original == entry.index:
            kept.append(entry)
        else:
            duplicates.append(DuplicateView(index=entry.index, duplicate_of=original))
    if on_duplicate is OnDuplicate.REJECT:
        errors += [
            BadField(pointer("items", duplicate.index), f"repeats item {duplicate.duplicate_of} (counted from 0)")
            for duplicate in duplicates
        ]
    return kept, duplicates


def _require_unique_ids(entries: Sequence[Entry], errors: list[BadField]) -> None:
    """Only what is created counts: a line that was sent twice, id and all, is a duplicate and no fault."""
    first: dict[str, int] = {}
    for entry in entries:
        if entry.custom_id is None:
            continue
        other = first.setdefault(entry.custom_id, entry.index)
        if other != entry.index:
            told = f"is the custom_id of item {other} too (counted from 0)"
            errors.append(BadField(pointer("items", entry.index, "custom_id"), told))
