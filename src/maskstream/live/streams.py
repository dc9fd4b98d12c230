"""Files and network streams as sources: decoded by PyAV, upright and in RGB, with their sound."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from maskstream.errors import InputError
from maskstream.live.sources import Hear, Request, SourceEnded, SourceError, one_line
from maskstream.video.colour import ColourTags, RgbConverter
from maskstream.video.probe import OPEN_OPTIONS, TEXT_FORMATS, Orientation, fraction, open_video

Frame = NDArray[np.uint8]
logger = logging.getLogger(__name__)

_OPEN_SECONDS, _READ_SECONDS = 10.0, 4.0  # until a server counts as dead
_NAP = 0.005  # seconds until a device is asked again
_FORTH, _BACK = 0.02, 0.1  # of a delay's change, later and earlier, that a frame brings about
_LATE = 1.0  # seconds that a paced source may be behind before it goes on from where it is
_GAP = 10.0  # seconds between frames that are a broken clock rather than a pause
_FASTEST = 480.0  # frames a second; more is a clock's rate that a container gives for want of better


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
                if waiting > _READ_SECONDS:
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


class _Feed:
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


class FileFeed(_Feed):
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


class NetworkFeed(_Feed):
    """A network stream: frames as they come; paced by their stamps where they come in bursts (HLS, files).

    Args:
        url: of the stream.
        name: of it in messages.
        request: whether sound is wanted.
        hear: takes the sound.

    Raises:
        InputError: FFmpeg can't do such streams.
        SourceError: there is none now.
    """

    def __init__(self, url: str, name: str, request: Request, hear: Hear) -> None:
        super().__init__()
        self._name = name
        container = open_container(
            self._stack, name, url, None, network_options(url), (_OPEN_SECONDS, _READ_SECONDS)
        )
        video = video_stream(name, container)
        video.codec_context.flags |= int(Flags.low_delay)
        self._clock = Clock()
        self._feed = StreamFeed(name, container, video, self._clock, hear if request.sound else None)
        self.frame_rate, self.sound = self._feed.frame_rate, self._feed.sound
        # A file on a web server comes as fast as the line is; an RTSP or RTMP server sends in real time.
        self._whole = bool(container.duration) and url.lower().startswith("http")
        self._paced = self._whole or bool({"hls", "dash"} & set(container.format.name.split(",")))
        self._frames = self._stack.enter_context(closing(self._feed.frames()))

    def grab(self) -> float | None:
        """Wait for the next frame."""
        try:
            found = next(self._frames, None)
        except FFmpegError as error:
            raise SourceError(f"{self._name}: {_reason(error)}") from error
        if found is None:
            if self._whole and self._current is not None:
                raise SourceEnded("the video has ended")
            raise SourceError(f"{self._name}: the stream ended")
        frame, stamp = found
        now, due = time.monotonic(), None
        if self._paced:
            due = self._clock.due(stamp, now, self._feed.step)
        else:
            self._clock.arrived(stamp, now)
        if self._current is None:
            self._feed.hand_on()
        self._current = self._feed, frame
        return due


class DeviceFeed(_Feed):
    """A camera or the screen through one of FFmpeg's devices; frames as they come, without sound.

    Args:
        name: for messages.
        device: as FFmpeg calls it.
        kind: FFmpeg's demuxer.
        attempts: options to try in turn, the best first.
        untagged: colours of pictures that don't say.

    Raises:
        SourceError: it can't be opened now.
        InputError: FFmpeg has no such demuxer.
    """

    def __init__(
        self, name: str, device: str, kind: str, attempts: tuple[dict[str, str], ...], untagged: ColourTags
    ) -> None:
        super().__init__()
        self._name = name
        for options in attempts[:-1]:
            try:
                container = open_container(self._stack, name, device, kind, options, None)
                break
            except Refused:
                continue
        else:
            container = open_container(self._stack, name, device, kind, attempts[-1], None)
        video = video_stream(name, container)
        self._feed = StreamFeed(name, container, video, Clock(), None, untagged)
        self.frame_rate = self._feed.frame_rate
        self._frames = self._stack.enter_context(closing(self._feed.frames()))

    def grab(self) -> None:
        """Wait for the next frame."""
        try:
            found = next(self._frames, None)
        except FFmpegError as error:
            raise SourceError(f"{self._name}: {_reason(error)}") from error
        if found is None:
            raise SourceError(f"{self._name}: it gives no pictures any more")
        self._current = self._feed, found[0]


class Refused(SourceError):
    """A device that is there didn't take the options."""


def network_options(url: str) -> dict[str, str]:
    """FFmpeg's options for little delay, and for noticing a dead server, of a stream's protocol.

    Args:
        url: of the stream; what it says itself (``udp://...?fifo_size=...``) holds.
    """
    scheme = url.partition(":")[0].lower()
    read = str(round(_READ_SECONDS * 1e6))  # microseconds
    # Not "nobuffer": it throws away what was looked at, the first key frame with it.
    options = {"analyzeduration": "1000000", "max_delay": "200000"}
    if scheme in ("rtsp", "rtsps"):
        return options | {"rtsp_transport": "tcp", "timeout": read}
    if scheme in ("rtmp", "rtmps"):
        return options | {"rtmp_live": "live", "rtmp_buffer": "100", "rw_timeout": read}
    if scheme == "udp":
        # A burst that overflows the buffer loses pictures, not the connection.
        return options | {"overrun_nonfatal": "1", "timeout": read}
    if scheme == "srt":
        return options | {"timeout": read}
    return options | {"rw_timeout": read}


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
        raise (SourceError if gone else Refused)(f"{name}: {_reason(error)}") from error
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


def _reason(error: FFmpegError) -> str:
    """Why, in a user's words."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return "nothing came in time; is it running?"
    if error.errno == errno.EBUSY:
        return "it is in use by another program; close that one"
    if isinstance(error, av.error.PermissionError):
        return "this user may not open it" + ("; see the group video" if os.name == "posix" else "")
    return one_line(error).lower()
