"""What every group of the client's methods is made of: reads, lists page by page, creations that may be repeated."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from pressroom.client.decoding import decode
from pressroom.client.errors import UnexpectedAnswerError
from pressroom.client.http import Call, Http, compact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Calls", "project_path"]

_Record = TypeVar("_Record")
_PAGE: Final = 100


class Calls:
    """Calls over one connection."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def _get(self, path: str) -> Any:  # noqa: ANN401  JSON
        return self._http.json(Call(method="GET", path=path))

    def _creation(
        self, path: str, body: Mapping[str, Any], idempotency_key: str | None, *, repeatable: bool = True
    ) -> Call:
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Call(method="POST", path=path, headers=headers, body=compact(body), repeatable=repeatable)

    def _records(self, record: type[_Record], path: str, params: Mapping[str, str] | None = None) -> Iterator[_Record]:
        query: dict[str, str | int] = {"limit": _PAGE, **(params or {})}
        while True:
            entries, cursor = self._page(record, Call(method="GET", path=path, params=query))
            yield from entries
            if not cursor:
                return
            query["cursor"] = cursor

    def _page(self, record: type[_Record], call: Call) -> tuple[Sequence[_Record], str | None]:
        """A page of a list, and the cursor of the next one."""
        page = self._http.json(call)
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise UnexpectedAnswerError("the answer is not Pressroom's: /items should be a list")
        return [decode(record, entry) for entry in page["items"]], page.get("next_cursor") or None


def project_path(project: str) -> str:
    """The path of a project."""
    return f"/v1/projects/{quote(project, safe='')}"
