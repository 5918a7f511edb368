"""``results``: what is finished, to standard output, into one file, or into one Markdown file an item."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.terminal import emit_bytes, say, warn
from pressroom.cli.wording import items

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pressroom.cli.session import Session
    from pressroom.client import Job, PressroomClient

__all__ = ["Written", "file_name", "new_file", "send_results", "writable_folder", "write_markdown_files"]

_LONGEST_NAME: Final = 60
_COMPLETED: Final = "completed"


@dataclass(frozen=True, slots=True)
class Written:
    """How many files were written, and how many items gave none because they did not complete."""

    files: int
    without: int


def send_results(
    session: Session, job_id: str, form: str, *, output: Path | None, folder: Path | None, overwrite: bool
) -> None:
    """The results of ``job_id`` to where they were asked for."""
    project = session.project_id()
    job = session.client.get_job(project, job_id)
    if job is not None and not job.is_final:
        warn(f"{job_id} is {job.status}: these are the {job.progress.done} of {items(job.counts.total)} done so far.")
    if folder is not None and job is not None:
        writable_folder(folder, overwrite=overwrite)
        written = write_markdown_files(session.client, job, folder)
        say(f"Wrote {written.files:,} files to {folder}.")
        if written.without:
            say(f"{items(written.without)} did not complete and have no file: {session.again('items', job_id)}")
        return
    pages = session.client.result_pages(project, job_id, form)
    if output is None:
        for page in pages:
            emit_bytes(page)
        return
    with new_file(output, overwrite=overwrite) as file:
        for page in pages:
            file.write(page)
    say(f"Wrote {output}.")


def write_markdown_files(client: PressroomClient, job: Job, folder: Path) -> Written:
    """One Markdown file for each completed item, named by position and custom id or topic."""
    digits = max(3, len(str(job.counts.total)))
    files = without = 0
    for line in client.results(job.project_id, job.id):
        result = line.get("result", {})
        if result.get("type") != _COMPLETED:
            without += 1
            continue
        text = _markdown(job.kind, line.get("input", {}), result.get("output"))
        with new_file(folder / file_name(line, digits), overwrite=True) as file:
            file.write(text.encode())
        files += 1
    return Written(files, without)


def file_name(line: Mapping[str, Any], digits: int) -> str:
    """``001-green-tea.md``: letters, digits and hyphens only, so that no shell and no file system minds."""
    label = line.get("custom_id") or next(iter(line.get("input", {}).values()), "")
    plain = unicodedata.normalize("NFKD", str(label)).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_NAME].strip("-")
    number = f"{int(line.get('position', 0)):0{digits}d}"
    return f"{number}-{slug}.md" if slug else f"{number}.md"


def writable_folder(folder: Path, *, overwrite: bool) -> None:
    """Makes the folder.

    Raises:
        CommandError: it cannot be made, or holds something and ``overwrite`` was not said.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_used = any(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from error
    if is_used and not overwrite:
        raise CommandError(
            f"{folder} is not empty", ExitCode.BAD_INPUT, hint="--overwrite writes over files of the same name."
        )


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file that appears under its name when it is complete, and not at all when something fails before.

    Raises:
        CommandError: it cannot be written, or exists and ``overwrite`` was not said.
    """
    target = path.resolve()
    is_device = target.exists() and not target.is_file()  # a pipe, or /dev/null: nothing that could be replaced
    if target.is_file() and not overwrite:
        raise CommandError(f"{path} exists already", ExitCode.BAD_INPUT, hint="--overwrite replaces it.")
    unfinished = target if is_device else target.with_name(f".pressroom-{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        if not is_device:
            unfinished.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if not is_device:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"cannot write {path}: {error.strerror or error}", ExitCode.BAD_INPUT)


def _markdown(kind: str, values: Mapping[str, Any], output: Any) -> str:  # noqa: ANN401  JSON
    """An item as a document; a kind or a form that this version does not know stays JSON."""
    # Imported here: the kinds' models are the slow part of this command, and only this way needs them.
    from shared.errors import CorruptRowError  # noqa: PLC0415
    from shared.generation.kinds import KINDS  # noqa: PLC0415

    try:
        if kind in KINDS and isinstance(output, dict):
            return KINDS[kind].to_markdown(values, output)
    except CorruptRowError:
        pass
    return f"```json\n{json.dumps(output, ensure_ascii=False, indent=2)}\n```\n"
