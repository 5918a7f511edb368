"""The API as a test asks it, of the local runtime or of a deployment: plain HTTP, no client library between."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Answer", "LocalApi"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name, and the body: parsed where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class LocalApi:
    """One caller. Each request is a connection of its own, so that threads may share it."""

    base_url: str
    token: str | None = None
    host: str | None = None
    """What the request calls the server, where its name does not resolve here."""

    def ask(self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None) -> Answer:
        """One request; ``body`` goes as JSON."""
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=60)
        sent = dict(headers or {}) | ({} if self.host is None else {"Host": self.host})
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=sent)
            response = connection.getresponse()
            raw = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            is_json = found.get("content-type", "").partition(";")[0] in {
                "application/json",
                "application/problem+json",
            }
            return Answer(response.status, found, json.loads(raw) if is_json and raw else raw.decode())
        finally:
            connection.close()

    def as_user(self, user: str) -> LocalApi:
        """The same API with a token of ``user``."""
        answer = LocalApi(self.base_url).ask("POST", "/local/token", {"user": user})
        assert answer.status == 200, answer
        return LocalApi(self.base_url, answer.body["token"])

    def project(self) -> str:
        """A new project of the caller's."""
        answer = self.ask("POST", "/v1/projects", {"name": "Tea"})
        assert answer.status == 201, answer
        return str(answer.body["id"])

    def job(self, project: str, inputs: list[dict[str, Any]], **options: Any) -> str:
        """A new outline job; gives its path."""
        body = {
            "name": "Spring",
            "kind": "outline",
            "items": [{"custom_id": str(number), "input": entry} for number, entry in enumerate(inputs, 1)],
            "options": options,
        }
        answer = self.ask("POST", f"/v1/projects/{project}/jobs", body)
        assert answer.status == 202, answer
        return f"/v1/projects/{project}/jobs/{answer.body['id']}"

    def wait_for_end(self, job_path: str, *, within_seconds: float = 60.0) -> dict[str, Any]:
        """The job's view when it is final."""
        end = time.monotonic() + within_seconds
        while True:
            view: dict[str, Any] = self.ask("GET", f"{job_path}?wait_seconds=2").body
            if view["status"] in {"completed", "partially_failed", "failed", "cancelled"}:
                return view
            assert time.monotonic() < end, view

    def results(self, job_path: str) -> list[dict[str, Any]]:
        """The results, parsed."""
        text = self.ask("GET", f"{job_path}/results?format=ndjson").body
        return [json.loads(line) for line in text.splitlines()]

    def claude_calls(self) -> list[dict[str, Any]]:
        """What the offline Claude was asked."""
        items: list[dict[str, Any]] = self.ask("GET", "/local/claude/calls").body["items"]
        return items
