"""Time stamps of a stream on the clock of this machine."""

from __future__ import annotations

_FORTH, _BACK = 0.02, 0.1  # of a delay's change, later and earlier, that a frame brings about
_LATE = 1.0  # seconds that a paced source may be behind before it continues from where it is
_GAP = 10.0  # seconds between frames that are a broken clock rather than a pause


class Clock:
    """Time stamps of a stream, in seconds, to monotonic seconds."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last: float | None = None

    def at(self, stamp: float) -> float | None:
        """Monotonic seconds of a time stamp; None before the first frame."""
        return None if self._offset is None else stamp + self._offset

    def due(self, stamp: float, now: float, step: float) -> float:
        """When a frame of a source that is read ahead of time is due.

        Stamps that jump, and a reader that is far behind, set the clock anew.

        Args:
            stamp: of the frame.
            now: monotonic seconds.
            step: seconds from one frame to the next, where the stamps don't say.
        """
        offset, last = self._offset, self._last
        self._last = stamp
        if offset is None or last is None:
            self._offset = now - stamp
        elif not -_LATE < stamp - last < _GAP:
            self._offset = max(now, last + offset + step) - stamp
        elif now - (stamp + offset) > _LATE:
            self._offset = now - stamp
        return stamp + (self._offset or 0.0)

    def arrived(self, stamp: float, now: float) -> None:
        """A frame of a source that comes in its own time has come: the mean delay is followed slowly."""
        late = None if self._offset is None else now - stamp - self._offset
        if self._offset is None or late is None or abs(late) > _LATE:
            self._offset = now - stamp
        else:
            # What was buffered while the stream was opened comes late; the rest tells the true delay.
            self._offset += (_FORTH if late > 0 else _BACK) * late
