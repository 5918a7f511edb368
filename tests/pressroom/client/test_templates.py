from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pressroom.client import ConflictError, InvalidRequestError, NewItem, NewJob, PressroomClient
from tests.support.direct_api import direct
from tests.support.front_desk import FrontDesk

if TYPE_CHECKING:
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def desk(moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock) -> FrontDesk:
    return FrontDesk(moto_table, moto_work_queue, clock=clock)


def test_templates_live_their_life_when_the_client_meets_the_api(desk: FrontDesk) -> None:
    project = desk.project
    with PressroomClient("http://api.test", "alice", transport=direct(desk), clock=desk.clock) as client:
        made = client.create_template(project, "Style", "outline", {"tone": "formal"})
        changed = client.update_template(project, made, name="Style 2", values={"tone": "casual"})
        with pytest.raises(ConflictError):
            client.update_template(project, made, name="Late", values={})
        with pytest.raises(InvalidRequestError):
            client.update_template(project, changed, name="Bad", values={"tone": "shrill"})

        assert client.get_template(project, made.id) == changed
        assert client.get_template(project, made.id, version=1) == made
        assert list(client.template_versions(project, made.id)) == [changed, made]
        with pytest.raises(ConflictError):
            client.delete_template(project, made)
        client.delete_template(project, changed)
        assert list(client.list_templates(project)) == []
        (hidden,) = client.list_templates(project, deleted=True)
        assert hidden.deleted_at is not None
        assert client.restore_template(project, made.id) == changed

        before = client.voice(project)
        voice = client.put_voice(project, before, {"language": "de"})
        with pytest.raises(ConflictError):
            client.put_voice(project, before, {"tone": "formal"})
        job = NewJob(kind="outline", items=(NewItem(input={"topic": "Tea"}),), template_id="auto")
        created = client.create_job(project, job).job

        assert created.raw["template"] == {"id": made.id, "version": 2}
        item = client.item(project, created.id, 1)
        assert (item.input["tone"], item.input["language"]) == ("casual", "de")
        assert client.voice(project) == voice
