"""The OpenAPI document as a page for people: one file, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any, Final

from functions.api.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["page"]

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { background: #f4f4f4; overflow-x: auto; padding: 1rem }
details { border-top: 1px solid #ddd; padding: .5rem 0 }
summary { cursor: pointer }
summary b { display: inline-block; width: 4rem }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #eee; padding: .25rem .5rem; text-align: left; vertical-align: top }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e6e6e6 } pre { background: #222 } a { color: #8ab4f8 }
}
"""


@cache
def page() -> str:
    """The page."""
    shown = document()
    parts = [*_operations(shown), "<h2>Schemas</h2>", *_schemas(shown["components"]["schemas"])]
    title = escape(f"{shown['info']['title']} {shown['info']['version']}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{escape(shown['info']['description'])} "
        f'<a href="/v1/openapi.json">OpenAPI document</a></p>{"".join(parts)}</body></html>\n'
    )


def _operations(shown: Mapping[str, Any]) -> Iterator[str]:
    for path, operations in shown["paths"].items():
        for method, operation in operations.items():
            yield (
                f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b> '
                f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
                f"<p>{escape(operation.get('description', ''))}</p>"
                f"{_parameters(operation['parameters'])}{_body(operation)}{_responses(operation['responses'])}</details>"
            )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{parameter['in']}</td>"
        f"<td>{escape(parameter.get('description') or parameter['schema'].get('description', ''))}</td></tr>"
        for parameter in parameters
    )
    return f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>" if rows else ""


def _body(operation: Mapping[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    return f"<p>Body: {_reference(operation['requestBody']['content']['application/json']['schema'])}</p>"


def _responses(responses: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(response['description'])}</td><td>"
        f"{', '.join(_reference(content['schema']) or escape(name) for name, content in _contents(response))}</td></tr>"
        for status, response in responses.items()
    )
    return f"<table><tr><th>status</th><th></th><th>content</th></tr>{rows}</table>"


def _contents(response: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(response.get("content", {}).items())


def _reference(schema: Mapping[str, Any]) -> str:
    name = escape(schema.get("$ref", "").rpartition("/")[2])
    return f'<a href="#schema-{name}"><code>{name}</code></a>' if name else ""


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield (
            f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
            f"<pre>{text}</pre></details>"
        )
