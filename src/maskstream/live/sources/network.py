"""Network streams as sources."""

from __future__ import annotations

import time
from contextlib import closing

from av.codec.context import Flags
from av.error import FFmpegError

from maskstream.live.sources.clock import Clock
from maskstream.live.sources.source import Hear, Request, SourceEnded, SourceError
from maskstream.live.sources.stream import (
    READ_SECONDS,
    ContainerFeed,
    StreamFeed,
    open_container,
    reason_of,
    video_stream,
)

_OPEN_SECONDS = 10.0  # until a server counts as dead


class NetworkFeed(ContainerFeed):
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
            self._stack, name, url, None, network_options(url), (_OPEN_SECONDS, READ_SECONDS)
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
            raise SourceError(f"{self._name}: {reason_of(error)}") from error
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


def network_options(url: str) -> dict[str, str]:
    """FFmpeg's options for little delay, and for noticing a dead server, of a stream's protocol.

    Args:
        url: of the stream; what it says itself (``udp://...?fifo_size=...``) holds.
    """
    scheme = url.partition(":")[0].lower()
    read = str(round(READ_SECONDS * 1e6))  # microseconds
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
