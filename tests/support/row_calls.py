"""The calls that every function makes on the table's rows, recorded in moto while it does all that it ever does.

:data:`STORIES` is the one place to extend: whoever gives a function a new call adds a story in which it makes it (or a
step to one that is there), with the call between ``with scene.acting("<function>"):``. ``tests/infra/test_rows.py``
then demands that the function's role allows exactly what was seen.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from functions.journal.write import Journal
from shared.errors import ErrorCode, item_error
from shared.store import intake
from shared.store.attributes import attributes
from shared.store.erasures import ErasureStore
from shared.store.events import EventStore
from shared.store.keys import ledger_key
from shared.turns.claiming import Held
from tests.support.clock import ManualClock
from tests.support.crashing import Calls, CrashError, watched
from tests.support.erasing import erase
from tests.support.front_desk import FrontDesk, body_of
from tests.support.resources import TableHandle
from tests.support.stream_records import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared.jobs.ledger import Ledger
    from tests.support.resources import QueueHandle
    from tests.support.workshop import Workshop

__all__ = ["STORIES", "RowCall", "Scene", "recorded"]

_TRANSACTION: Final = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
"""A member of a transaction is allowed as the action that it is."""
_MEMBERS: Final = 8
_LARGE: Final = 8
"""Items that are too many for one transaction of :data:`_MEMBERS`."""


@dataclass(frozen=True, slots=True)
class RowCall:
    """An action, and the partition keys it was taken on in one call; of an index, its name instead."""

    action: str
    partitions: frozenset[str] = frozenset()
    index: str | None = None


@dataclass
class Recorder:
    """A client of DynamoDB that notes who does what. Nothing is noted while nobody acts."""

    client: Any
    actor: str | None = None
    seen: dict[str, set[RowCall]] = field(default_factory=dict)

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self.client, operation)

        def call(**request: Any) -> Any:
            if self.actor is not None:
                self.seen.setdefault(self.actor, set()).update(_calls_of(operation, request))
            return method(**request)

        return call if callable(method) else method


def _calls_of(operation: str, request: Mapping[str, Any]) -> Iterator[RowCall]:
    """What IAM is asked for ``operation``."""
    match operation:
        case "get_item":
            yield RowCall("GetItem", _partitions([request["Key"]]))
        case "update_item":
            yield RowCall("UpdateItem", _partitions([request["Key"]]))
        case "batch_get_item":
            [wanted] = request["RequestItems"].values()
            yield RowCall("BatchGetItem", _partitions(wanted["Keys"]))
        case "batch_write_item":
            [writes] = request["RequestItems"].values()
            yield RowCall("BatchWriteItem", _partitions([_written(write) for write in writes]))
        case "transact_write_items":
            for member in request["TransactItems"]:
                [(kind, body)] = member.items()
                yield RowCall(_TRANSACTION[kind], _partitions([body.get("Key") or body["Item"]]))
        case "query" if "IndexName" in request:
            yield RowCall("Query", index=request["IndexName"])
        case "query":
            yield RowCall("Query", frozenset({request["ExpressionAttributeValues"][":pk"]["S"]}))
        case _:
            raise LookupError(f"say here what IAM is asked for {operation}")


def _written(write: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row, or the key, that a member of a batch writes or deletes."""
    [(kind, body)] = write.items()
    written: Mapping[str, Any] = body["Item" if kind == "PutRequest" else "Key"]
    return written


def _partitions(keys: list[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(key["pk"]["S"] for key in keys)


@dataclass
class Scene:
    """A desk and a workshop over one table. Whatever happens while somebody acts is noted as that function's."""

    desk: FrontDesk
    clock: ManualClock
    recorder: Recorder

    @property
    def shop(self) -> Workshop:
        """The engine."""
        return self.desk.workshop

    @contextmanager
    def acting(self, function: str) -> Iterator[None]:
        """``function`` acts."""
        self.recorder.actor = function
        try:
            yield
        finally:
            self.recorder.actor = None

    def advance(self, job: Ledger, lane: int = 0) -> None:
        """The processor takes a turn."""
        message = self.shop.message(job, lane)
        with self.acting("processor"):
            self.shop.advance(message)

    def abandoned(self, key: str) -> None:
        """The api dies while it writes a large job."""
        calls = Calls(die_after=4)
        self.desk.dynamodb = watched(self.recorder.client, calls)
        try:
            self.desk.create(_LARGE, key=key)
        except CrashError:
            made = ["get_item", "batch_get_item", "get_item", "transact_write_items"]
            assert calls.made == made, "its first rows stand, and no more"
        finally:
            self.desk.dynamodb = self.recorder

    def failed(self, items: int, *, failures: int = 1) -> str:
        """The path of a job that has ended and been told of, its first items failed."""
        for position in range(1, failures + 1):
            self.shop.claude.errors[position].append(item_error(ErrorCode.REFUSED, "No."))
        path = self.desk.job(items)
        self.desk.finish(path)
        return path


def _projects(scene: Scene) -> None:
    with scene.acting("api"):
        client = scene.desk.client("bob")
        assert client.post("/v1/projects", {"name": "Shop"}).status == 201
        assert client.get("/v1/projects").status == 200
        assert scene.desk.client().get(f"/v1/projects/{scene.desk.project}").status == 200


def _members(scene: Scene) -> None:
    members = f"/v1/projects/{scene.desk.project}/members"
    with scene.acting("api"):
        client = scene.desk.client()
        assert client.put(f"{members}/carol", {"role": "editor"}).status == 200
        assert client.put(f"{members}/carol", {"role": "viewer"}).status == 200
        assert client.get(f"{members}/carol").status == 200
        assert client.get(members).status == 200
        assert client.delete(f"{members}/carol").status == 204
        assert client.put(f"{members}/carol", {"role": "viewer"}).status == 200


def _presets(scene: Scene) -> None:
    project = f"/v1/projects/{scene.desk.project}"
    style = {"name": "Style", "kind": "outline", "values": {"tone": "formal"}}
    with scene.acting("api"):
        client = scene.desk.client()
        made = client.post(f"{project}/templates", style, headers={"Idempotency-Key": "style"})
        assert client.post(f"{project}/templates", style, headers={"Idempotency-Key": "style"}).json == made.json
        path = made.headers["location"]
        assert client.put(path, style, headers={"If-Match": "*"}).status == 200
        assert client.delete(path, headers={"If-Match": "*"}).status == 204
        assert client.post(f"{path}/restore").status == 200
        for place in (path, f"{path}/versions", f"{path}/versions/1", f"{project}/templates", f"{project}/voice"):
            assert client.get(place).status == 200
        assert client.put(f"{project}/voice", {"values": {}}, headers={"If-Match": "*"}).status == 200
        assert scene.desk.create(1, template_id="auto").status == 202


def _limits_met(scene: Scene) -> None:
    scene.desk.settings["jobs_per_hour"] = 1
    with scene.acting("api"):
        assert [scene.desk.create(1).status for _ in range(2)] == [202, 429]
        scene.clock.advance(3_601)
        assert scene.desk.create(1).status == 202
    del scene.desk.settings["jobs_per_hour"]


def _jobs_made(scene: Scene) -> None:
    scene.abandoned("cut short")
    scene.clock.advance(61)
    with scene.acting("api"):
        answers = [scene.desk.create(2, key="small"), scene.desk.create(2, key="small")]
        answers += [scene.desk.create(_LARGE, key="cut short")]
    assert [answer.status for answer in answers] == [202] * 3


def _job_read(scene: Scene) -> None:
    path = scene.failed(3)
    with scene.acting("api"):
        client = scene.desk.client()
        for place in (path, f"{path}/items", f"{path}/items/2", f"{path}/results", f"{path}/events"):
            assert client.get(place).status == 200
        assert client.get(scene.desk.jobs).status == 200
        assert client.get(scene.desk.jobs, query={"status": "active"}).status == 200


def _job_steered(scene: Scene) -> None:
    path, other = scene.desk.job(2), scene.desk.job(2, options={"drive": "client"})
    client = scene.desk.client()
    with scene.acting("api"):
        assert client.post(f"{path}/pause").status == 200
        assert client.post(f"{path}/resume").status == 200
        assert client.post(f"{path}/cancel").status == 200
        assert client.post(f"{other}/process-next", {"wait_seconds": 0}).status == 202
        assert client.post(f"{scene.desk.jobs}/cancel", {"job_ids": [other.rpartition("/")[2]]}).status == 200


def _job_retried(scene: Scene) -> None:
    path = scene.failed(3, failures=2)
    with scene.acting("api"):
        assert scene.desk.client().post(f"{path}/retry", headers={"Idempotency-Key": "again"}).status == 202
        assert scene.desk.client().get(f"{path}/items").status == 200
    scene.advance(scene.desk.ledger(path))
    before = scene.desk.ledger(path)
    assert isinstance(scene.shop.processor().settler.claimer.acquire(scene.shop.message(before)), Held)
    after = scene.desk.ledger(path)
    with scene.acting("journal"):
        journal = Journal(EventStore(scene.desk.store()), scene.shop.items)
        journal.write(journal.rows(record_of(before, after, 7)))
    scene.clock.advance(61)
    with scene.acting("sweeper"):
        scene.shop.sweep()


def _items_turned(scene: Scene) -> None:
    shop = scene.shop
    for code in (ErrorCode.RATE_LIMITED, ErrorCode.RATE_LIMITED, ErrorCode.AUTHENTICATION):
        shop.claude.errors[1].append(item_error(code, "No.", retry_after_seconds=1.0))
    job = shop.job(1, max_attempts=5)
    for _ in range(3):
        scene.advance(job)
        scene.clock.advance(30)
    watching = shop.job(1)

    def cancel(_: str) -> None:
        actor, scene.recorder.actor = scene.recorder.actor, None
        scene.desk.client().post(f"{scene.desk.jobs}/{watching.job_id}/cancel")
        scene.clock.advance(5)
        scene.recorder.actor = actor

    shop.claude.during = cancel
    scene.advance(watching)
    shop.claude.during = lambda _: None
    assert shop.ledger(watching).open == 0


def _job_closed(scene: Scene) -> None:
    path = scene.desk.job(1)
    scene.advance(scene.desk.ledger(path))
    image = scene.desk.ledger(path)
    with scene.acting("finalizer"):
        assert scene.shop.finalizer().close(image) == "completed, told"


def _letters_died(scene: Scene) -> None:
    job = scene.shop.job(1)
    message = scene.shop.message(job)
    with scene.acting("dead_letters"):
        for _ in range(4):
            scene.shop.redriver().handle(message, trace_id="trace-1")
    assert scene.shop.ledger(job).failed == 1


def _jobs_swept(scene: Scene) -> None:
    scene.abandoned("never again")
    running, done = scene.shop.job(2), scene.desk.job(1)
    scene.shop.advance(scene.shop.message(running))
    scene.desk.settle(done)
    unreadable = scene.shop.job(1)
    row = scene.shop.table.get(ledger_key(unreadable.project_id, unreadable.job_id)) or {}
    edited = attributes(row | {"status": "none such"})
    scene.recorder.client.put_item(TableName=scene.shop.table.name, Item=edited)
    scene.clock.advance(timedelta(minutes=2).total_seconds())
    with scene.acting("sweeper"):
        swept = scene.shop.sweep()
    assert swept.repaired.keys() >= {"Dispatch", "Finalize", "RemoveIntake"}
    assert swept.failed == 1


def _deleted(scene: Scene) -> None:
    desk = scene.desk
    first = desk.create(1, key="deleted").headers["location"]
    old = desk.job(1)
    for path in (first, old):
        desk.finish(path)
    with scene.acting("api"):
        assert desk.client().delete(first).status == 204
    bob = desk.client("bob")
    shop = f"/v1/projects/{bob.post('/v1/projects', {'name': 'Closing'}).json['id']}"
    bob.put(f"{shop}/members/carol", {"role": "viewer"})
    bob.post(
        f"{shop}/templates", {"name": "S", "kind": "outline", "values": {}}, headers={"Idempotency-Key": "closing"}
    )
    with scene.acting("api"):
        assert bob.delete(shop).status == 204
    marked = bob.post("/v1/projects", {"name": "Half closed"}).json["id"]
    slipped_in = bob.post(f"/v1/projects/{marked}/jobs", body_of(1)).status
    assert slipped_in == 202
    ErasureStore(desk.store()).delete_project(marked, now=scene.clock.now(), actor="user:bob")
    scene.clock.advance(timedelta(days=2).total_seconds())
    with scene.acting("sweeper"):
        done = erase(desk.store(), retention_days=1)
        scene.clock.advance(timedelta(days=2).total_seconds())
        erase(desk.store())
    assert done["jobs_retired"] >= 1
    assert done["jobs"] > done["jobs_retired"]
    assert done["projects"] == 2


STORIES: Final[tuple[Callable[[Scene], None], ...]] = (
    _projects,
    _members,
    _limits_met,
    _jobs_made,
    _presets,
    _job_read,
    _job_steered,
    _job_retried,
    _items_turned,
    _job_closed,
    _letters_died,
    _jobs_swept,
    _deleted,
)
"""Together they make every call that any function makes. Each begins with what the others have left."""


def recorded(table: TableHandle, queue: QueueHandle) -> dict[str, set[RowCall]]:
    """The calls of every function, by its name."""
    recorder, clock = Recorder(table.client), ManualClock()
    handle = TableHandle(table.name, recorder, table.stream_arn)  # type: ignore[arg-type]  # a client that notes
    scene = Scene(FrontDesk(handle, queue, clock=clock), clock, recorder)
    with patch.object(intake, "_MEMBERS", _MEMBERS):  # moto needs seconds for a transaction of a hundred
        for story in STORIES:
            story(scene)
    return recorder.seen
