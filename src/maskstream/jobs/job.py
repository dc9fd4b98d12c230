"""What all jobs have in common: any thread may pause and cancel them, and they tell how far they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from maskstream.jobs.progress import Meter, OnProgress, Phase, Progress

_POLL_SECONDS = 0.1  #: how soon a paused job notices Ctrl-C


class JobCancelled(Exception):
    """A job was cancelled. The message says what is left of it, and whether it can be resumed."""


@dataclass(frozen=True)
class JobResult:
    """What a job has done.

    Attributes:
        frames: how many were worked on, in an interrupted run too.
        outputs: what was written, folders first.
    """

    frames: int
    outputs: tuple[Path, ...]


class Job:
    """One run over one input. ``run`` is called once; all else may be called from any thread, at any time.

    Args:
        on_progress: called with the progress so far, in the job's own thread.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._on_progress = on_progress
        self._going = Event()
        self._going.set()
        self._cancelled = Event()

    def pause(self) -> None:
        """Stop after the frames that are under way, until `unpause` or `cancel`."""
        self._going.clear()

    def unpause(self) -> None:
        """Continue after `pause`."""
        self._going.set()

    def cancel(self) -> None:
        """Stop after the frames that are under way: ``run`` saves what it can and raises `JobCancelled`."""
        self._cancelled.set()
        self._going.set()

    @property
    def is_paused(self) -> bool:
        """Whether it was paused."""
        return not self._going.is_set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled.is_set()

    def meter(self, phase: Phase, total: int | None, done: int = 0) -> Meter:
        """What counts the frames of a phase, for the work itself."""
        return Meter(self._on_progress, phase, total, done)

    def tell(self, phase: Phase, done: int, total: int | None, rate: float) -> None:
        """Report work that isn't counted in frames; see `Progress`."""
        if self._on_progress is not None:
            self._on_progress(Progress(phase, None, done, total, rate))

    def stay(self) -> None:
        """Stay here while the job is paused.

        Raises:
            JobCancelled: it was cancelled.
        """
        if not self.wait():
            raise JobCancelled("nothing was done yet")

    def told(self, progress: Progress) -> None:
        """Hand on the progress of work that can't be paused itself, and stay here meanwhile."""
        self.stay()
        if self._on_progress is not None:
            self._on_progress(progress)

    def wait(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Stay here while the job is paused.

        Args:
            stopped: whether something else ends the waiting.

        Returns:
            Whether to go on: it isn't cancelled.
        """
        while not self._going.wait(_POLL_SECONDS) and not stopped():
            pass
        return not self._cancelled.is_set()
