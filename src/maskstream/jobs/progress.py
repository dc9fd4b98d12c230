"""How far a job is: plain data, handed to whoever wants to show it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What a job is doing."""

    DETECT = "detect"  #: looking for the subject
    ADAPT = "adapt"  #: fine-tuning the network on what is marked; training steps are counted, not frames
    BACKWARD = "backward"  #: following objects towards the first frame
    FORWARD = "forward"  #: following objects towards the last frame
    DRAW = "draw"  #: writing what is made from frames and label maps together
    REPLACE = "replace"  #: replacing the background
    PUBLISH = "publish"  #: giving the outputs their names
    SEQUENCES = "sequences"  #: segmenting the sequences of a data set
    SCORE = "score"  #: scoring them
    BASELINE = "baseline"  #: scoring what takes no network, for comparison


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase of a job is.

    Attributes:
        phase: what is being done.
        frame: index in the input of the frame that was finished last; None before the first, and where it
            isn't frames that are counted.
        done: frames (of data sets: sequences) of this phase that are finished, those of an interrupted run
            included.
        total: how many there will be, as far as that is known in advance; None if it isn't.
        rate: of them a second, in this run; 0 before the first.
    """

    phase: Phase
    frame: int | None
    done: int
    total: int | None
    rate: float

    @property
    def remaining(self) -> float | None:
        """Seconds until the phase ends, as far as it can be estimated."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate


OnProgress = Callable[[Progress], None]


class Meter:
    """Counts what is done of a phase and reports it.

    Args:
        on_progress: called at the start of the phase and after each frame; None: not wanted.
        phase: which.
        total: how many there are in all, or None.
        done: how many an interrupted run had finished.
    """

    def __init__(
        self, on_progress: OnProgress | None, phase: Phase, total: int | None, done: int = 0
    ) -> None:
        self._on_progress = on_progress
        self._phase, self._total, self.done = phase, total, done
        self._before = done
        self._start = time.monotonic()
        self._tell(None)

    def tick(self, frame: int | None = None) -> None:
        """One more is finished.

        Args:
            frame: its index in the input, if it is a frame.
        """
        self.done += 1
        self._tell(frame)

    def _tell(self, frame: int | None) -> None:
        if self._on_progress is not None:
            seconds = max(time.monotonic() - self._start, 1e-6)
            rate = (self.done - self._before) / seconds
            self._on_progress(Progress(self._phase, frame, self.done, self._total, rate))
