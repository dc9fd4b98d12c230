"""Containers as sources: decoded by PyAV, upright and in RGB, with their sound."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Generator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from maskstream.arrays import Frame
from maskstream.errors import InputError, one_line
from maskstream.live.sources.clock import Clock
from maskstream.live.sources.source import Hear, SourceError
from maskstream.video.colour import ColourTags, RgbConverter
from maskstream.video.opening import OPEN_OPTIONS, TEXT_FORMATS
from maskstream.video.probe import Orientation, fraction

logger = logging.getLogger(__name__)

READ_SECONDS = 4.0  #: until a server counts as dead
_NAP = 0.005  # seconds until a device is asked again
_FASTEST = 480.0  # frames a second; more is a clock's rate that a container gives for want of better


class Refused(SourceError):
    """A device that is there didn't take the options."""


class StreamFeed:
    """Frames of one video stream of a container, and the sound beside it.

    A damaged packet is left out. Where the size of the stored picture changes, so does that of the frames.

    Args:
        name: for messages.
        container: open.
        video: its stream.
        clock: that stamps are taken by.
        hear: takes the sound; None: it isn't wanted.
        untagged: colours of pictures that don't say.
    """

    def __init__(
        self,
        name: str,
        container: InputContainer,
        video: VideoStream,
        clock: Clock,
        hear: Hear | None,
        untagged: ColourTags | None = None,
    ) -> None:
        self._name = name
        self._container = container
        self._video = video
        self._clock = clock
        self._hear = hear
        audio = [s for s in container.streams.audio if s.codec_context is not None] if hear else []
        self._audio: AudioStream | None = audio[0] if audio else None
        self.sound = self._audio is not None
        rate = float(fraction(video.average_rate) or fraction(video.guessed_rate) or 0)
        self.frame_rate = rate if 0 < rate <= _FASTEST else None
        self.step = 1 / (self.frame_rate or 25.0)
        self._aspect = float(fraction(video.sample_aspect_ratio) or 1)
        tags = ColourTags.of(video.codec_context)
        self._rgb = RgbConverter(name, untagged if untagged and tags.matrix == ColourTags().matrix else tags)
        self._orientation = Orientation()
        self._stored: tuple[int, int] | None = None
        self._stamp = -self.step
        self._early: list[tuple[float, AudioFrame]] = []

    def frames(self) -> Generator[tuple[av.VideoFrame, float], None, None]:
        """Decoded frames with their stamps, as they come; sound is handed on meanwhile.

        Raises:
            FFmpegError: reading fails.
        """
        streams: list[Any] = [s for s in (self._video, self._audio) if s is not None]
        packets = self._container.demux(*streams)
        waiting = 0.0
        while True:
            try:
                packet = next(packets, None)
            except av.error.BlockingIOError:  # devices of macOS say so rather than wait
                if waiting > READ_SECONDS:
                    raise
                waiting += _NAP
                time.sleep(_NAP)
                packets = self._container.demux(*streams)
                continue
            if packet is None:
                return
            waiting = 0.0
            try:
                decoded: list[Any] = packet.decode()
            except FFmpegError as error:
                logger.debug("%s: a packet could not be decoded (%s)", self._name, error)
                continue
            for frame in decoded:
                if isinstance(frame, AudioFrame):
                    self._heard(frame)
                else:
                    yield frame, self._stamp_of(frame)

    def picture(self, frame: av.VideoFrame) -> Frame:
        """``(H, W, 3)`` uint8 RGB, upright."""
        if self._stored != (frame.width, frame.height):
            self._stored = (frame.width, frame.height)
            self._orientation = Orientation.of(frame)
        return self._orientation.apply(self._rgb(frame))

    @property
    def pixel_aspect(self) -> float:
        """Width / height of one pixel, upright."""
        return 1 / self._aspect if self._orientation.transpose else self._aspect

    def hand_on(self) -> None:
        """Hand on the sound that came before the clock was set."""
        early, self._early = self._early, []
        for stamp, frame in early:
            at = self._clock.at(stamp)
            if at is not None and self._hear is not None:
                self._hear(at, frame)

    def _stamp_of(self, frame: av.VideoFrame) -> float:
        pts = frame.pts if frame.pts is not None else frame.dts
        base = fraction(frame.time_base) or fraction(self._video.time_base)
        self._stamp = float(pts * base) if pts is not None and base else self._stamp + self.step
        return self._stamp

    def _heard(self, frame: AudioFrame) -> None:
        base: Fraction | None = fraction(frame.time_base)
        if self._hear is None or frame.pts is None or not base:
            return
        stamp = float(frame.pts * base)
        at = self._clock.at(stamp)
        if at is not None:
            self._hear(at, frame)
        elif len(self._early) < 500:
            self._early.append((stamp, frame))


class ContainerFeed:
    """What feeds made of ``StreamFeed``s have in common: the current frame, in the current stream."""

    sound = False
    frame_rate: float | None = None

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._current: tuple[StreamFeed, av.VideoFrame] | None = None

    @property
    def pixel_aspect(self) -> float:
        """Width / height of one pixel."""
        return self._current[0].pixel_aspect if self._current else 1.0

    def picture(self) -> Frame:
        """The frame that was grabbed."""
        if self._current is None:
            raise SourceError("no frame was grabbed yet")
        feed, frame = self._current
        return feed.picture(frame)

    def close(self) -> None:
        """Close the container."""
        self._current = None
        self._stack.close()


def open_container(
    stack: ExitStack,
    name: str,
    url: str,
    kind: str | None,
    options: dict[str, str],
    timeout: tuple[float, float] | None,
) -> InputContainer:
    """Open what FFmpeg can read; the stack closes it.

    Raises:
        InputError: FFmpeg has no such protocol or device, or what is there is no video.
        SourceError: it is not there now; ``Refused``: it is there, but not with these options.
    """
    try:
        container: InputContainer = av.open(
            url, mode="r", format=kind, options=options, timeout=timeout, **OPEN_OPTIONS
        )
    except FFmpegError as error:
        if isinstance(error, av.error.ProtocolNotFoundError | av.error.DemuxerNotFoundError):
            raise _unknown(name, url, kind) from error
        gone = isinstance(error, av.error.FileNotFoundError | av.error.PermissionError)
        gone = gone or error.errno in (errno.EBUSY, errno.ENODEV)
        raise (SourceError if gone else Refused)(f"{name}: {reason_of(error)}") from error
    except ValueError as error:  # PyAV's own, for a demuxer
        raise _unknown(name, url, kind) from error
    return stack.enter_context(container)


def _unknown(name: str, url: str, kind: str | None) -> InputError:
    what = kind or url.partition(":")[0] + "://"
    return InputError(
        f"source {name}: the FFmpeg inside this PyAV has no {what}; use another protocol or device, "
        "or a PyAV that was built with it"
    )


def video_stream(name: str, container: InputContainer) -> VideoStream:
    """The first stream of pictures, decoded without the delay of several frames at once.

    Raises:
        InputError: there is none that can be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams or streams[0].codec_context is None or container.format.name in TEXT_FORMATS:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"source {name}: no pictures that can be decoded in it (it holds {kinds})")
    streams[0].thread_type = "SLICE"
    return streams[0]


def reason_of(error: FFmpegError) -> str:
    """Why, in a user's words."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "nothing came in time; is it running?"
    if error.errno == errno.EBUSY:
        return "it is in use by another program; close that one"
    if isinstance(error, av.error.PermissionError):
        return "this user may not open it" + ("; see the group video" if os.name == "posix" else "")
    return one_line(error).lower()
