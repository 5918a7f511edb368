"""A small Pressroom on loopback, for the tests of the client and the command.

It speaks the contract's shapes and keeps state as the real one does, but it is told what happens: how many items
settle at each poll, which answers fail, which connections break.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from shared.jobs.statuses import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Answer", "Asked", "FakeApi", "FakeJob"]

NOON: Final = "2026-11-22T12:00:00.000Z"
TONES: Final = ("professional", "friendly", "formal")
OUTLINE: Final[dict[str, Any]] = {
    "$defs": {"Tone": {"type": "string", "enum": list(TONES)}},
    "type": "object",
    "additionalProperties": False,
    "required": ["topic"],
    "properties": {
        "topic": {"type": "string", "minLength": 1, "maxLength": 500, "description": "What it is about."},
        "tone": {"$ref": "#/$defs/Tone", "default": "professional"},
        "keyword": {"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}], "default": None},
        "word_count": {"type": "integer", "minimum": 100, "maximum": 4000, "default": 1200},
    },
}
PAIR: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["left", "right"],
    "properties": {"left": {"type": "string"}, "right": {"type": "string"}},
}
LIMITS: Final[dict[str, Any]] = {
    "items_per_job": {"min": 1, "max": 1000},
    "bytes_per_item": 16 * 1024,
    "bytes_per_request": 4 * 1024 * 1024,
    "concurrency_max": 32,
    "jobs_per_hour": 60,
    "active_jobs": 20,
    "bulk_cancel_max": 100,
}
USAGE: Final[dict[str, Any]] = {
    "period": "2026-11",
    "renews_at": "2026-12-01T00:00:00.000Z",
    "items": {"limit": 100_000, "reserved": 50, "used": 1_200, "remaining": 98_750},
    "usd": {"limit": 2_000.0, "reserved": 3.5, "used": 0.1234, "remaining": 1_996.3766},
}


@dataclass
class Answer:
    """What is answered instead of the truth. Status 0 breaks the connection."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """A call that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class FakeJob:
    """A job's state."""

    id: str
    project_id: str
    body: dict[str, Any]
    duplicates: list[dict[str, int]]
    status: str = "queued"
    pause_reason: str | None = None
    cancel_reason: str | None = None
    generation: int = 1
    settled: bool = True
    version: int = 1
    items: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, kind: str, **facts: Any) -> None:
        """Puts an event on the timeline."""
        number = len(self.events) + 1
        event = {
            "id": f"{number:05d}",
            "time": f"2026-11-22T12:00:{number:02d}.500Z",
            "actor": "processor",
            "type": kind,
            "generation": 1,
            **dict.fromkeys(("lane", "position", "from", "to", "attempt", "detail")),
        }
        self.events.append({**event, **facts})

    def settle(self, count: int) -> list[dict[str, Any]]:
        """Ends the next ``count`` items, and the job with the last of them."""
        settled = [item for item in self.items if item["status"] == "queued"][:count]
        for item in settled:
            if "[[fail]]" in json.dumps(item["input"]):
                item["status"] = "failed"
                item["error"] = {
                    "code": "refused",
                    "class": "permanent",
                    "retryable": False,
                    "http_status": 200,
                    "message": "Claude refused.",
                    "claude_request_id": "req_1",
                }
            else:
                item["status"] = "completed"
                item["output"] = {"title": f"About {item['input'].get('topic')}"}
        if settled:
            self.status = "processing"
        counts = self.counts()
        if counts["queued"] == 0:
            self.status = "completed" if not counts["failed"] else "partially_failed"
            if counts["completed"] == 0:
                self.status = "failed"
        self.version += 1
        return settled

    def pause(self, reason: str) -> None:
        self.status, self.pause_reason = "paused", reason
        self.version += 1

    def resume(self, budget: float | None) -> None:
        self.status, self.pause_reason = "processing", None
        if budget is not None:
            self.body["options"]["budget_usd"] = budget
        self.version += 1

    def cancel(self) -> None:
        for item in self.items:
            if item["status"] == "queued":
                item["status"] = "cancelled"
        self.status, self.pause_reason, self.cancel_reason = "cancelled", None, "user"
        self.version += 1

    def retry(self, chosen: list[dict[str, Any]]) -> None:
        """Items that failed complete the second time."""
        for item in chosen:
            item["status"], item["error"] = "queued", None
            item["input"] = json.loads(json.dumps(item["input"]).replace("[[fail]]", "[[retried]]"))
        self.status = "queued"
        self.generation += 1
        self.version += 1

    def counts(self) -> dict[str, int]:
        names = ("queued", "processing", "completed", "failed", "cancelled")
        counts = {name: sum(item["status"] == name for item in self.items) for name in names}
        return {"total": len(self.items), **counts}

    def view(self) -> dict[str, Any]:
        counts = self.counts()
        done = counts["completed"] + counts["failed"] + counts["cancelled"]
        failed = [item["position"] for item in self.items if item["status"] == "failed"]
        is_final = self.status in FINAL
        return {
            "id": self.id,
            "project_id": self.project_id,
            "name": self.body.get("name"),
            "kind": self.body["kind"],
            "template": None,
            "status": self.status,
            "pause_reason": self.pause_reason,
            "cancel_reason": self.cancel_reason,
            "generation": self.generation,
            "version": self.version,
            "created_by": "alice",
            "options": {"concurrency": 1, "drive": "queue", **self.body.get("options", {})},
            "counts": counts,
            "progress": {"done": done, "total": counts["total"], "percent": 100 * done // counts["total"]},
            "usage": {
                "input_tokens": 10 * done,
                "output_tokens": 100 * done,
                "cost_usd": 0.001 * done,
                "estimated_cost_usd": 0.001 * counts["total"],
            },
            "error_summary": [
                {
                    "code": "refused",
                    "class": "permanent",
                    "retryable": False,
                    "count": len(failed),
                    "first_position": failed[0],
                }
            ]
            if failed
            else [],
            "not_retried": 0,
            "created_at": NOON,
            "started_at": NOON if done else None,
            "last_activity_at": NOON,
            "estimated_completion_at": None if is_final or not done else "2026-11-22T12:05:00.000Z",
            "completed_at": "2026-11-22T12:04:00.000Z" if is_final else None,
        }


class FakeApi:
    """The server, as a context manager.

    Attributes:
        asked: every call, in order.
        step: how many items settle each time that a job is waited for; 0 holds all jobs still.
        busy: how many process-next calls are answered with ``in_progress`` before one advances an item.
        refusal: what a dry run says would refuse the job.
        page: how many results an answer holds.
        refusals: what is answered instead of the truth, in order, to calls whose ``METHOD path`` matches.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.step = 1
        self.busy = 0
        self.page = 2
        self.most_items = 1000
        self.refusal: dict[str, Any] | None = None
        self.local_tokens = True
        self.valid_tokens: set[str] = set()
        self.projects: dict[str, dict[str, Any]] = {}
        self.members: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, FakeJob] = {}
        self.on_ask: Callable[[Asked], None] = lambda _: None
        self._refusals: deque[tuple[str, Answer]] = deque()
        self._replays: dict[tuple[str, str], tuple[Any, Answer]] = {}
        self._lock = threading.RLock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def refuse(self, route: str, answer: Answer, times: int = 1) -> None:
        """Answers the next ``times`` calls whose ``METHOD path`` matches the pattern with ``answer``."""
        self._refusals.extend([(route, answer)] * times)

    def add_project(self, name: str, created_at: str = NOON) -> str:
        number = len(self.projects) + 1
        project = {"id": f"prj_{number}", "name": name, "role": "owner", "created_at": created_at}
        self.projects[str(project["id"])] = project
        return str(project["id"])

    def add_job(self, project: str, topics: list[str], **options: Any) -> FakeJob:
        items = [{"input": {"topic": topic}} for topic in topics]
        body = {"kind": "outline", "name": "prepared", "items": items, "options": options}
        self._create(project, body)
        return list(self.jobs.values())[-1]

    def calls(self, route: str) -> list[Asked]:
        """The calls whose ``METHOD path`` matches the pattern."""
        return [asked for asked in self.asked if re.fullmatch(route, f"{asked.method} {asked.path}")]

    def answer(self, asked: Asked) -> Answer:
        """What the contract says."""
        with self._lock:
            self.asked.append(asked)
            self.on_ask(asked)
            for index, (route, refusal) in enumerate(self._refusals):
                if re.fullmatch(route, f"{asked.method} {asked.path}"):
                    del self._refusals[index]
                    return refusal
            if asked.path == "/v1/health":
                return Answer(200, {"status": "ok", "version": "0.1.0"})
            if asked.path == "/local/token" and self.local_tokens:
                token = f"local-{asked.body['user']}-{len(self.asked)}"
                self.valid_tokens.add(token)
                return Answer(200, {"token": token})
            token = asked.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in self.valid_tokens:
                return _problem(401, "unauthorized", "No valid token.")
            for pattern, work in self._routes().items():
                match = re.fullmatch(pattern, f"{asked.method} {asked.path}")
                if match:
                    return work(asked, *match.groups())
            return _problem(404, "not_found", "There is no such route.")

    def _routes(self) -> dict[str, Callable[..., Answer]]:
        job = "/v1/projects/([^/]+)/jobs/([^/]+)"
        return {
            "GET /v1/limits": lambda _: Answer(200, {**LIMITS, "items_per_job": {"min": 1, "max": self.most_items}}),
            "GET /v1/kinds": lambda _: Answer(200, {"items": _kinds()}),
            "GET /v1/projects": lambda asked: _page(asked, list(self.projects.values())),
            "POST /v1/projects": self._create_project,
            "GET /v1/projects/([^/]+)": lambda _, project: (
                Answer(200, self.projects[project]) if project in self.projects else _missing()
            ),
            "GET /v1/projects/([^/]+)/usage": lambda _, project: (
                Answer(200, USAGE) if project in self.projects else _missing()
            ),
            "GET /v1/projects/([^/]+)/members": lambda asked, _: _page(asked, list(self.members.values())),
            "GET /v1/projects/([^/]+)/members/([^/]+)": lambda _, __, user: self._member(unquote(user)),
            "PUT /v1/projects/([^/]+)/members/([^/]+)": self._put_member,
            "DELETE /v1/projects/([^/]+)/members/([^/]+)": self._remove_member,
            "POST /v1/projects/([^/]+)/jobs": self._submit,
            "GET /v1/projects/([^/]+)/jobs": self._list_jobs,
            f"GET {job}": self._get_job,
            f"GET {job}/items": self._list_items,
            f"GET {job}/items/([0-9]+)": self._get_item,
            f"GET {job}/results": self._results,
            f"GET {job}/events": self._list_events,
            f"POST {job}/process-next": self._process_next,
            "POST /v1/projects/([^/]+)/jobs/cancel": self._cancel_many,
            f"POST {job}/pause": self._pause,
            f"POST {job}/resume": self._resume,
            f"POST {job}/cancel": self._cancel,
            f"POST {job}/retry": self._retry,
        }

    def _create_project(self, asked: Asked) -> Answer:
        return Answer(201, self.projects[self.add_project(asked.body["name"])])

    def _member(self, user: str) -> Answer:
        return Answer(200, self.members[user]) if user in self.members else _missing()

    def _put_member(self, asked: Asked, _: str, user: str) -> Answer:
        name = unquote(user)
        self.members[name] = {"user": name, "role": asked.body["role"], "added_at": NOON}
        return self._member(name)

    def _remove_member(self, _: Asked, __: str, user: str) -> Answer:
        return Answer(204, raw=b"") if self.members.pop(unquote(user), None) else _missing()

    def _submit(self, asked: Asked, project: str) -> Answer:
        if project not in self.projects:
            return _missing()
        errors = [
            {"pointer": f"/items/{index}/input/tone", "detail": "the house style forbids it"}
            for index, item in enumerate(asked.body["items"])
            if item["input"].get("tone") == "formal"
        ]
        if errors:
            return _problem(422, "invalid", "Some items are invalid.", errors=errors)
        if asked.query.get("dry_run") == "true":
            return Answer(200, self._estimate(asked.body))
        key = (project, asked.headers.get("idempotency-key", ""))
        if key in self._replays:
            body, answer = self._replays[key]
            if body != asked.body:
                return _problem(422, "idempotency_mismatch", "The key was used for another body.")
            return Answer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})
        answer = self._create(project, asked.body)
        self._replays[key] = (asked.body, answer)
        return answer

    def _estimate(self, body: dict[str, Any]) -> dict[str, Any]:
        kept, duplicates = _unique(body["items"])
        estimate = {
            "input_tokens": 100 * len(kept),
            "output_tokens": 900 * len(kept),
            "cost_usd": 0.01 * len(kept),
            "minutes": 0.5 * len(kept),
            "basis": "the kind's samples",
        }
        return {
            "accepted": len(kept),
            "duplicates": duplicates,
            "estimate": estimate,
            "quota": USAGE,
            "refusal": self.refusal,
        }

    def _create(self, project: str, body: dict[str, Any]) -> Answer:
        kept, duplicates = _unique(body["items"])
        job = FakeJob(f"job_{len(self.jobs) + 1}", project, body, duplicates)
        for position, item in enumerate(kept, start=1):
            state = {"position": position, "custom_id": item.get("custom_id"), "input": item["input"]}
            job.items.append({**state, "status": "queued", "error": None, "output": None})
        self.jobs[job.id] = job
        view = {**job.view(), "accepted": len(kept), "duplicates": duplicates}
        return Answer(202, view, {"ETag": f'"{job.version}"', "Location": f"/v1/projects/{project}/jobs/{job.id}"})

    def _list_jobs(self, asked: Asked, project: str) -> Answer:
        wanted = asked.query.get("status")
        jobs = [job for job in reversed(self.jobs.values()) if job.project_id == project]
        if wanted == "active":
            jobs = [job for job in jobs if job.status not in FINAL]
        elif wanted:
            jobs = [job for job in jobs if job.status == wanted]
        return _page(asked, [job.view() for job in jobs])

    def _get_job(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        is_known = asked.headers.get("if-none-match") == f'"{job.version}"'
        if is_known and self.step and job.status in {"queued", "processing"}:
            job.settle(self.step)
            is_known = False
        etag = {"ETag": f'"{job.version}"'}
        return Answer(304, None, etag) if is_known else Answer(200, job.view(), etag)

    def _list_items(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        wanted = asked.query.get("status")
        items = [item for item in job.items if wanted is None or item["status"] == wanted]
        return _page(asked, [{key: item[key] for key in item if key != "output"} for item in items])

    def _get_item(self, _: Asked, project: str, job_id: str, position: str) -> Answer:
        job = self._find(project, job_id)
        if job is None or int(position) > len(job.items):
            return _missing()
        return Answer(200, {**job.items[int(position) - 1], "attempts": [{"number": 1}], "usage": {"input_tokens": 7}})

    def _list_events(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        return _missing() if job is None else _page(asked, job.events)

    def _results(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        done = [item for item in job.items if item["status"] != "queued"]
        start = int(asked.query.get("cursor", "0"))
        lines = [_result(item) for item in done[start : start + self.page]]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        if start + self.page < len(done):
            # A proxy may know the API by another name than its client does.
            url = f"https://elsewhere.example{asked.path}?format=ndjson&cursor={start + self.page}"
            headers["Link"] = f'<{url}>; rel="next"'
        return Answer(200, headers=headers, raw=text.encode())

    def _process_next(self, _: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        if job.status == "paused":
            return _illegal(job)
        if job.status in FINAL:
            return Answer(200, {"outcome": "done", "item": None, "job": job.view(), "retry_after_seconds": 0})
        if self.busy:
            self.busy -= 1
            body = {"outcome": "in_progress", "item": None, "job": job.view(), "retry_after_seconds": 2}
            return Answer(202, body, {"Retry-After": "2"})
        (item,) = job.settle(1)
        return Answer(200, {"outcome": "processed", "item": item, "job": job.view(), "retry_after_seconds": 0})

    def _pause(self, _: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        if job.status in {"queued", "processing"}:
            job.pause("user")
        return _steered(job) if job.status == "paused" else _illegal(job)

    def _resume(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        budget = asked.body.get("budget_usd")
        if budget is not None and "budget_usd" not in job.body.get("options", {}):
            bad = [{"pointer": "/budget_usd", "detail": "the job was created without a budget"}]
            return _problem(422, "invalid", "One field is invalid.", errors=bad)
        if job.status == "paused":
            job.resume(budget)
        return _steered(job) if job.status == "processing" else _illegal(job)

    def _cancel(self, _: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        if job.status not in FINAL:
            job.cancel()
        return _steered(job) if job.status == "cancelled" else _illegal(job)

    def _cancel_many(self, asked: Asked, project: str) -> Answer:
        results = {}
        for job_id in asked.body["job_ids"]:
            job = self._find(project, job_id)
            if job is None:
                results[job_id] = "not_found"
            elif job.status in FINAL:
                results[job_id] = "already_final"
            else:
                job.cancel()
                results[job_id] = "cancelled"
        summary = {name: list(results.values()).count(name) for name in ("cancelled", "already_final", "not_found")}
        told = [{"job_id": job_id, "result": result} for job_id, result in results.items()]
        return Answer(200, {"results": told, "summary": summary})

    def _retry(self, asked: Asked, project: str, job_id: str) -> Answer:
        job = self._find(project, job_id)
        if job is None:
            return _missing()
        key = (project, asked.headers["idempotency-key"])
        if key in self._replays:
            return self._replays[key][1]
        if job.status not in {"failed", "partially_failed"}:
            return _illegal(job)
        if not job.settled:
            job.settled = True
            refusal = _problem(409, "not_yet_settled", "The job has just ended.", retryable=True)
            return Answer(refusal.status, refusal.body, {**refusal.headers, "Retry-After": "1"})
        codes, positions = asked.body.get("error_codes"), asked.body.get("positions")
        failed = [item for item in job.items if item["status"] == "failed"]
        chosen = [
            item
            for item in failed
            if (codes is None or item["error"]["code"] in codes)
            and (positions is None or item["position"] in positions)
        ]
        if not chosen:
            bad = [{"pointer": "/positions/0", "detail": "item did not fail"}]
            return _problem(422, "invalid", "One field is invalid.", errors=bad)
        job.retry(chosen)
        answer = Answer(202, job.view(), {"ETag": f'"{job.version}"'})
        self._replays[key] = (asked.body, answer)
        return answer

    def _find(self, project: str, job_id: str) -> FakeJob | None:
        job = self.jobs.get(job_id)
        return job if job is not None and job.project_id == project else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: FakeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; the second would wait 40 ms for an acknowledgement

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass

    def _serve(self) -> None:
        api = cast("_Server", self.server).api
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(
            method=self.command,
            path=parts.path,
            query={name: values[-1] for name, values in parse_qs(parts.query).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=json.loads(data) if data else None,
        )
        answer = api.answer(asked)
        if answer.status == 0:
            self.close_connection = True
            return
        body = answer.raw if answer.raw is not None else b""
        if answer.raw is None and answer.status != 304:
            body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"X-Request-Id": "req-1", "Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _kinds() -> list[dict[str, Any]]:
    sample = {"topic": "Green tea"}
    return [
        {"name": name, "title": title, "input_schema": schema, "output_schema": {}, "sample": sample}
        for name, title, schema in (("outline", "Article outline", OUTLINE), ("pair", "Pair", PAIR))
    ]


def _unique(items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, int]]]:
    first: dict[str, int] = {}
    kept, duplicates = [], []
    for index, item in enumerate(items):
        original = first.setdefault(json.dumps(item["input"], sort_keys=True).casefold(), index)
        if original == index:
            kept.append(item)
        else:
            duplicates.append({"index": index, "duplicate_of": original})
    return kept, duplicates


def _result(item: dict[str, Any]) -> dict[str, Any]:
    ended = (
        {"type": "failed", "error": item["error"]} if item["error"] else {"type": "completed", "output": item["output"]}
    )
    return {**{key: item[key] for key in ("position", "custom_id", "input")}, "result": ended, "usage": {}}


def _page(asked: Asked, entries: list[Any]) -> Answer:
    start, size = int(asked.query.get("cursor", "0")), 2
    more = quote(str(start + size)) if start + size < len(entries) else None
    return Answer(200, {"items": entries[start : start + size], "next_cursor": more})


def _steered(job: FakeJob) -> Answer:
    return Answer(200, job.view(), {"ETag": f'"{job.version}"'})


def _illegal(job: FakeJob) -> Answer:
    detail = f"The job is {job.status}."
    return _problem(409, "illegal_transition", detail, job_status=job.status, retryable=False)


def _missing() -> Answer:
    return _problem(404, "not_found", "It does not exist, or you are no member.")


def _problem(status: int, code: str, detail: str, **members: object) -> Answer:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return Answer(status, {**body, "request_id": "req-1", **members}, {"Content-Type": "application/problem+json"})
