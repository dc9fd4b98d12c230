"""The sound of a source, held for a while for sinks that carry sound."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import av


class Heard(NamedTuple):
    """A piece of sound.

    Attributes:
        captured: monotonic seconds of its first sample, on the clock that frames are stamped with. That of a
            file may lie a little ahead of now.
        frame: decoded; shared by all who read, so not to be written to. Its rate and layout may change when a
            source was reopened.
    """

    captured: float
    frame: av.AudioFrame


class AudioTap:
    """A bounded ring of sound: what is older than the newest by too much is forgotten.

    Written by the capture; read by any number of sinks, each in its own thread with a reader of its own.

    Args:
        seconds: of sound that are held at most.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        self._limit = seconds
        self._held: deque[tuple[Heard, float]] = deque()  # with its length in seconds
        self._length = 0.0
        self._first = 0  # serial number of the oldest that is held
        self._lock = Lock()

    @property
    def seconds(self) -> float:
        """Length of the sound that is held."""
        return self._length

    def put(self, captured: float, frame: av.AudioFrame) -> None:
        """Add the newest piece.

        Args:
            captured: monotonic seconds of its first sample.
            frame: decoded sound.
        """
        length = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        if length <= 0:
            return
        with self._lock:
            self._held.append((Heard(captured, frame), length))
            self._length += length
            while self._length > self._limit and len(self._held) > 1:
                self._length -= self._held.popleft()[1]
                self._first += 1

    def reader(self) -> AudioReader:
        """A place to read on from; it begins with the oldest that is held."""
        return AudioReader(self)

    def _after(self, serial: int, until: float | None) -> tuple[list[Heard], int, int]:
        """What comes from a serial number on, the number to ask for next, and how many were forgotten."""
        with self._lock:
            missed = max(0, self._first - serial)
            found = []
            for heard, _ in list(self._held)[max(0, serial - self._first) :]:
                if until is not None and heard.captured > until:
                    break
                found.append(heard)
            return found, max(serial, self._first) + len(found), missed


class AudioReader:
    """One sink's place in an ``AudioTap``; used by one thread at a time.

    Attributes:
        missed: pieces that were forgotten before they were read.
    """

    def __init__(self, tap: AudioTap) -> None:
        self.missed = 0
        self._tap = tap
        self._next = tap._first

    def take(self, until: float | None = None) -> list[Heard]:
        """What was not taken yet, in order. Never waits.

        Args:
            until: monotonic seconds; pieces that begin later are left for the next time. None: all.
        """
        found, self._next, missed = self._tap._after(self._next, until)
        self.missed += missed
        return found
