"""Keeps a source open, whatever it does, and holds its newest frame ready."""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Condition, Thread
from typing import TYPE_CHECKING

from maskstream.errors import InputError, one_line
from maskstream.live.audio import AudioTap
from maskstream.live.mailbox import Mailbox
from maskstream.live.sources.open import open_source
from maskstream.live.sources.source import Feed, Request, Source, SourceEnded, SourceError

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

logger = logging.getLogger(__name__)

_TICK = 0.05  # seconds between looks at the source, and at most until a wish to stop is seen
_SILENT = 0.9  # seconds without a frame until the source counts as stalled: with a tick, it shows within 1
_SAME = 2.0  # seconds of equal pictures, likewise
_GIVE_UP = 4.0  # seconds stalled until the source is reopened
_DELAYS = (0.5, 10.0)  # seconds until it is reopened: the first time, doubled each time, and at most
_STEADY = 2.0  # seconds of frames after which the delays start over
_LATE = 0.1  # seconds that a frame read ahead of time may be late and still be shown,
_SHOWN = 0.25  # if one was shown this many seconds ago
_HANGING = 3  # readings that may hang at once; the next one waits for one of them to return
_FASTEST = 1000.0  # frames a second, where the source doesn't say
_CLOSING = 0.7  # seconds that closing takes at most
_LINES = 8  # of every so many lines, one is compared


class Health(StrEnum):
    """How a source is."""

    OPENING = "opening"
    LIVE = "live"
    STALLED = "stalled"  #: no frame for a second, or equal ones for two
    LOST = "lost"  #: it is reopened, again and again
    ENDED = "ended"  #: a file is over, or what was named can't be used


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame as it was captured.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, upright, at the capture's size; the taker's own.
        captured: monotonic seconds at which it came; of a file, at which it was due.
        index: of the frame among those captured, from 0; frames that nobody took count too.
    """

    image: Frame
    captured: float
    index: int


@dataclass(eq=False)
class _Opening:
    """One time that the source was opened: what its reader has seen. Guarded by the capture's lock."""

    began: float
    first: float | None = None  # monotonic seconds of the first frame
    last: float | None = None  # of the latest
    due: float = 0.0  # until when the reader waits because the next frame isn't due yet
    over: Exception | None = None  # what ended it
    thread: Thread | None = field(default=None, repr=False)


class Capture:
    """A source that is kept open in threads of its own; the newest frame wins.

    Reading and watching begin at once, in daemon threads, and go on until ``close``: a source that fails,
    hangs or repeats itself is reopened after 0.5, 1, 2, ... at most 10 seconds, and nothing else has to be
    started again. A reading that hangs is abandoned; should it return, what it gives is ignored.

    Args:
        source: or its text, see ``open_source``.
        size: ``(width, height)`` of all frames; other pictures are cropped and resized to it. None: that of
            the first frame, in square pixels, made even.
        fps: frames a second at most; cameras and screens are asked for it. None: as they come.
        loop: begin a file again at its end.
        sound: whether to hold the sound, where the source has any (files and network streams).

    Attributes:
        frames: the newest frame.
        first: the first frame of all, not to be written to; None until it has come.

    Raises:
        InputError: there is no such source.

    Example:
        >>> from contextlib import closing
        >>> with closing(Capture("test:128x72@30")) as capture:
        ...     capture.wait_ready(10), capture.size
        (True, (128, 72))
    """

    def __init__(
        self,
        source: Source | str | os.PathLike[str],
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        loop: bool = False,
        sound: bool = True,
    ) -> None:
        if size is not None and min(size) < 1:
            raise InputError(f"size {size[0]}x{size[1]}: both sides must be 1 or more")
        if fps is not None and not 0 < fps <= 1000:
            raise InputError(f"{fps:g} frames a second: give more than 0 and at most 1000")
        named = isinstance(source, str | os.PathLike)
        self._source: Source = open_source(source) if named else source  # type: ignore[arg-type, assignment]
        self._request = Request(size, fps, loop, sound)
        self.frames: Mailbox[Captured] = Mailbox()
        self.first: Captured | None = None
        self._changed = Condition()
        self._closed = False
        self._current: _Opening | None = None
        self._abandoned: list[_Opening] = []
        self._health = Health.OPENING
        self._why = f"opening {self._source.name}"
        self._error: InputError | None = None
        self._size = size
        self._frame_rate: float | None = None
        self._audio: AudioTap | None = None
        self._tap = AudioTap()
        self._index = 0
        self._next = 0.0  # before when frames are too many for the wished rate
        self._checksum: int | None = None
        self._differed = time.monotonic()  # when the picture last differed from the one before
        self._watchdog = Thread(target=self._watch, name="capture-watchdog", daemon=True)
        self._watchdog.start()

    @property
    def health(self) -> Health:
        """How the source is."""
        return self._health

    @property
    def why(self) -> str:
        """Why it is so, in one line."""
        return self._why

    @property
    def error(self) -> InputError | None:
        """What the user can mend; nothing is tried again."""
        return self._error

    @property
    def name(self) -> str:
        """Of the source, without passwords."""
        return self._source.name

    @property
    def size(self) -> tuple[int, int] | None:
        """``(width, height)`` of all frames; None until it is known."""
        return self._size

    @property
    def frame_rate(self) -> float | None:
        """Frames a second, as the source says, at most those wished for; None where it doesn't say."""
        rates = [rate for rate in (self._frame_rate, self._request.fps) if rate]
        return min(rates) if rates else None

    @property
    def audio(self) -> AudioTap | None:
        """The sound; None where there is none, or until it is known."""
        return self._audio

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait for the first frame.

        Args:
            timeout: seconds; None: as long as it takes.

        Returns:
            Whether there was one in time; if not, ``why`` says what is the matter.

        Raises:
            InputError: the source can't be used, and trying again wouldn't help.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._index > 0 or self._closed or self._health is Health.ENDED, timeout
            )
            if self._error is not None:
                raise self._error
            return self._index > 0

    def close(self) -> None:
        """Stop. Returns within a second, whatever hangs."""
        with self._changed:
            self._closed = True
            opening, self._current = self._current, None
            self._changed.notify_all()
        self.frames.close()
        end = time.monotonic() + _CLOSING
        self._watchdog.join(_CLOSING)
        if opening is not None and opening.thread is not None:
            opening.thread.join(max(0.0, end - time.monotonic()))

    # The watchdog's thread.

    def _watch(self) -> None:
        delay = _DELAYS[0]
        while not self._closed:
            opening = self._begin()
            if opening is None:
                self._pause(1.0)
                continue
            problem = self._stand_by(opening)
            if problem is None:
                return
            self._tell(Health.LOST, problem)
            logger.info("%s; reopening in %.1f s", problem, delay)
            steady = opening.first is not None and (opening.last or 0.0) - opening.first > _STEADY
            if steady and not self._repeats(time.monotonic()):
                delay = _DELAYS[0]
            self._pause(delay)
            delay = min(2 * delay, _DELAYS[1])

    def _begin(self) -> _Opening | None:
        """A reader in a thread of its own; None: too many hang already."""
        opening = _Opening(time.monotonic())
        with self._changed:
            self._abandoned = [o for o in self._abandoned if o.thread is not None and o.thread.is_alive()]
            if len(self._abandoned) >= _HANGING or self._closed:
                return None
            self._current = opening
        opening.thread = Thread(target=self._read, args=(opening,), name="capture-reader", daemon=True)
        opening.thread.start()
        return opening

    def _stand_by(self, opening: _Opening) -> str | None:
        """Watch a reader until the source has to be reopened.

        Returns:
            Why; None: nothing more is to be done.
        """
        name = self._source.name
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or opening.over is not None, _TICK)
                if self._closed:
                    return None
                now = time.monotonic()
                if opening.over is not None:
                    self._current = None
                    return self._ended_by(opening.over)
                problem, since = self._problem(opening, now)
                if problem and (opening.last is None or now - since > _GIVE_UP):
                    self._current = None
                    self._abandoned.append(opening)
                    return f"{name}: {problem}"
            if problem:
                self._tell(Health.STALLED, f"{name}: {problem}")
            elif opening.last is not None:
                self._tell(Health.LIVE, f"{name} is live")

    def _problem(self, opening: _Opening, now: float) -> tuple[str, float]:
        """What is the matter with a source, if anything, and since when. With the lock held."""
        if opening.last is None:
            waited = now - opening.began
            return (f"no picture in {waited:.0f} s" if waited > self._source.patience else ""), opening.began
        silent = now - max(opening.last, opening.due)
        if silent > max(_SILENT, 2.5 / (self.frame_rate or _FASTEST)):
            return f"no new picture for {silent:.0f} s", now - silent
        if self._repeats(now):
            return f"the same picture for {now - self._differed:.0f} s", self._differed + _SAME
        return "", now

    def _repeats(self, now: float) -> bool:
        return not self._source.may_rest and now - self._differed > _SAME

    def _ended_by(self, error: Exception) -> str | None:
        """What a reader's end means: why to reopen, or None. With the lock held."""
        if isinstance(error, SourceEnded):
            self._set(Health.ENDED, f"{self._source.name}: {error}")
            return None
        if isinstance(error, InputError) and not self._index:
            self._error = error
            self._set(Health.ENDED, str(error))
            return None
        if isinstance(error, InputError | SourceError):
            return str(error)
        return f"{self._source.name}: {one_line(error)}"

    def _tell(self, health: Health, why: str) -> None:
        with self._changed:
            if not self._closed:
                self._set(health, why)

    def _set(self, health: Health, why: str) -> None:
        self._why = why
        if health is not self._health:
            logger.info("%s: %s", health, why)
            self._health = health
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    # A reader's thread.

    def _read(self, opening: _Opening) -> None:
        try:
            with closing(self._source.open(self._request, self._hear(opening))) as feed:
                while self._is_current(opening):
                    self._take(opening, feed)
        except Exception as error:
            if isinstance(error, SourceEnded):  # when its last frame has been shown
                self._wait(opening, opening.due + 1 / (self._frame_rate or 25.0))
            with self._changed:
                opening.over = error
                self._changed.notify_all()

    def _is_current(self, opening: _Opening) -> bool:
        return self._current is opening

    def _hear(self, opening: _Opening) -> Callable[[float, av.AudioFrame], None]:
        def hear(captured: float, frame: av.AudioFrame) -> None:
            if self._is_current(opening):
                self._tap.put(captured, frame)
                self._audio = self._tap

        return hear

    def _take(self, opening: _Opening, feed: Feed) -> None:
        """The next frame, if it is wanted, into the mailbox."""
        due = feed.grab()
        now = time.monotonic()
        if due is not None and now - due > _LATE and now - (opening.last or 0.0) < _SHOWN:
            return
        stamp = now if due is None else max(now, due)
        if not self._wanted(stamp):
            return
        image = self._fitted(feed)
        if due is not None and not self._wait(opening, due):
            return
        checksum = None if self._source.may_rest else zlib.crc32(image[::_LINES].tobytes())
        with self._changed:
            if not self._is_current(opening):
                return
            first = opening.last is None
            if first:
                opening.first = stamp
                self._frame_rate = feed.frame_rate
                if feed.sound:
                    self._audio = self._tap
            opening.last = time.monotonic()
            if checksum != self._checksum or not self._index:
                self._checksum, self._differed = checksum, opening.last
            frame = Captured(image, stamp, self._index)
            self.first = self.first or frame
            self.frames.put(frame)
            self._index += 1
            if self._health is not Health.LIVE and not self._repeats(opening.last):
                self._set(Health.LIVE, f"{self._source.name} is live")

    def _wanted(self, stamp: float) -> bool:
        """Whether a frame isn't one too many for the wished rate."""
        if self._request.fps is None:
            return True
        step = 1 / self._request.fps
        if stamp < self._next - step / 4:
            return False
        self._next = max(self._next, stamp - step) + step
        return True

    def _wait(self, opening: _Opening, due: float) -> bool:
        """Wait until a frame is due; whether it is still wanted then."""
        with self._changed:
            opening.due = due
            self._changed.wait_for(
                lambda: self._closed or not self._is_current(opening), max(0.0, due - time.monotonic())
            )
            return self._is_current(opening)

    def _fitted(self, feed: Feed) -> Frame:
        """The feed's picture at the size of all frames, which the first one sets."""
        from maskstream.background.fit import Fit  # OpenCV's import is not waited for before the source opens

        image = feed.picture()
        rows, columns = image.shape[:2]
        if self._size is None:
            width = max(2, round(columns * feed.pixel_aspect))
            self._size = width - width % 2, max(2, rows - rows % 2)
        width, height = self._size
        if feed.pixel_aspect == 1 and 0 <= rows - height <= 1 and 0 <= columns - width <= 1:
            image = image[:height, :width]  # the odd line of a picture that was made even
            return image if image.flags.c_contiguous else image.copy()
        return Fit("cover")(image, height, width, feed.pixel_aspect, quick=True)
