"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from maskstream.jobs.job import JobResult
    from maskstream.jobs.progress import Progress

T = TypeVar("T")
PLAIN_SECONDS = 10.0  #: between two plain lines
#: What phases of jobs are called; of others nothing is shown.
LABELS = {
    "adapt": "adapting",
    "backward": "segmenting",
    "forward": "segmenting",
    "draw": "drawing",
    "replace": "replacing",
    "sequences": "sequences",
    "score": "score",
    "baseline": "baselines",
}


def say(text: str, quiet: bool) -> None:
    """A line for the user, on standard error; nothing when quiet."""
    if not quiet:
        print(text, file=sys.stderr)


def progress(
    items: Iterable[T], label: str, total: int | None, *, done: int = 0, quiet: bool = False
) -> Generator[T, None, None]:
    """Hand on the items while showing how many there were, the rate, and the time that is left.

    Close it (``contextlib.closing``) where the loop may be left early: the bar gives the terminal back then.

    Args:
        items: the work.
        label: what it is called.
        total: how many items there are in all, those ``done`` included; None if not known.
        done: how many were done before, in an interrupted run.
        quiet: show nothing.
    """
    shown = Bar(label, quiet)
    start = time.monotonic()
    try:
        shown.show(done, total, 0)
        for count, item in enumerate(items, 1):
            yield item
            shown.show(done + count, total, count / max(time.monotonic() - start, 1e-6))
        shown.finish()
    finally:
        shown.close()


class JobBar:
    """Shows how far a job is; it is the job's ``on_progress``.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._phase = ""
        self._bar: Bar | None = None

    def __enter__(self) -> JobBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(whole=kind is None)

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        if progress.phase not in LABELS:
            return
        if self._bar is None or progress.phase != self._phase:
            self._end(whole=True)
            self._phase, self._bar = progress.phase, Bar(LABELS[progress.phase], self._quiet)
        self._bar.show(progress.done, progress.total, progress.rate)

    def _end(self, whole: bool) -> None:
        if self._bar is not None:
            if whole:
                self._bar.finish()
            self._bar.close()
            self._bar = None


def say_result(result: JobResult, quiet: bool) -> None:
    """Say how many frames were written, and where to."""
    s = "s" * (result.frames != 1)
    say(f"{result.frames} frame{s}: {', '.join(map(str, result.outputs))}", quiet)


class Bar:
    """A bar on a terminal, plain lines now and then elsewhere, nothing when quiet.

    Args:
        label: what the work is called.
        quiet: show nothing.
    """

    def __init__(self, label: str, quiet: bool) -> None:
        self._label = label
        self._bar: Any = None
        self._lines = not quiet and not sys.stderr.isatty()
        self._last = time.monotonic()
        if not quiet and sys.stderr.isatty():
            self._bar, self._task = _rich_bar(label)
            self._bar.start()

    def show(self, done: int, total: int | None, rate: float) -> None:
        """So much is done, at so many a second."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, rate=f"{rate:.1f}/s" if rate else "")
        elif self._lines and time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            text = f"{self._label}: {done}{f'/{total}' if total else ''}, {rate:.1f}/s"
            if total and rate:
                text += f", {timedelta(seconds=round(max(0, total - done) / rate))} left"
            print(text, file=sys.stderr)

    def finish(self) -> None:
        """All is done: the total may have been an estimate."""
        if self._bar is not None:
            self._bar.update(self._task, total=self._bar.tasks[0].completed)

    def close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()


def _rich_bar(label: str) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    return bar, bar.add_task(label, total=None, rate="")
