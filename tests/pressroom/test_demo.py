from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pressroom.cli.checking import check
from pressroom.cli.exits import CommandError
from pressroom.cli.schema import InputSchema
from pressroom.cli.sources import Format, Source, load
from pressroom.client import Limits, PressroomClient
from pressroom.client.records import Range
from pressroom.demo import TOPICS, demonstrate, run
from shared.clock import SystemClock
from shared.generation.kinds import KINDS
from tests.support.fake_api import FakeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMITS = Limits(
    items_per_job=Range(min=1, max=1000), bytes_per_item=16384, bytes_per_request=4_194_304, concurrency_max=32
)
TEAS = (Source("teas", Format.TXT, b"Green tea\nBlack tea\nWhite tea\n"),)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setattr(SystemClock, "sleep", lambda _self, _seconds: None)
    with FakeApi() as running:
        running.valid_tokens.add("good")
        yield running


@pytest.fixture
def client(api: FakeApi) -> Iterator[PressroomClient]:
    with PressroomClient(api.url, "good") as opened:
        yield opened


# -- the examples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("topics.csv", "outline", 50), ("topics.txt", "outline", 10), ("articles.jsonl", "article", 5)],
)
def test_takes_every_example_by_the_rules_of_its_kind(name: str, kind: str, count: int) -> None:
    schema = InputSchema(KINDS[kind].input_schema())

    batch = check(load([ROOT / "examples" / name], None), schema, LIMITS, {})

    assert len(batch.rows) == count
    assert len({str(row.input["topic"]).casefold() for row in batch.rows}) == count
    for row in batch.rows:
        KINDS[kind].validate(row.input)


def test_gives_every_topic_of_the_demo_a_name_of_its_own() -> None:
    batch = check(load([TOPICS], None), InputSchema(KINDS["outline"].input_schema()), LIMITS, {})
    assert len({row.custom_id for row in batch.rows}) == 50


# -- against a fake Pressroom ------------------------------------------------------------------------------


def test_submits_watches_collects_and_sums_up(
    client: PressroomClient, api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = demonstrate(client, TEAS, tmp_path, is_paid=False)

    shown = capsys.readouterr()
    assert job.status == "completed"
    assert api.jobs["job_1"].body["options"] == {"concurrency": 4}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "001-green-tea.md",
        "002-black-tea.md",
        "003-white-tea.md",
        "results.ndjson",
    ]
    lines = (tmp_path / "results.ndjson").read_text().splitlines()
    assert [json.loads(line)["position"] for line in lines] == [1, 2, 3]
    assert "completed\t3 of 3\n" in shown.out
    assert "cost at list price, not charged\t$0.0030\n" in shown.out
    assert f"documents\t3 Markdown files in {tmp_path}\n" in shown.out
    assert "an offline Claude writes made-up text, at no cost" in shown.err


def test_says_what_it_will_cost_before_the_real_claude_writes(
    client: PressroomClient, api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def look(_: object) -> None:
        if not told and [asked for asked in api.calls("POST .*/jobs") if "dry_run" not in asked.query]:
            told.append(capsys.readouterr().err)

    api.on_ask = look
    demonstrate(client, TEAS, tmp_path, is_paid=True)

    assert "the real Claude writes" in told[0]
    assert "$0.0300" in told[0]
    assert "cost\t$0.0030\n" in capsys.readouterr().out


def test_writes_what_did_complete_when_not_everything_does(
    client: PressroomClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = demonstrate(client, (Source("t", Format.TXT, b"Green tea\nBlack tea [[fail]]\n"),), tmp_path, is_paid=False)
    assert job.status == "partially_failed"
    assert "refused: 1 item" in capsys.readouterr().err
    assert (tmp_path / "001-green-tea.md").exists()


def test_starts_nothing_when_the_topics_or_the_folder_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"gone\.csv: No such file"):
        run(tmp_path / "out", tmp_path / "gone.csv")
    with pytest.raises(CommandError, match="cannot write"):
        run(tmp_path / "file" / "out", TOPICS)


# -- the whole thing ---------------------------------------------------------------------------------------


def test_makes_50_outlines_of_50_topics_on_this_machine(tmp_path: Path) -> None:
    foreign = ("AWS_", "ANTHROPIC_", "PRESSROOM_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}

    ran = subprocess.run(
        [sys.executable, "-m", "pressroom.cli", "demo", "--out", "demo"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert "completed\t50 of 50\n" in ran.stdout
    assert "cost at list price, not charged\t$" in ran.stdout
    documents = sorted((tmp_path / "demo").glob("*.md"))
    assert len(documents) == 50
    assert documents[0].name == "001-green-tea.md"
    assert all(document.read_text().startswith("# ") for document in documents)
    lines = (tmp_path / "demo" / "results.ndjson").read_text().splitlines()
    assert [json.loads(line)["result"]["type"] for line in lines] == ["completed"] * 50
