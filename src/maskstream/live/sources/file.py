"""A video file as a source, in real time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
from av.error import FFmpegError

from maskstream.errors import InputError, one_line
from maskstream.live.sources.clock import Clock
from maskstream.live.sources.source import Hear, Request, SourceEnded
from maskstream.live.sources.stream import ContainerFeed, StreamFeed
from maskstream.video.probe import open_video

logger = logging.getLogger(__name__)


class FileFeed(ContainerFeed):
    """A file in real time; looped, one pass after the other.

    Args:
        path: of the file.
        request: whether to loop, and whether sound is wanted.
        hear: takes the sound.

    Raises:
        InputError: it can't be read.
    """

    def __init__(self, path: Path, request: Request, hear: Hear) -> None:
        super().__init__()
        self._path = path
        self._loop = request.loop
        self._hear = hear if request.sound else None
        self._end: float | None = None  # when the next pass begins
        self._frames = self._begin()

    def _begin(self) -> Iterator[tuple[av.VideoFrame, float]]:
        self._stack.close()
        self._clock = Clock()
        container, video = self._stack.enter_context(open_video(self._path))
        self._feed = StreamFeed(str(self._path), container, video, self._clock, self._hear)
        self.frame_rate, self.sound = self._feed.frame_rate, self._feed.sound
        return self._stack.enter_context(closing(self._feed.frames()))

    def grab(self) -> float:
        """The next frame, and when it is due."""
        try:
            found = next(self._frames, None)
        except FFmpegError as error:
            logger.warning("%s: reading stops here, the rest is damaged (%s)", self._path, one_line(error))
            found = None
        if found is None:
            if self._current is None:
                raise InputError(f"{self._path}: no frame can be decoded from it; it is empty or damaged")
            if not self._loop:
                raise SourceEnded("the file has ended")
            self._current = None
            self._frames = self._begin()
            return self.grab()
        frame, stamp = found
        now = time.monotonic()
        first = self._current is None
        due = self._clock.due(stamp, now if not first else max(now, self._end or now), self._feed.step)
        if first:
            self._feed.hand_on()
        self._current = self._feed, frame
        self._end = due + self._feed.step
        return due
