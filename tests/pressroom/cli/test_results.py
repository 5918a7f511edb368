from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pressroom.cli.results import file_name
from shared.generation.kinds import KINDS
from tests.support.fake_api import Answer, FakeApi, FakeJob

if TYPE_CHECKING:
    from tests.pressroom.cli.conftest import Command, Start

OUTPUT: dict[str, Any] = {
    "title": "Tea, briefly",
    "summary": "What tea is.",
    "sections": [
        {"heading": "Leaves", "key_points": ["Pick them."], "word_count": 100},
        {"heading": "Water", "key_points": ["Heat it."], "word_count": 100},
    ],
    "keywords": ["tea"],
}


@pytest.fixture
def job(api: FakeApi) -> FakeJob:
    """Five items: three completed, one failed, one still queued."""
    job = api.add_job(api.add_project("Blog"), ["Green tea", "Black tea [[fail]]", "White tea", "Oolong", "Mate"])
    job.settle(4)
    job.items[0]["output"] = OUTPUT
    return job


def positions(text: str) -> list[int]:
    return [json.loads(line)["position"] for line in text.splitlines()]


def test_streams_lines_to_standard_output(command: Command, job: FakeJob) -> None:
    ran = command("results", job.id)
    assert ran.code == 0
    assert positions(ran.out) == [1, 2, 3, 4]
    assert "job_1 is processing: these are the 4 of 5 items done so far." in ran.err


def test_passes_another_format_through(command: Command, api: FakeApi, job: FakeJob) -> None:
    csv = "position,title\r\n1,Thé\r\n".encode()
    api.refuse("GET .*/results", Answer(200, raw=csv, headers={"Content-Type": "text/csv"}))
    ran = command("results", job.id, "--format", "csv")
    assert ran.out.encode() == csv
    assert api.calls("GET .*/results")[0].query == {"format": "csv"}


def test_writes_a_file_and_says_so(command: Command, job: FakeJob, tmp_path: Path) -> None:
    ran = command("results", job.id, "--output", "out.ndjson")
    assert ran.code == 0
    assert ran.out == ""
    assert "Wrote out.ndjson." in ran.err
    assert positions((tmp_path / "out.ndjson").read_text()) == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["out.ndjson"]


def test_gives_files_the_permissions_that_the_user_wants(command: Command, job: FakeJob, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        command("results", job.id, "--output", "out.ndjson")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.ndjson").stat().st_mode) == 0o640


def test_replaces_no_file_unless_told_to(command: Command, job: FakeJob, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    refused = command("results", job.id, "--output", "out")
    assert refused.code == 2
    assert "out exists already" in refused.err
    assert (tmp_path / "out").read_text() == "precious"

    assert command("results", job.id, "--output", "out", "--overwrite").code == 0
    assert positions((tmp_path / "out").read_text()) == [1, 2, 3, 4]


def test_writes_through_a_link_and_keeps_it(command: Command, job: FakeJob, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    command("results", job.id, "--output", "link", "--overwrite")
    assert (tmp_path / "link").is_symlink()
    assert positions((tmp_path / "real").read_text()) == [1, 2, 3, 4]


def test_writes_to_a_device_as_it_is(command: Command, job: FakeJob) -> None:
    assert command("results", job.id, "--output", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_leaves_no_half_file_when_the_connection_breaks(
    command: Command, api: FakeApi, job: FakeJob, tmp_path: Path
) -> None:
    seen: list[object] = []

    def break_after_the_first(_: object) -> None:
        if len(api.calls("GET .*/results")) == 1 and not seen:
            seen.append(1)
            api.refuse("GET .*/results.*", Answer(500, {"detail": "Oh."}), times=1)

    api.refuse("GET .*/results", Answer(200, raw=b'{"position": 1}\n', headers={"Link": '<?cursor=2>; rel="next"'}))
    api.on_ask = break_after_the_first
    ran = command("results", job.id, "--output", "out")
    assert ran.code == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--output", "--dir"])
def test_says_that_it_cannot_write(command: Command, job: FakeJob, tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    ran = command("results", job.id, option, "file/below")
    assert ran.code == 2
    assert "cannot write file/below: " in ran.err


def test_refuses_a_file_and_a_folder_at_once(command: Command, job: FakeJob) -> None:
    ran = command("results", job.id, "--output", "a", "--dir", "b")
    assert ran.code == 2
    assert "--output and --dir contradict each other" in ran.err


def test_writes_one_markdown_file_for_each_completed_item(command: Command, job: FakeJob, tmp_path: Path) -> None:
    ran = command("results", job.id, "--dir", "out/deep")

    assert ran.code == 0
    assert sorted(path.name for path in (tmp_path / "out/deep").iterdir()) == [
        "001-green-tea.md",
        "003-white-tea.md",
        "004-oolong.md",
    ]
    text = (tmp_path / "out/deep/001-green-tea.md").read_text()
    assert text == KINDS["outline"].to_markdown({"topic": "Green tea"}, OUTPUT)
    assert "Wrote 3 files to out/deep." in ran.err
    assert "1 item did not complete and have no file" in ran.err


def test_keeps_json_where_the_output_is_of_a_form_that_is_not_known(
    command: Command, job: FakeJob, tmp_path: Path
) -> None:
    command("results", job.id, "--dir", "out")
    assert (tmp_path / "out/003-white-tea.md").read_text() == '```json\n{\n  "title": "About White tea"\n}\n```\n'


def test_writes_into_no_used_folder_unless_told_to(command: Command, job: FakeJob, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("precious")
    refused = command("results", job.id, "--dir", "out")
    assert refused.code == 2
    assert "out is not empty" in refused.err
    assert command("results", job.id, "--dir", "out", "--overwrite").code == 0
    assert (tmp_path / "out/notes.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ({"position": 1, "custom_id": "tea-1", "input": {"topic": "Green"}}, "001-tea-1.md"),
        (
            {"position": 2, "custom_id": None, "input": {"topic": "Café & crème, $(rm -rf /)"}},
            "002-cafe-creme-rm-rf.md",
        ),
        ({"position": 3, "custom_id": "../../etc/passwd", "input": {}}, "003-etc-passwd.md"),
        ({"position": 4, "custom_id": None, "input": {"topic": "緑茶"}}, "004.md"),
        ({"position": 5, "custom_id": "x" * 300, "input": {}}, f"005-{'x' * 60}.md"),
        ({"position": 12345, "custom_id": "-n", "input": {}}, "12345-n.md"),
    ],
)
def test_makes_names_that_no_shell_minds(line: dict[str, Any], name: str) -> None:
    assert file_name(line, 3) == name


def test_ends_quietly_when_nobody_reads_on(api: FakeApi, start: Start, job: FakeJob) -> None:
    api.page = 1
    for item in job.items:
        item["output"] = {"title": "x" * 100_000}
    process = start("results", job.id)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    shown = process.stderr.read()
    assert process.wait(20) == 141
    assert b"Traceback" not in shown
    assert b"Broken" not in shown


def test_streams_while_the_rest_is_still_to_come(api: FakeApi, start: Start, job: FakeJob) -> None:
    api.page = 1
    process = start("results", job.id, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert positions(process.stdout.read().decode()) == [1, 2, 3, 4]
    assert len(api.calls("GET .*/results")) == 4
