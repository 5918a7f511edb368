"""Templates: the row of a template as it stands now, and one row a version, which is never written again.

A template that is deleted keeps its rows: jobs that were created with it go on, and it can be restored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from shared.clock import from_iso, to_iso
from shared.errors import LimitReachedError, NoProjectError, PreconditionError
from shared.store.dynamodb import RefusedError
from shared.store.expressions import Change, Check, Insert
from shared.store.idempotency import IdempotencyRecord, find_record, record_insert
from shared.store.keys import (
    TEMPLATE_PREFIX,
    project_key,
    project_partition,
    template_id_of,
    template_key,
    template_version_key,
    template_version_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from shared.store.attributes import Row
    from shared.store.dynamodb import DynamoTable
    from shared.store.keys import Key

__all__ = ["Template", "TemplateStore", "still_there", "template_from_row"]

_PAGE: Final = 100
_STANDS: Final = "version = :version"
_LIVES: Final = f"{_STANDS} AND attribute_not_exists(deleted_at)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template at one of its versions; ``values`` are inputs of its kind."""

    template_id: str
    version: int
    name: str
    kind: str
    values: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None

    def says(self, other: Template) -> bool:
        """Whether both say the same, whatever their versions."""
        return (self.name, self.kind, dict(self.values)) == (other.name, other.kind, dict(other.values))


def still_there(project_id: str) -> Check:
    """The condition that the project is there, and not being deleted, at the moment of a transaction."""
    return Check(project_key(project_id), "attribute_exists(owners)")


@dataclass(frozen=True)
class TemplateStore:
    """The templates of all projects."""

    table: DynamoTable

    def create(
        self,
        project_id: str,
        template: Template,
        *,
        most: int,
        record: IdempotencyRecord | None = None,
        now: datetime,
    ) -> IdempotencyRecord | None:
        """Write the first version of ``template``, or say what the record's key was used for before.

        Raises:
            LimitReachedError: the project has ``most`` templates, deleted ones included.
            NoProjectError: the project is gone.
        """
        counted = Change(
            project_key(project_id),
            "attribute_exists(owners) AND (attribute_not_exists(templates) OR templates < :most)",
            ("templates = if_not_exists(templates, :zero) + :one",),
            values={"most": most, "zero": 0, "one": 1},
        )
        head = _head_row(project_id, template)
        if record is not None:
            head["key"] = record.key  # the project's deletion finds the record by it
        members: list[Change | Insert] = [counted, Insert(head), _version(project_id, template)]
        if record is not None:
            members.append(record_insert(project_id, record, now=now))
        try:
            self.table.transact("create_template", members)
        except RefusedError as refused:
            known = None if record is None else find_record(self.table, project_id, record.key, now=now)
            if known is not None:
                return known
            if 0 not in refused.failed:
                raise
            if refused.rows[0] is not None and "owners" in refused.rows[0]:
                raise LimitReachedError("create_template", f"a project has at most {most} templates") from refused
            raise NoProjectError("create_template", "there is no such project") from refused
        return None

    def read(self, project_id: str, template_id: str) -> Template | None:
        """The template as it stands now, deleted or not."""
        row = self.table.get(template_key(project_id, template_id), consistent=True)
        return None if row is None else template_from_row(row, template_id)

    def read_version(self, project_id: str, template_id: str, version: int) -> Template | None:
        """One version, as it was written."""
        row = self.table.get(template_version_key(project_id, template_id, version), consistent=True)
        return None if row is None else template_from_row(row, template_id)

    def versions(self, project_id: str, template_id: str, *, before: int | None, limit: int) -> list[Template]:
        """The versions, the newest first, those before the number ``before``, at most ``limit``."""
        rows = self.table.query(
            project_partition(project_id),
            prefix=template_version_prefix(template_id),
            start=None if before is None else template_version_key(project_id, template_id, before),
            limit=limit,
            newest_first=True,
            consistent=True,
        )
        return [template_from_row(row, template_id) for row in islice(rows, limit)]

    def page(self, project_id: str, *, after: str | None, limit: int, deleted: bool) -> list[Template]:
        """The templates in the order of their creation, behind the one called ``after``, at most ``limit``."""
        start = None if after is None else template_key(project_id, after)
        found = (each for each in self._all(project_id, start=start) if deleted or each.deleted_at is None)
        return list(islice(found, limit))

    def of_kind(self, project_id: str, kind: str) -> list[Template]:
        """Every template of ``kind`` that is not deleted."""
        return [each for each in self._all(project_id, where=("kind", kind)) if each.deleted_at is None]

    def _all(
        self, project_id: str, *, start: Key | None = None, where: tuple[str, str] | None = None
    ) -> Iterator[Template]:
        rows = self.table.query(
            project_partition(project_id),
            prefix=TEMPLATE_PREFIX,
            start=start,
            limit=_PAGE,
            consistent=True,
            where=where,
        )
        return (template_from_row(row, template_id_of(row["sk"])) for row in rows)

    def update(self, project_id: str, old: Template, new: Template) -> Template:
        """Write the version after ``old``, saying what ``new`` says.

        Raises:
            PreconditionError: ``old`` is not how the template stands.
            NoProjectError: the project is gone.
        """
        made = replace(new, template_id=old.template_id, version=old.version + 1, created_at=old.created_at)
        change = Change(
            template_key(project_id, old.template_id),
            _LIVES,
            ("version = :new", "name = :name", "values = :values", "updated_at = :updated"),
            values={
                "version": old.version,
                "new": made.version,
                "name": made.name,
                "values": dict(made.values),
                "updated": to_iso(made.updated_at),
            },
        )
        try:
            self.table.transact("update_template", [still_there(project_id), change, _version(project_id, made)])
        except RefusedError as refused:
            if 0 in refused.failed:
                raise NoProjectError("update_template", "there is no such project") from refused
            raise PreconditionError("update_template", "the template has changed") from refused
        return made

    def delete(self, project_id: str, template: Template, *, now: datetime) -> Template:
        """Hide ``template`` from lists and new jobs; its rows stay.

        Raises:
            PreconditionError: ``template`` is not how it stands.
        """
        return self._mark(project_id, template, _LIVES, sets=("deleted_at = :now",), now=to_iso(now))

    def restore(self, project_id: str, template: Template) -> Template:
        """Undo the deletion.

        Raises:
            PreconditionError: ``template`` is not how it stands.
        """
        condition = f"{_STANDS} AND attribute_exists(deleted_at)"
        return self._mark(project_id, template, condition, removes=("deleted_at",))

    def _mark(
        self,
        project_id: str,
        template: Template,
        condition: str,
        *,
        sets: tuple[str, ...] = (),
        removes: tuple[str, ...] = (),
        **values: str,
    ) -> Template:
        change = Change(
            template_key(project_id, template.template_id),
            condition,
            sets,
            removes,
            values={"version": template.version, **values},
        )
        try:
            row = self.table.update("mark_template", change)
        except RefusedError as refused:
            # A row that stands as this write leaves it: an earlier try's answer was lost, or another wanted the same.
            marked = refused.row
            if marked is None or marked["version"] != template.version or ("deleted_at" in marked) != bool(sets):
                raise PreconditionError("mark_template", "the template has changed") from refused
            row = marked
        return template_from_row(row, template.template_id)


def _body(template: Template) -> Row:
    return {
        "version": template.version,
        "name": template.name,
        "kind": template.kind,
        "values": dict(template.values),
        "created_at": to_iso(template.created_at),
        "updated_at": to_iso(template.updated_at),
    }


def _head_row(project_id: str, template: Template) -> Row:
    return {**template_key(project_id, template.template_id), **_body(template)}


def _version(project_id: str, template: Template) -> Insert:
    return Insert({**template_version_key(project_id, template.template_id, template.version), **_body(template)})


def template_from_row(row: Row, template_id: str) -> Template:
    """The template that ``row``, of the template or of one of its versions, holds."""
    deleted_at = row.get("deleted_at")
    return Template(
        template_id=template_id,
        version=row["version"],
        name=row["name"],
        kind=row["kind"],
        values=MappingProxyType(row["values"]),
        created_at=from_iso(row["created_at"]),
        updated_at=from_iso(row["updated_at"]),
        deleted_at=None if deleted_at is None else from_iso(deleted_at),
    )
