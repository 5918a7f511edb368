"""The client's methods for templates and the brand voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pressroom.client.calls import Calls, project_path
from pressroom.client.decoding import decode
from pressroom.client.http import Call, compact, parsed
from pressroom.client.records import Template, Voice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx2

__all__ = ["TemplateCalls"]


class TemplateCalls(Calls):
    """What stands behind a job's items. A change names what it knows, and is refused if that has changed."""

    def create_template(
        self, project: str, name: str, kind: str, values: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Template:
        """A new template; ``values`` are inputs of its kind."""
        body = {"name": name, "kind": kind, "values": dict(values)}
        call = self._creation(f"{project_path(project)}/templates", body, idempotency_key)
        return decode(Template, self._http.json(call))

    def list_templates(self, project: str, *, deleted: bool = False) -> Iterator[Template]:
        """The project's templates in the order of their creation, page by page; on wish deleted ones too."""
        return self._records(Template, f"{project_path(project)}/templates", {"deleted": "true"} if deleted else None)

    def get_template(self, project: str, template: str, *, version: int | None = None) -> Template:
        """One template as it stands, or as it stood at one of its versions."""
        path = _template_path(project, template)
        return decode(Template, self._get(path if version is None else f"{path}/versions/{version}"))

    def template_versions(self, project: str, template: str) -> Iterator[Template]:
        """A template's versions, the newest first, page by page."""
        return self._records(Template, f"{_template_path(project, template)}/versions")

    def update_template(self, project: str, known: Template, *, name: str, values: Mapping[str, Any]) -> Template:
        """A new version of the template, if it still is what ``known`` shows.

        Raises:
            ConflictError: it has been changed or deleted since.
        """
        body = {"name": name, "kind": known.kind, "values": dict(values)}
        path = _template_path(project, known.id)
        return decode(Template, self._http.json(_change("PUT", path, known.etag, compact(body))))

    def delete_template(self, project: str, known: Template) -> None:
        """Hides a template from lists and new jobs, if it still is what ``known`` shows; it can be restored.

        Raises:
            ConflictError: it has been changed since.
        """
        self._http.send(_change("DELETE", _template_path(project, known.id), known.etag, None))

    def restore_template(self, project: str, template: str) -> Template:
        """Undoes a template's deletion. Twice does what once does."""
        return decode(
            Template, self._http.json(Call(method="POST", path=f"{_template_path(project, template)}/restore"))
        )

    def voice(self, project: str) -> Voice:
        """The project's brand voice; version 0 where nobody has set one."""
        return _voice(self._http.send(Call(method="GET", path=f"{project_path(project)}/voice")))

    def put_voice(self, project: str, known: Voice, values: Mapping[str, Any]) -> Voice:
        """Another brand voice, whole, if it still is what ``known`` shows.

        Raises:
            ConflictError: it has been changed since.
        """
        body = compact({"values": dict(values)})
        return _voice(self._http.send(_change("PUT", f"{project_path(project)}/voice", known.etag, body)))


def _voice(response: httpx2.Response) -> Voice:
    return decode(Voice, parsed(response), etag=response.headers.get("etag", ""))


def _change(method: str, path: str, etag: str, body: bytes | None) -> Call:
    return Call(method=method, path=path, headers={"If-Match": etag}, body=body)


def _template_path(project: str, template: str) -> str:
    return f"{project_path(project)}/templates/{quote(template, safe='')}"
