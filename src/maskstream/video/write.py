"""Video files out: exact time stamps, tagged colours, the source's sound, and never half a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from maskstream.errors import InputError
from maskstream.video.colour import BT601, BT709, LIMITED, ColourTags, YuvConverter
from maskstream.video.probe import OPEN_OPTIONS, VideoInfo, fraction

logger = logging.getLogger(__name__)

#: File name suffix -> FFmpeg's name of the container, and the codec that is used unless one is asked for.
_CONTAINERS = {
    ".mp4": ("mp4", "h264"),
    ".m4v": ("mp4", "h264"),
    ".mov": ("mov", "h264"),
    ".mkv": ("matroska", "h264"),
    ".webm": ("webm", "vp9"),
}
VIDEO_SUFFIXES = tuple(_CONTAINERS)  #: of the files that can be written


@dataclass(frozen=True)
class _Encoder:
    name: str
    containers: tuple[str, ...]
    options: dict[str, str]
    even: bool  # 4:2:0 that the encoder takes in even sizes only


# Without B-frames decoding times equal display times, so that durations in an mp4 of variable frame rate
# are exact; it costs about a tenth in size.
_ENCODERS = {
    "h264": _Encoder(
        "libx264",
        ("mp4", "mov", "matroska"),
        # x264's lookahead in a thread of its own now and then gives other bytes for the same images.
        {"preset": "veryfast", "bf": "0", "x264-params": "sync-lookahead=0"},
        True,
    ),
    "hevc": _Encoder(
        "libx265",
        ("mp4", "mov", "matroska"),
        {"preset": "veryfast", "x265-params": "log-level=error:bframes=0"},
        True,
    ),
    "vp9": _Encoder(
        "libvpx-vp9",
        ("webm", "matroska", "mp4"),
        {"b:v": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"},
        False,
    ),
}


class VideoWriter:
    """Writes RGB images as a video file (H.264 in mp4 unless the file name or ``codec`` says otherwise).

    Use it as a context manager. The file is written under a temporary name beside ``path`` and renamed when
    the block ends well; when it ends with an exception nothing is left.

    The picture has the size of the first image. H.264 and HEVC in 4:2:0, the only kind that plays everywhere,
    need even sizes: an odd one is made even by repeating its last column or row. Time stamps are kept as
    given, also with a variable frame rate (Matroska and WebM round them to milliseconds).

    Example:
        >>> with read_video("in.mp4") as reader, VideoWriter(  # doctest: +SKIP
        ...     "out.mp4", like=reader.info, audio_from="in.mp4"
        ... ) as writer:
        ...     for frame in reader:
        ...         writer.write(frame.image, frame.time, frame.duration)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        like: VideoInfo | None = None,
        *,
        fps: Fraction | float | None = None,
        codec: str | None = None,
        crf: int = 18,
        audio_from: str | os.PathLike[str] | None = None,
        start: Fraction | None = None,
        end: Fraction | None = None,
    ) -> None:
        """Check what is asked for; the file is begun by the first ``write``.

        Args:
            path: file to write; ``.mp4``, ``.m4v``, ``.mov``, ``.mkv`` or ``.webm``. An old one is replaced.
            like: the source, whose frame rate, time base, pixel shape and colour tags are kept.
            fps: frames a second; the source's if None, 24 without a source.
            codec: ``h264``, ``hevc`` or ``vp9``; by the file name if None.
            crf: quality, lower is better: 18 looks lossless in H.264, 23 is ordinary.
            audio_from: file whose audio streams are copied without re-encoding; a folder of images has none.
            start: moment of the source (seconds) that becomes 0 in the file; times are kept if None.
            end: audio from this moment of the source (seconds) on is left out; none is if None.

        Raises:
            InputError: unknown file name suffix or codec, or the two don't go together; no such folder.
        """
        self._path = Path(path)
        known = _CONTAINERS.get(self._path.suffix.lower())
        if known is None:
            raise InputError(
                f"{path}: can't write this kind of video; use a name ending in {', '.join(VIDEO_SUFFIXES)}"
            )
        self._format, default_codec = known
        self._codec = codec or default_codec
        encoder = _ENCODERS.get(self._codec)
        if encoder is None:
            raise InputError(f"{path}: unknown codec {codec!r}; use {', '.join(_ENCODERS)}")
        if self._format not in encoder.containers:
            raise InputError(
                f"{path}: a {self._path.suffix} file can't hold {self._codec}; use another suffix"
            )
        if not self._path.parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; make it first")
        self._encoder = encoder
        self._like = like
        rate = Fraction(fps).limit_denominator(1001) if fps else like.frame_rate if like else None
        self._rate = rate or Fraction(24)
        self._crf = crf
        self._audio_from = audio_from
        self._start, self._end = start or Fraction(0), end
        self._part = self._path.with_name(f".{self._path.name}.part")
        self._output: OutputContainer | None = None
        self._stream: VideoStream
        self._convert: YuvConverter
        self._audio: _AudioCopy | None = None
        self._size = (0, 0)
        self._time_base = Fraction(0)
        self._next_time = Fraction(0)
        self._last_pts: int | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(
        self,
        image: np.ndarray[Any, np.dtype[np.uint8]],
        time: Fraction | None = None,
        duration: Fraction | None = None,
    ) -> None:
        """Append one frame.

        Args:
            image: ``(H, W, 3)`` uint8 RGB, of the same size every time.
            time: seconds in the source; one frame after the one before if None.
            duration: seconds that it is shown; matters for the last frame only.

        Raises:
            ValueError: the image has another shape or type than the first.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected an H x W x 3 uint8 image, got {image.shape} {image.dtype}")
        height, width = image.shape[:2]
        if self._output is None:
            self._open(width, height, timed=time is not None)
        if (width, height) != self._size:
            raise ValueError(f"expected an image of {self._size[0]}x{self._size[1]}, got {width}x{height}")
        if self._encoder.even and (width % 2 or height % 2):
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        shown = time - self._start if time is not None else self._next_time
        pts = round(shown / self._time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            logger.warning(
                "%s: two frames at %.3f s; the second comes one tick later", self._path, float(shown)
            )
            pts = self._last_pts + 1
        self._last_pts = pts
        self._next_time = shown + (duration or 1 / self._rate)
        frame = self._convert(image)
        frame.pts, frame.time_base = pts, self._time_base
        frame.duration = round((duration or 1 / self._rate) / self._time_base)
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            InputError: no frame was written.
        """
        if self._output is None:
            raise InputError(f"{self._path}: no frame to write; the range of frames is empty")
        try:
            self._mux(self._stream.encode(None))
            if self._audio is not None:
                self._audio.copy_until(self._output, None)
                self._audio.close()
            self._output.close()
            os.replace(self._part, self._path)
        except BaseException:
            self.abort()
            raise
        self._output = None

    def abort(self) -> None:
        """Give up: nothing is left of the file."""
        if self._audio is not None:
            self._audio.close()
        if self._output is not None:
            try:
                self._output.close()
            except FFmpegError as error:
                logger.debug("%s: closing the unfinished file failed (%s)", self._path, error)
            self._output = None
        self._part.unlink(missing_ok=True)

    def _open(self, width: int, height: int, timed: bool) -> None:
        like, encoder = self._like, self._encoder
        self._size = (width, height)
        self._time_base = like.time_base if timed and like and like.time_base else 1 / self._rate
        if timed and not (like and like.time_base):
            self._time_base = Fraction(1, 90_000)
        tags = like.conversion if like else ColourTags(BT709 if height >= 720 else BT601, LIMITED)
        tags = tags.for_writing()
        self._convert = YuvConverter(tags, "yuv420p")
        options = {}
        if self._format in ("mp4", "mov"):
            # Start times are stored in the movie's own ticks, by default milliseconds.
            options = {"movflags": "+faststart", "movie_timescale": str(_timescale(self._time_base))}
        self._output = av.open(str(self._part), "w", format=self._format, container_options=options)
        try:
            stream = self._output.add_stream(
                encoder.name, rate=self._rate, options={**encoder.options, "crf": str(self._crf)}
            )
        except av.codec.codec.UnknownCodecError as error:
            self.abort()
            raise InputError(
                f"{self._path}: this PyAV has no {encoder.name} encoder; use another codec"
            ) from error
        assert isinstance(stream, VideoStream)
        even = int(encoder.even)
        stream.width, stream.height = width + width % 2 * even, height + height % 2 * even
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        context.flags |= Flags.frame_duration
        if like and like.sample_aspect_ratio != 1:
            context.sample_aspect_ratio = like.sample_aspect_ratio
        if self._codec == "hevc" and self._format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the tag that Apple's players ask for
        self._stream = stream
        if self._audio_from is not None and not Path(self._audio_from).is_dir():
            self._audio = _AudioCopy(Path(self._audio_from), self._output, self._start, self._end)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        assert self._output is not None
        for packet in packets:
            if self._audio is not None and packet.dts is not None:
                base = fraction(packet.time_base) or self._time_base
                self._audio.copy_until(self._output, packet.dts * base)
            self._output.mux(packet)


def _timescale(time_base: Fraction) -> int:
    """Ticks a second in which an mp4 holds times of a time base exactly."""
    ticks = time_base.denominator
    return ticks if ticks >= 10_000 else ticks * (10_000 // ticks + 1)


class _AudioCopy:
    """Copies the audio packets of a file, in step with the video so that little is buffered."""

    def __init__(self, source: Path, output: OutputContainer, start: Fraction, end: Fraction | None) -> None:
        self._start, self._end = start, end
        try:
            self._container: InputContainer = av.open(str(source), **OPEN_OPTIONS)
        except FFmpegError as error:
            raise InputError(f"{source}: can't be opened to copy its sound; name a media file") from error
        self._streams: dict[int, AudioStream] = {}
        for stream in self._container.streams.audio:
            name = stream.codec_context.name if stream.codec_context else "unknown"
            if name not in output.supported_codecs:
                logger.warning(
                    "%s: audio stream %d (%s) is left out: a %s file can't hold it",
                    source,
                    stream.index,
                    name,
                    output.format.name,
                )
                continue
            copy = output.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            self._streams[stream.index] = copy
        self._packets = self._read()
        self._waiting: tuple[Fraction, Packet[Any]] | None = None

    def _read(self) -> Iterator[tuple[Fraction, Packet[Any]]]:
        wanted = [s for s in self._container.streams.audio if s.index in self._streams]
        if not wanted:
            return
        for packet in self._container.demux(*wanted):
            base = fraction(packet.time_base)
            if packet.pts is None or packet.dts is None or base is None:
                continue
            time = packet.pts * base
            cut = self._start > 0 and time < self._start
            if cut or (self._end is not None and time >= self._end):
                continue
            shift = round(self._start / base)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = self._streams[packet.stream.index]
            yield time - self._start, packet

    def copy_until(self, output: OutputContainer, time: Fraction | None) -> None:
        """Copy the packets up to a time in the output (seconds), or all that are left."""
        while True:
            if self._waiting is None:
                self._waiting = self._next()
            if self._waiting is None or (time is not None and self._waiting[0] > time):
                return
            output.mux(self._waiting[1])
            self._waiting = None

    def _next(self) -> tuple[Fraction, Packet[Any]] | None:
        try:
            return next(self._packets, None)
        except FFmpegError as error:
            logger.warning("%s: its sound ends early, the rest is damaged (%s)", self._container.name, error)
            return None

    def close(self) -> None:
        self._packets = iter(())
        self._container.close()
