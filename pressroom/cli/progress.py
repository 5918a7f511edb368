"""A job's progress: a live bar for a person, plain lines for a log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from pressroom.cli.terminal import drawing, is_live, say
from pressroom.cli.wording import ends_in, money
from shared.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from rich.progress import Task

    from pressroom.client import Job

__all__ = ["Display", "job_display", "upload_display"]

_WIDE_ENOUGH_FOR_COST: Final = 72
_WIDE_ENOUGH_FOR_TIME: Final = 56
_REFRESHES_PER_SECOND: Final = 4
_LINE_EVERY_SECONDS: Final = 5.0


class Display(Protocol):
    """Shows a job as it is now."""

    def show(self, job: Job) -> None:
        """The job changed."""
        ...


@contextmanager
def job_display(clock: Clock | None = None) -> Iterator[Display]:
    """What fits standard error: a live bar where it is a terminal, lines elsewhere."""
    clock = clock or SystemClock()
    if not is_live():
        yield _Lines(clock)
        return
    with drawing() as console:
        progress = Progress(*_columns(console.width, clock), console=console, refresh_per_second=_REFRESHES_PER_SECOND)
        with progress:
            yield _Bar(progress)


@contextmanager
def upload_display(total_bytes: int) -> Iterator[Progress | None]:
    """The way of a request to the server; nothing for a request that is gone in one go."""
    if not is_live() or total_bytes < 256 * 1024:
        yield None
        return
    from rich.progress import DownloadColumn, TimeRemainingColumn  # noqa: PLC0415

    with drawing() as console:
        columns = (TextColumn("Sending"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task("", total=total_bytes)
            yield progress


class _Bar:
    """The live bar. Its counts are the newest it was shown, whatever order answers come in."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._version = -1

    def show(self, job: Job) -> None:
        if job.version < self._version:
            return
        self._version = job.version
        if self._task is None:
            self._task = self._progress.add_task("", total=job.progress.total, job=job)
        self._progress.update(self._task, completed=job.progress.done, total=job.progress.total, job=job)


class _Lines:
    """A line when the status changes, and every few seconds when the counts do; how it ends, others tell."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: Job | None = None
        self._shown_at: datetime | None = None

    def show(self, job: Job) -> None:
        if job.is_final or job.is_paused:
            return
        now, shown = self._clock.now(), self._shown
        if shown is not None and self._shown_at is not None:
            if job.version < shown.version:
                return
            is_early = (now - self._shown_at).total_seconds() < _LINE_EVERY_SECONDS
            if job.status == shown.status and (is_early or job.counts == shown.counts):
                return
        self._shown, self._shown_at = job, now
        counts, left = job.counts, ends_in(job, now)
        failed = f", {counts.failed} failed" if counts.failed else ""
        say(
            f"{job.id} {job.status}: {job.progress.done}/{job.progress.total}{failed}, "
            f"{money(job.usage.cost_usd)}" + (f", {left} left" if left else "")
        )


class _JobColumn(ProgressColumn):
    """A column that is made from the job."""

    def __init__(self, text_of: Callable[[Job], Text]) -> None:
        super().__init__()
        self._text_of = text_of

    def render(self, task: Task) -> Text:
        return self._text_of(task.fields["job"])


def _status(job: Job) -> Text:
    return Text(job.status, style="bold", no_wrap=True)


def _counts(job: Job) -> Text:
    text = Text(f"{job.progress.done}/{job.progress.total}", no_wrap=True)
    return text.append(f" {job.counts.failed} failed", "red") if job.counts.failed else text


def _cost(job: Job) -> Text:
    return Text(money(job.usage.cost_usd), no_wrap=True)


def _columns(width: int, clock: Clock) -> list[ProgressColumn]:
    def left(job: Job) -> Text:
        time = ends_in(job, clock.now())
        return Text(f"{time} left" if time else "", style="cyan", no_wrap=True)

    columns = [_JobColumn(_status), BarColumn(bar_width=None), _JobColumn(_counts)]
    if width >= _WIDE_ENOUGH_FOR_COST:
        columns.append(_JobColumn(_cost))
    if width >= _WIDE_ENOUGH_FOR_TIME:
        columns += [TimeElapsedColumn(), _JobColumn(left)]
    return columns
