from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pressroom.client import PressroomClient
from tests.support.direct_api import direct
from tests.support.front_desk import FrontDesk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pressroom.cli.conftest import Command
    from tests.support.clock import ManualClock
    from tests.support.resources import QueueHandle, TableHandle


@pytest.fixture
def desk(
    moto_table: TableHandle, moto_work_queue: QueueHandle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> FrontDesk:
    """The real api behind the command."""
    desk = FrontDesk(moto_table, moto_work_queue, clock=clock)
    client = partial(PressroomClient, transport=direct(desk))
    monkeypatch.setattr("pressroom.cli.session.PressroomClient", client)
    monkeypatch.setenv("PRESSROOM_TOKEN", "alice")
    return desk


def test_a_template_is_made_changed_used_deleted_and_restored(
    command: Command, desk: FrontDesk, tmp_path: Path
) -> None:
    made = command("templates", "create", "House style", "--set", "tone=friendly", "--set", "word_count=900")
    template = made.out.strip()
    assert f"pressroom submit FILE --kind outline --template {template}" in made.err

    changed = command("templates", "change", template, "--set", "tone=formal", "--unset", "word_count")
    assert f"House style ({template}) is at version 2 now." in changed.err
    assert command("templates", "show", template).out.splitlines() == ["field\tvalue", "tone\tformal"]
    first = json.loads(command("templates", "show", template, "--version", "1", "--json").out)
    assert first["values"] == {"tone": "friendly", "word_count": 900}

    (tmp_path / "topics.txt").write_text("Green tea\n")
    ran = command("submit", "topics.txt", "--template", "auto", "--no-watch")
    job = ran.out.splitlines()[-1]  # the api's metrics go to the same standard output here
    view = desk.client().get(f"{desk.jobs}/{job}").json
    assert view["template"] == {"id": template, "version": 2}

    assert command("templates", "delete", template).code == 0
    assert command("templates", "list").out.splitlines() == ["id\tname\tkind\tversion\tstate"]
    (row,) = command("templates", "list", "--deleted").out.splitlines()[1:]
    assert row.split("\t") == [template, "House style", "outline", "2", "deleted"]
    assert command("submit", "topics.txt", "--template", template, "--no-watch", "--again").code == 2
    assert command("templates", "restore", template).code == 0
    assert len(json.loads(command("templates", "list", "--json").out)) == 1


def test_the_voice_is_shown_and_changed(command: Command, desk: FrontDesk) -> None:
    assert command("voice", "change", "--set", "language=de", "--set", "tone=casual").code == 0
    assert command("voice", "change", "--unset", "tone").code == 0

    assert command("voice", "show").out.splitlines() == ["field\tvalue", "language\tde"]
    shown = json.loads(command("voice", "show", "--json").out)
    assert (shown["version"], shown["values"]) == (2, {"language": "de"})
    assert desk.client().get(f"/v1/projects/{desk.project}/voice").json == shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["templates", "create", "x", "--set", "tone"], "--set tone: should be FIELD=VALUE"),
        (["templates", "create", "x", "--set", "colour=red"], "--set colour: no kind has this field"),
        (["templates", "create", "x", "--set", "tone=shrill"], "--set tone should be one of"),
        (["templates", "create", "x", "--kind", "poem"], "there is no kind 'poem'"),
        (["voice", "change", "--unset", "tone"], "--unset tone: it has no such value"),
    ],
)
def test_nothing_is_sent_when_a_value_is_wrong(
    command: Command, desk: FrontDesk, arguments: list[str], told: str
) -> None:
    ran = command(*arguments)

    assert ran.code == 2
    assert told in ran.err
    assert desk.client().get(f"/v1/projects/{desk.project}/templates").json["items"] == []
