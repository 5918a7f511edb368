"""Reading a new job: values merged, every bad field of every bad item found, duplicates told apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from functions.api.auto_template import best_fitting
from functions.api.bodies import canonical
from functions.api.budgets import microusd
from functions.api.folding import folded
from functions.api.validating import bad_fields, invalid, pointer
from shared.contracts.requests import JobEnvelope, NewItemRequest, OptionsRequest
from shared.contracts.views import DuplicateView
from shared.errors import BadField
from shared.jobs.ids import TEMPLATE, is_id
from shared.jobs.spec import JobOptions
from shared.jobs.statuses import OnDuplicate
from shared.store.presets import Presets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from shared.contracts.limits import Limits
    from shared.generation.kind import Kind
    from shared.generation.pricing import PriceTable
    from shared.store.presets import PresetStore
    from shared.store.templates import Template

__all__ = ["Entry", "Submission", "SubmissionReader"]


_AUTO: Final = "auto"


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
    """A new job in which nothing is wrong. ``entries`` are the items to create, in order, ``presets`` merged in."""

    name: str
    kind: Kind[Any, Any]
    model: str
    options: JobOptions
    presets: Presets
    entries: Sequence[Entry]
    duplicates: Sequence[DuplicateView]


@dataclass(frozen=True)
class SubmissionReader:
    """Checks new jobs against kinds, limits and prices; merges what their template and the project's voice say."""

    limits: Limits
    kinds: Callable[[], Mapping[str, Kind[Any, Any]]]
    prices: PriceTable
    default_model: str
    presets: PresetStore

    def read(self, project_id: str, body: Mapping[str, Any]) -> Submission:
        """The job that ``body`` describes, with the template and the voice as they stand now.

        Raises:
            RequestError: 422 with every bad field of every bad item.
        """
        return self._read(body, lambda kind, errors: self._current(project_id, kind, body, errors))

    def read_again(self, body: Mapping[str, Any], presets: Presets) -> Submission:
        """The job that ``body`` described when it was begun with ``presets``.

        Raises:
            RequestError: 422 with every bad field of every bad item.
        """
        return self._read(body, lambda _, __: presets)

    def _read(
        self, body: Mapping[str, Any], presets_for: Callable[[Kind[Any, Any], list[BadField]], Presets]
    ) -> Submission:
        errors: list[BadField] = []
        envelope = self._envelope(body, errors)
        name = body.get("kind")
        kinds = self.kinds()
        kind = kinds.get(name) if isinstance(name, str) else None
        if kind is None and isinstance(name, str):
            errors.append(BadField("/kind", f"unknown; known are {', '.join(kinds)}"))
        presets = Presets() if kind is None else presets_for(kind, errors)
        entries = _Items(self.limits, kind, presets, _object(body.get("defaults")), errors).read(body)
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
            presets=presets,
            entries=kept,
            duplicates=duplicates,
        )

    def _envelope(self, body: Mapping[str, Any], errors: list[BadField]) -> JobEnvelope | None:
        try:
            envelope = JobEnvelope.model_validate({name: value for name, value in body.items() if name != "items"})
        except ValidationError as error:
            errors += bad_fields(error)
            return None
        if envelope.options.concurrency > self.limits.concurrency_max:
            errors.append(BadField("/options/concurrency", f"at most {self.limits.concurrency_max}"))
        model = envelope.options.model
        if model is not None and not self.prices.known(model):
            known = ", ".join(self.prices.models)
            errors.append(BadField("/options/model", f"is not offered, or has no price; offered are {known}"))
        return envelope

    def _current(
        self, project_id: str, kind: Kind[Any, Any], body: Mapping[str, Any], errors: list[BadField]
    ) -> Presets:
        """The voice, and the template that the body names or ``auto`` means."""
        wanted = body.get("template_id")
        by_id = wanted if isinstance(wanted, str) and is_id(TEMPLATE, wanted) else None
        presets = self.presets.current(project_id, by_id)
        if wanted is None or not isinstance(wanted, str):
            return presets
        if wanted == _AUTO:
            items = body.get("items")
            inputs = [item.get("input") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
            template = best_fitting(
                self.presets.of_kind(project_id, kind.name),
                [values for values in inputs if isinstance(values, dict)],
                _object(body.get("defaults")) or {},
            )
            fault = None if template is not None else f"the project has no template of the kind {kind.name}"
        else:
            template = presets.template
            fault = _unusable(template, kind)
        if template is None or fault is not None:
            errors.append(BadField("/template_id", fault or "unknown template"))
            return Presets(voice=presets.voice)
        return presets.with_template(template)


def _unusable(template: Template | None, kind: Kind[Any, Any]) -> str | None:
    """Why a job of ``kind`` cannot be created with ``template``."""
    if template is None:
        return "unknown template"
    if template.deleted_at is not None:
        return "the template is deleted; restoring it makes it usable again"
    if template.kind != kind.name:
        return f"the template is of the kind {template.kind}"
    return None


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
    presets: Presets
    defaults: dict[str, Any] | None
    errors: list[BadField]

    @cached_property
    def inherited(self) -> dict[str, Any]:
        """What every item has from template and voice unless it, or a default, says otherwise."""
        return {} if self.kind is None else self.presets.values(self.kind.fields)

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
        known = {bad.pointer for bad in self.errors}
        return [entry for index, item in enumerate(items) for entry in self._entry(index, item, known)]

    def _check_defaults(self) -> None:
        """A wrong default is told once, even where every item overrides it."""
        if self.kind is None or not self.defaults:
            return
        try:
            self.kind.validate({**self.kind.sample_input(), **self.defaults})
        except ValidationError as error:
            own = (bad for bad in bad_fields(error) if _name(bad.pointer) in self.defaults)
            self.errors.extend(BadField(pointer("defaults") + bad.pointer, bad.detail) for bad in own)

    def _entry(self, index: int, item: object, told: set[str]) -> Iterator[Entry]:
        values = item.get("input") if isinstance(item, dict) else None
        fits = self._fits(index, values)
        request = self._request(index, item) if fits else None
        if self.kind is None or self.defaults is None or not isinstance(values, dict) or not fits:
            return
        try:
            merged = self.kind.validate({**self.inherited, **self.defaults, **values})
        except ValidationError as error:
            for bad in bad_fields(error, "items", index, "input"):
                self._tell(bad, index, values, told)
            return
        if request is not None:
            yield Entry(index, request.custom_id, merged)

    def _fits(self, index: int, values: object) -> bool:
        if not isinstance(values, dict):
            return True
        size = len(canonical({**self.inherited, **(self.defaults or {}), **values}))
        most = self.limits.bytes_per_item
        if size > most:
            told = f"its input has {size} bytes with what it inherits; an item has at most {most}"
            self.errors.append(BadField(pointer("items", index), told))
        return size <= most

    def _request(self, index: int, item: object) -> NewItemRequest | None:
        try:
            return NewItemRequest.model_validate(item)
        except ValidationError as error:
            self.errors.extend(bad_fields(error, "items", index))
            return None

    def _tell(self, bad: BadField, index: int, values: dict[str, Any], told: set[str]) -> None:
        """A fault of a default, a template or the voice is theirs, and told once; any other is the item's."""
        field = bad.pointer.removeprefix(pointer("items", index, "input"))
        # By name: an item can be made to have thousands of faults, and to read all its fields for each takes minutes.
        name = _name(field)
        if name in values:
            self.errors.append(bad)
        elif name in (self.defaults or {}):
            default = pointer("defaults") + field
            self._tell_once(BadField(default, bad.detail), default, told)
        elif name in self.inherited:
            self._tell_once(self._of_preset(field, bad.detail), field, told)
        else:
            self.errors.append(bad)

    def _tell_once(self, bad: BadField, known_as: str, told: set[str]) -> None:
        if known_as not in told:
            told.add(known_as)
            self.errors.append(bad)

    def _of_preset(self, field: str, detail: str) -> BadField:
        """A value that was right when it was stored, and that the kind takes no longer."""
        template = self.presets.template
        if template is not None and _name(field) in template.values:
            return BadField("/template_id", f"the template's {field.removeprefix('/')}: {detail}")
        return BadField("", f"the project's brand voice, {field.removeprefix('/')}: {detail}")


def _name(text: str) -> str:
    """The name of the field that the pointer begins with; empty where it points to the whole."""
    return text.split("/", 2)[1].replace("~1", "/").replace("~0", "~") if text else ""


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
